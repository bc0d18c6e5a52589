//! The committed header is what the source gives: `PORTKEEPER_WRITE_HEADER=1 cargo test -p portkeeper-ffi
//! --test header` writes it anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{env, fmt::Write, fs, path::Path};

use chrono::DateTime;
use portkeeper_core::{ErrorKind, Verdict};

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include/portkeeper.h");

#[test]
fn the_committed_header_is_that_of_the_source() {
    let made = grouped(&generated());
    if env::var_os("PORTKEEPER_WRITE_HEADER").is_some() {
        fs::write(HEADER, &made).unwrap();
    }
    let committed = fs::read_to_string(HEADER).unwrap_or_default();
    let differs = committed
        .lines()
        .zip(made.lines())
        .position(|(a, b)| a != b);
    assert!(
        committed == made,
        "include/portkeeper.h is not made from this source; the first difference is in line {differs:?}. \
         PORTKEEPER_WRITE_HEADER=1 writes it anew"
    );
}

/// A function that a macro makes would be missing in the header, and nobody would notice.
#[test]
fn every_exported_function_is_declared() {
    let header = fs::read_to_string(HEADER).unwrap();
    let mut count = 0;
    for (_, source) in modules() {
        for name in functions(&source) {
            assert!(
                header.contains(&format!(" {name}(")) || header.contains(&format!("*{name}(")),
                "{name}"
            );
            count += 1;
        }
    }
    assert!(count > 60, "{count} functions");
}

/// Whatever the engine's objects do, C can ask for, but for what is hidden from the engine's documentation, too.
#[test]
fn every_operation_of_the_engine_is_there() {
    /// What has another name in C, and the name.
    const OTHERWISE: [(&str, &str); 7] = [
        ("pk_keeper_import", "pk_keeper_import_json"),
        ("pk_lease_ports", "pk_lease_port"),
        ("pk_lease_set_roles", "pk_lease_set_role"),
        ("pk_lease_give_back", "pk_lease_release"),
        ("pk_bound_reservation", "pk_lease_reservations"),
        ("pk_bound_listener", "pk_bound_fd"),
        ("pk_bound_into_parts", "pk_bound_take_fd"),
    ];
    let header = grouped(&generated());
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../portkeeper-core/src/keeper");
    let mut paths = vec![format!("{source}.rs")];
    for file in fs::read_dir(source).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            paths.push(path.to_str().unwrap().to_owned());
        }
    }
    let mut count = 0;
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        for (start, prefix) in [
            ("\nimpl Keeper {\n", "pk_keeper"),
            ("\nimpl Lease {\n", "pk_lease"),
            ("\nimpl Hold {\n", "pk_hold"),
            ("\nimpl BoundPort {\n", "pk_bound"),
        ] {
            for block in text.split(start).skip(1) {
                let block = block.split("\n}\n").next().unwrap();
                for (at, start) in block.match_indices("\n    pub fn ") {
                    let (above, method) = (&block[..at], &block[at + start.len()..]);
                    // What stands above a method follows the one before.
                    let above = above.rsplit("\n    }\n").next().unwrap();
                    if above.contains("#[doc(hidden)]") {
                        continue;
                    }
                    let (name, rest) = method.split_once(['(', '<']).unwrap();
                    if !rest.split_once(')').unwrap().0.contains("self") {
                        continue;
                    }
                    let name = format!("{prefix}_{name}");
                    let other = OTHERWISE.iter().find(|(theirs, _)| *theirs == name);
                    let ours = other.map_or(name.as_str(), |(_, ours)| ours);
                    assert!(header.contains(&format!("{ours}(")), "{name} is not there");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 35, "{count} operations");
}

fn generated() -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    let config = cbindgen::Config::from_file(Path::new(folder).join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    // File by file, so that the header has the order of the modules in lib.rs.
    for (path, _) in modules() {
        builder = builder.with_src(path);
    }
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

/// The modules that lib.rs lists, with their text.
fn modules() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let lib = fs::read_to_string(format!("{folder}/lib.rs")).unwrap();
    let names = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let paths = names.map(|name| format!("{folder}/{name}.rs"));
    paths
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let rest = line.strip_prefix("pub unsafe extern \"C\" fn ");
        let rest = rest.or_else(|| line.strip_prefix("pub extern \"C\" fn "))?;
        rest.split('(').next()
    })
}

/// What cbindgen made, with everything that a module declares below the module's heading.
fn grouped(header: &str) -> String {
    let (preamble, rest) = header.split_once("*/\n").unwrap();
    // A declaration with its comment has no empty line in it.
    let mut items: Vec<&str> = rest.split("\n\n").map(str::trim).collect();
    items.retain(|item| !item.is_empty());
    let mut text = format!(
        "{}*/\n\n#ifndef PORTKEEPER_H\n#define PORTKEEPER_H\n\n#include <stddef.h>\n\
         #include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n",
        preamble.trim_start()
    );
    for (_, source) in modules() {
        let (ours, others): (Vec<&str>, Vec<&str>) = items
            .into_iter()
            .partition(|item| declares(&source, &name(item)));
        items = others;
        if ours.is_empty() {
            continue;
        }
        let heading = source
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("//! "))
            .unwrap();
        let rule = "-".repeat(100 - heading.chars().count());
        let _ = writeln!(text, "\n/* ---- {heading} {rule} */");
        let mut is_define = false;
        for item in ours {
            // Constants that belong together stand together.
            let follows = is_define && name(item).starts_with("PK_");
            is_define = name(item).starts_with("PK_");
            let gap = if follows { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", with_tag(&with_rules(item)));
            text += &initialiser(item);
        }
    }
    assert!(items.is_empty(), "of no module: {items:?}");
    text + "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* PORTKEEPER_H */\n"
}

/// What an item declares.
fn name(item: &str) -> String {
    let code = || {
        item.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
    };
    let (first, last) = (code().next().unwrap(), code().next_back().unwrap());
    let name = if let Some(define) = first.strip_prefix("#define ") {
        define.split(' ').next()
    } else if let Some((_, callback)) = first.split_once("(*") {
        callback.split(')').next()
    } else if first.starts_with("typedef") {
        last.trim_end_matches(';').rsplit(' ').next()
    } else {
        first
            .split('(')
            .next()
            .and_then(|start| start.rsplit([' ', '*']).next())
    };
    name.unwrap().to_owned()
}

/// A struct with a name of its own beside that of the type, so that other headers, C++ ones too, can declare it
/// without this one.
fn with_tag(item: &str) -> String {
    let tagged = format!("typedef struct {} {{", name(item));
    item.replace("typedef struct {", &tagged)
}

/// A function with what its signature says of ownership and threads.
fn with_rules(item: &str) -> String {
    let is_code = |line: &&str| !line.starts_with("//");
    let code: Vec<&str> = item.lines().filter(is_code).collect();
    let comment: Vec<&str> = item.lines().filter(|line| line.starts_with("//")).collect();
    let (comment, code) = (comment.join("\n"), code.join("\n"));
    if !code.ends_with(");") || code.starts_with("typedef") {
        return item.to_owned();
    }
    let rules = if frees(&code).is_some() {
        "Not thread-safe: nobody uses the object any more.".to_owned()
    } else {
        let parameters = code.split_once('(').unwrap().1;
        let outputs = parameters.split([',', ')']).filter_map(|parameter| {
            let (kind, name) = parameter.trim().strip_prefix("pk_")?.split_once(" **")?;
            Some(format!("{name} with pk_{kind}_free()"))
        });
        let outputs: Vec<String> = outputs.collect();
        let borrowed = code.starts_with("const ") && parameters.starts_with("const pk_");
        match (outputs.is_empty(), borrowed) {
            (false, _) => format!("Thread-safe. Free {}.", outputs.join(", ")),
            (true, true) => {
                "Thread-safe. What it returns is the object's and lives as long.".to_owned()
            }
            (true, false) => "Thread-safe.".to_owned(),
        }
    };
    format!("{comment}\n//\n// {rules}\n{code}")
}

/// The type that a function frees, which its signature tells and not its name alone: `next_free` frees nothing.
fn frees(code: &str) -> Option<&str> {
    let (name, parameter) = code.strip_prefix("void pk_")?.split_once("_free(pk_")?;
    let (kind, _) = parameter.split_once(" *")?;
    (kind == name && !parameter.contains(',')).then_some(kind)
}

#[test]
fn every_type_has_one_function_that_frees_it() {
    let header = grouped(&generated());
    let types = header.lines().filter_map(|line| {
        let (kind, again) = line
            .strip_prefix("typedef struct pk_")?
            .split_once(" pk_")?;
        (again.strip_suffix(';') == Some(kind)).then_some(kind)
    });
    let mut types: Vec<&str> = types.collect();
    types.sort_unstable();
    let mut freed: Vec<&str> = header.lines().filter_map(frees).collect();
    freed.sort_unstable();
    assert_eq!(types, freed);
    assert_eq!(
        header
            .matches("// Not thread-safe: nobody uses the object")
            .count(),
        types.len()
    );
}

/// Whose an object is, and who may use it, is said where it is declared.
#[test]
fn every_type_and_callback_says_its_rules() {
    let header = grouped(&generated());
    let mut count = 0;
    for item in header.split("\n\n") {
        let declaration = item.lines().find(|line| line.starts_with("typedef "));
        let Some(declaration) = declaration else {
            continue;
        };
        let comment: String = item
            .lines()
            .filter_map(|line| line.strip_prefix("//"))
            .collect();
        let kind = name(item);
        if declaration == format!("typedef struct {kind} {kind};") {
            let freed = format!("Owned by the caller that got it, who frees it with {kind}_free()");
            assert!(comment.contains(&freed), "whose is {kind}?\n{comment}");
            assert!(comment.contains("everal threads may"), "{kind}: {comment}");
        } else if kind.ends_with("_callback") {
            assert!(comment.contains("on the thread"), "{kind}: {comment}");
        } else {
            continue;
        }
        count += 1;
    }
    assert_eq!(count, 9, "six objects and three callbacks");
}

/// Numbers that programs were compiled with are those of the engine, for ever.
#[test]
fn every_code_and_verdict_has_its_number() {
    let header = grouped(&generated());
    let defined = |start: &str| -> Vec<(String, i32)> {
        let lines = header.lines().filter_map(|line| {
            let (name, number) = line.strip_prefix("#define PK_")?.split_once(' ')?;
            Some((name.strip_prefix(start)?.to_owned(), number.parse().ok()?))
        });
        lines.collect()
    };
    let kinds = ErrorKind::ALL.map(|kind| (kind.name().to_owned(), kind.code()));
    let section = header
        .split("/* ---- ")
        .find(|section| section.starts_with("Codes "))
        .unwrap();
    for (name, code) in &kinds {
        assert!(
            section.contains(&format!("\n#define PK_{name} {code}\n")),
            "{name}"
        );
    }
    assert_eq!(section.matches("\n#define ").count(), kinds.len() + 1);

    let verdicts = [
        Verdict::Free,
        Verdict::Reserved {
            project: String::new(),
            since: DateTime::UNIX_EPOCH,
        },
        Verdict::Held {
            project: String::new(),
            since: DateTime::UNIX_EPOCH,
            pid: 1,
        },
        Verdict::Listening {
            project: None,
            listeners: Vec::new(),
        },
        Verdict::Bound {
            project: None,
            sockets: Vec::new(),
        },
        Verdict::TimeWait { project: None },
        Verdict::OutgoingConnection {
            project: None,
            connections: Vec::new(),
        },
        Verdict::Privileged { project: None },
        Verdict::Excluded { project: None },
    ];
    let theirs = verdicts.map(|verdict| {
        let record = serde_json::to_value(&verdict).unwrap();
        let word = record["verdict"].as_str().unwrap().replace('-', "_");
        (word.to_uppercase(), verdict.code())
    });
    // That these are all of them, `words` shows.
    assert_eq!(defined("VERDICT_"), theirs);
}

fn declares(source: &str, name: &str) -> bool {
    let kinds = [
        "struct ",
        "const ",
        "type ",
        "extern \"C\" fn ",
        "unsafe extern \"C\" fn ",
    ];
    kinds.iter().any(|kind| {
        let start = format!("pub {kind}{name}");
        source.lines().any(|line| {
            let rest = line.strip_prefix(&start);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()))
        })
    })
}

/// All fields, since compilers warn of those that are left out.
fn initialiser(item: &str) -> String {
    let name = name(item);
    let Some(short) = name
        .strip_suffix("_options")
        .filter(|_| item.contains("size_t size;"))
    else {
        return String::new();
    };
    let fields = item
        .lines()
        .filter(|line| line.starts_with("    ") && line.ends_with(';'))
        .filter(|line| !line.trim_start().starts_with("//"))
        .skip(1);
    let values: Vec<&str> = fields
        .map(|field| if field.contains('*') { "NULL" } else { "0" })
        .collect();
    format!(
        "\n// All defaults.\n#define {}_OPTIONS_INIT {{ sizeof({name}), {} }}\n",
        short.to_uppercase(),
        values.join(", ")
    )
}
