//! The table of `tests/conformance`, made into C and run by `tests/c/conformance.c`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

mod support;

use std::{
    fmt::Write,
    fs,
    net::{Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use serde_json::{Map, Value};
use socket2::{Domain, Socket, Type};
use support::{CRATE, c, compile, library_folder, succeeds};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    ports: usize,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    op: String,
    args: Map<String, Value>,
    #[serde(rename = "as")]
    guard: Option<String>,
    #[serde(default)]
    cancel: bool,
    #[serde(default, deserialize_with = "present")]
    ok: Option<Value>,
    error: Option<Map<String, Value>>,
}

/// `null` is an answer, too.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[test]
fn every_case_holds() {
    let cases = cases();
    assert!(cases.len() >= 20, "{} cases", cases.len());
    let folder = tempfile::tempdir().unwrap();
    let mut ports = free_ports(cases.iter().map(|case| case.ports).sum()).into_iter();
    let mut table = Table::default();
    for (index, case) in cases.iter().enumerate() {
        let files = folder.path().join(format!("case{index}"));
        fs::create_dir(&files).unwrap();
        let mut known: Vec<(String, Value)> =
            vec![("$dir".to_owned(), files.to_str().unwrap().into())];
        for number in 1..=case.ports {
            known.push((format!("${number}"), ports.next().unwrap().into()));
        }
        table.case(case, &files, &known);
    }
    let source = folder.path().join("table.c");
    fs::write(&source, table.finished()).unwrap();
    let library = library_folder();
    let program = folder.path().join("conformance");
    let sources = [
        source,
        c("conformance.c"),
        c("arguments.c"),
        c("compare.c"),
        c("support.c"),
    ];
    let include = format!("-I{}", c("").display());
    compile(library.path(), &program, &[&include], &sources);
    let output = succeeds(&mut Command::new(program));
    assert_eq!(output, format!("{} cases\n", cases.len()));
}

fn cases() -> Vec<Case> {
    let folder = Path::new(CRATE).join("../tests/conformance");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    paths.sort();
    let tables = paths.iter().filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    tables
        .flat_map(|path| serde_json::from_str::<Vec<Case>>(&support::read(path)).unwrap())
        .collect()
}

/// The table as C.
#[derive(Default)]
struct Table {
    text: String,
    cases: String,
    count: usize,
}

impl Table {
    fn case(&mut self, case: &Case, folder: &Path, known: &[(String, Value)]) {
        let number = self.count;
        self.count += 1;
        let mut steps = String::new();
        for (index, step) in case.steps.iter().enumerate() {
            let prefix = format!("case{number}_{index}");
            let arguments = self.arguments(&prefix, &step.args, known);
            let checks = self.checks(&prefix, step, known);
            let guard = step.guard.as_deref().map_or("NULL".to_owned(), literal);
            let _ = writeln!(
                steps,
                "    {{ {}, {guard}, {}, {}, {arguments}, {prefix}_arguments, {checks}, {prefix}_checks }},",
                literal(&step.op),
                step.cancel,
                step.error.is_some(),
            );
        }
        let _ = writeln!(
            self.text,
            "static const struct step case{number}[] = {{\n{steps}}};\n"
        );
        let _ = writeln!(
            self.cases,
            "    {{ {}, {}, {}, case{number} }},",
            literal(&case.name),
            literal(folder.to_str().unwrap()),
            case.steps.len()
        );
    }

    fn arguments(
        &mut self,
        prefix: &str,
        arguments: &Map<String, Value>,
        known: &[(String, Value)],
    ) -> usize {
        let mut rows = Vec::new();
        for (name, value) in arguments {
            let value = filled(value, known);
            match (name.as_str(), &value) {
                // Left out, which is what NULL is.
                (_, Value::Null) => {}
                // What C takes as the text of a JSON document.
                ("document" | "metadata", value) => rows.push(argument(
                    name,
                    "0",
                    &literal(&value.to_string()),
                    0,
                    "NULL",
                    "NULL",
                )),
                ("before", Value::Object(place)) => {
                    for (inner, value) in place {
                        rows.push(scalar(&format!("before.{inner}"), value));
                    }
                }
                (_, Value::Array(items)) => {
                    let list = format!("{prefix}_{name}");
                    let is_text = items.iter().any(Value::is_string);
                    let values: Vec<String> = items
                        .iter()
                        .map(|item| item.as_str().map_or_else(|| item.to_string(), literal))
                        .chain(items.is_empty().then(|| "0".to_owned()))
                        .collect();
                    let kind = if is_text { "char *const" } else { "int64_t" };
                    let _ = writeln!(
                        self.text,
                        "static const {kind} {list}[] = {{ {} }};",
                        values.join(", ")
                    );
                    let (numbers, texts) = if is_text {
                        ("NULL", list.as_str())
                    } else {
                        (list.as_str(), "NULL")
                    };
                    rows.push(argument(name, "0", "NULL", items.len(), numbers, texts));
                }
                (_, value) => rows.push(scalar(name, value)),
            }
        }
        self.list("argument", &format!("{prefix}_arguments"), &rows, "{ 0 }")
    }

    fn checks(&mut self, prefix: &str, step: &Step, known: &[(String, Value)]) -> usize {
        let mut rows = Vec::new();
        match (&step.ok, &step.error) {
            (_, Some(facts)) => {
                for (name, value) in facts {
                    check(0, name, &filled(value, known), &mut rows);
                }
            }
            // What returns nothing has no rows either.
            (Some(Value::Null), None) => rows.push(row(0, "", "HAS_ROWS", "0", "NULL")),
            (Some(Value::String(any)), None) if any == "$any" => {
                rows.push(row(0, "", "HAS_ROWS", "-1", "NULL"));
            }
            (Some(Value::Array(list)), None) => {
                rows.push(row(0, "", "HAS_ROWS", &list.len().to_string(), "NULL"));
                for (index, item) in list.iter().enumerate() {
                    members(index, "", &filled(item, known), &mut rows);
                }
            }
            (Some(answer @ (Value::Bool(_) | Value::Number(_))), None) => {
                check(0, "", answer, &mut rows);
            }
            (Some(record), None) => members(0, "", &filled(record, known), &mut rows),
            (None, None) => {}
        }
        self.list("check", &format!("{prefix}_checks"), &rows, "{ 0 }")
    }

    fn list(&mut self, kind: &str, name: &str, rows: &[String], none: &str) -> usize {
        // C has no empty arrays.
        let body = if rows.is_empty() {
            none.to_owned()
        } else {
            rows.join(",\n    ")
        };
        let _ = writeln!(
            self.text,
            "static const struct {kind} {name}[] = {{\n    {body}\n}};"
        );
        rows.len()
    }

    fn finished(self) -> String {
        let script = Path::new(CRATE).join("../tests/conformance/stranger.py");
        format!(
            "#include \"conformance.h\"\n\n#pragma GCC diagnostic ignored \"-Wmissing-field-initializers\"\n\
             #pragma GCC diagnostic ignored \"-Woverlength-strings\"\n\n{}\
             const struct test_case table[] = {{\n{}}};\nconst size_t table_length = {};\n\
             const char *const stranger_script = {};\n",
            self.text,
            self.cases,
            self.count,
            literal(script.to_str().unwrap())
        )
    }
}

fn argument(
    name: &str,
    number: &str,
    text: &str,
    count: usize,
    numbers: &str,
    texts: &str,
) -> String {
    format!(
        "{{ {}, {number}, {text}, {count}, {numbers}, {texts} }}",
        literal(name)
    )
}

fn scalar(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => argument(name, "0", &literal(text), 0, "NULL", "NULL"),
        Value::Bool(truth) => argument(
            name,
            &u8::from(*truth).to_string(),
            "NULL",
            0,
            "NULL",
            "NULL",
        ),
        other => argument(name, &other.to_string(), "NULL", 0, "NULL", "NULL"),
    }
}

fn row(row: usize, field: &str, expectation: &str, number: &str, text: &str) -> String {
    format!(
        "{{ {row}, {}, {expectation}, {number}, {text} }}",
        literal(field)
    )
}

/// Expectations of all members of a record, or elements of a list.
fn members(index: usize, path: &str, pattern: &Value, rows: &mut Vec<String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match pattern {
        Value::Object(record) => {
            for (name, pattern) in record {
                check(index, &below(name), pattern, rows);
            }
        }
        Value::Array(list) => {
            for (place, pattern) in list.iter().enumerate() {
                check(index, &below(&place.to_string()), pattern, rows);
            }
        }
        // A row that is there is something.
        Value::String(any) if any == "$any" => {}
        other => panic!("{other} is no record"),
    }
}

fn check(index: usize, path: &str, pattern: &Value, rows: &mut Vec<String>) {
    match pattern {
        Value::Null => rows.push(row(index, path, "IS_NULL", "0", "NULL")),
        Value::String(text) => match text.as_str() {
            "$any" => rows.push(row(index, path, "IS_SOMETHING", "0", "NULL")),
            "$pid" | "$stranger" => rows.push(row(index, path, "IS_NUMBER", "0", &literal(text))),
            text => rows.push(row(index, path, "IS_TEXT", "0", &literal(text))),
        },
        Value::Bool(truth) => rows.push(row(
            index,
            path,
            "IS_NUMBER",
            &u8::from(*truth).to_string(),
            "NULL",
        )),
        Value::Number(number) if number.is_i64() => {
            rows.push(row(index, path, "IS_NUMBER", &number.to_string(), "NULL"));
        }
        Value::Number(number) => rows.push(row(
            index,
            path,
            "IS_TEXT",
            "0",
            &literal(&number.to_string()),
        )),
        Value::Array(list) => {
            rows.push(row(
                index,
                path,
                "HAS_LENGTH",
                &list.len().to_string(),
                "NULL",
            ));
            members(index, path, pattern, rows);
        }
        Value::Object(_) => {
            rows.push(row(index, path, "IS_SOMETHING", "0", "NULL"));
            members(index, path, pattern, rows);
        }
    }
}

/// `value` with the placeholders that are known before the program runs.
fn filled(value: &Value, known: &[(String, Value)]) -> Value {
    match value {
        Value::String(text) => match known.iter().find(|(name, _)| name == text) {
            Some((_, whole)) => whole.clone(),
            None => known
                .iter()
                .fold(text.clone(), |text, (name, value)| {
                    text.replace(name.as_str(), value.as_str().unwrap_or(&value.to_string()))
                })
                .into(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), filled(value, known)))
            .collect(),
        other => other.clone(),
    }
}

/// A text as C writes it: octal, since a hexadecimal escape would go on into what follows.
fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                literal.push('\\');
                literal.push(byte.into());
            }
            // A question mark may begin a trigraph.
            b' '..=b'~' if byte != b'?' => literal.push(byte.into()),
            other => {
                let _ = write!(literal, "\\{other:03o}");
            }
        }
    }
    literal + "\""
}

/// Different free ports from 20000 to 29999, ascending.
fn free_ports(count: usize) -> Vec<u16> {
    let is_free = |port: u16| {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        socket.set_only_v6(false).unwrap();
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        socket.bind(&address.into()).is_ok()
    };
    let mut ports: Vec<u16> = (20_000..=29_999).collect();
    fastrand::shuffle(&mut ports);
    let free = ports.into_iter().filter(|port| is_free(*port));
    let mut free: Vec<u16> = free.take(count).collect();
    free.sort_unstable();
    free
}
