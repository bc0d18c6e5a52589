//! What `install.sh` installs is found by pkg-config, and the examples run with it: shared and static.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use support::{CRATE, STATIC_LIBRARIES, WARNINGS, built, has, is_long, read, skipped, succeeds};

/// Without a network of its own, an example would meet whoever listens on this machine.
const APART: &str = "ip link set lo up && exec \"$0\" \"$@\"";

struct Installed {
    prefix: tempfile::TempDir,
}

impl Installed {
    fn new() -> Self {
        let prefix = tempfile::tempdir().unwrap();
        let mut install = Command::new(Path::new(CRATE).join("install.sh"));
        install.arg(prefix.path());
        if !is_long() {
            // A release build takes minutes where none was made before.
            install.env("LIBRARIES", built("libportkeeper.so").parent().unwrap());
        }
        succeeds(&mut install);
        Self { prefix }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.prefix.path().join(name)
    }

    fn pkg_config(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", self.path("lib/pkgconfig"));
        let text = succeeds(command.args(arguments).arg("portkeeper"));
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles an example and runs it.
    fn run(&self, example: &str, flags: &[String], is_shared: bool) -> String {
        let program = self.path(example);
        let mut compile = Command::new("gcc");
        compile
            .arg("-std=c11")
            .args(WARNINGS)
            .arg("-D_DEFAULT_SOURCE");
        compile.arg(
            Path::new(CRATE)
                .join("../examples")
                .join(format!("{example}.c")),
        );
        compile.args(flags).arg("-o").arg(&program);
        succeeds(&mut compile);
        self.execute(&program, is_shared)
    }

    /// Has `make` build the quickstart by what the README says, and runs it.
    fn make(&self, makefile: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Makefile"), makefile).unwrap();
        let source = Path::new(CRATE).join("../examples/quickstart.c");
        fs::copy(source, folder.path().join("quickstart.c")).unwrap();
        let flags = format!("CFLAGS=-std=c11 -D_DEFAULT_SOURCE {}", WARNINGS.join(" "));
        let mut make = Command::new("make");
        make.arg("quickstart").arg(flags).current_dir(folder.path());
        make.env("PKG_CONFIG_PATH", self.path("lib/pkgconfig"));
        succeeds(&mut make);
        self.execute(&folder.path().join("quickstart"), false)
    }

    /// Runs an example on a registry of its own; with the library's folder where the program does not know it.
    fn execute(&self, program: &Path, needs_folder: bool) -> String {
        let registry = self.path("quickstart.db");
        let mut command = Command::new("unshare");
        command.args(["-rn", "sh", "-c", APART]);
        if Command::new("unshare")
            .args(["-rn", "ip", "link"])
            .output()
            .is_ok_and(|output| output.status.success())
        {
            command.arg(program);
        } else {
            command = Command::new(program);
        }
        if needs_folder {
            command.env("LD_LIBRARY_PATH", self.path("lib"));
        } else {
            command.env_remove("LD_LIBRARY_PATH");
        }
        let text = succeeds(command.arg(&registry));
        fs::remove_file(registry).unwrap();
        text
    }
}

#[test]
fn the_installed_library_is_found_and_runs() {
    let installed = Installed::new();
    let library = fs::read_link(installed.path("lib/libportkeeper.so")).unwrap();
    assert_eq!(library, Path::new("libportkeeper.so.0"));
    let library = fs::read_link(installed.path("lib/libportkeeper.so.0")).unwrap();
    assert_eq!(
        library,
        Path::new(&format!("libportkeeper.so.{}", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(
        read(installed.path("include/portkeeper.h")),
        read(Path::new(CRATE).join("include/portkeeper.h"))
    );

    if !has("pkg-config") {
        skipped("the_installed_library_is_found_and_runs: pkg-config is not installed");
        return;
    }
    assert_eq!(
        installed.pkg_config(&["--modversion"]),
        [env!("CARGO_PKG_VERSION")]
    );
    let shared = installed.pkg_config(&["--cflags", "--libs"]);
    let mut fixed = installed.pkg_config(&["--static", "--cflags", "--libs"]);
    for needed in STATIC_LIBRARIES {
        assert!(
            fixed.iter().any(|flag| flag == needed),
            "{needed} is missing in {fixed:?}"
        );
    }
    // Both are installed, and linkers would take the shared one.
    for flag in &mut fixed {
        if flag == "-lportkeeper" {
            *flag = "-l:libportkeeper.a".to_owned();
        }
    }
    for (flags, is_shared) in [(&shared, true), (&fixed, false)] {
        check_quickstart(&installed.run("quickstart", flags, is_shared));
        check_listen_fds(&installed.run("listen_fds", flags, is_shared));
        let needed = succeeds(
            Command::new("readelf")
                .arg("-d")
                .arg(installed.path("quickstart")),
        );
        assert_eq!(
            needed.contains("[libportkeeper.so.0]"),
            is_shared,
            "{needed}"
        );
    }
}

/// What the README tells to write into a Makefile.
#[test]
fn the_makefiles_of_the_readme_work() {
    if !has("pkg-config") || !has("make") {
        skipped("the_makefiles_of_the_readme_work: pkg-config or make is not installed");
        return;
    }
    let installed = Installed::new();
    let readme = read(Path::new(CRATE).join("README.md"));
    let makefiles: Vec<&str> = readme
        .split("```make\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(makefiles.len(), 2, "shared and static");
    for makefile in makefiles {
        check_quickstart(&installed.make(makefile));
    }
}

/// However the folders are written, files go below DESTDIR and PREFIX, and PREFIX alone is in the file for pkg-config.
#[test]
fn folders_are_the_callers() {
    let libraries = built("libportkeeper.so").parent().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    symlink(&libraries, folder.path().join("built")).unwrap();
    let top = folder.path().canonicalize().unwrap();
    let top = top.to_str().unwrap();
    for (destination, prefix, below, written) in [
        ("", "plain", "plain".to_owned(), format!("{top}/plain")),
        ("", "slash//", "slash".to_owned(), format!("{top}/slash")),
        (
            "stage",
            "/opt/pk",
            "stage/opt/pk".to_owned(),
            "/opt/pk".to_owned(),
        ),
        (
            "stage2/",
            "/opt/pk/",
            "stage2/opt/pk".to_owned(),
            "/opt/pk".to_owned(),
        ),
        (
            &format!("{top}/stage3/"),
            "/usr",
            "stage3/usr".to_owned(),
            "/usr".to_owned(),
        ),
        (
            "stage4",
            "own",
            format!("stage4{top}/own"),
            format!("{top}/own"),
        ),
        // A prefix that begins like the folder it is staged in.
        (top, top, top[1..].to_owned(), top.to_owned()),
    ] {
        let mut install = Command::new(Path::new(CRATE).join("install.sh"));
        install.arg(prefix).current_dir(top);
        install
            .env("LIBRARIES", "built/")
            .env("DESTDIR", destination);
        succeeds(&mut install);
        let lib = folder.path().join(below).join("lib");
        assert!(lib.join("libportkeeper.so").metadata().unwrap().len() > 0);
        let config = read(lib.join("pkgconfig/portkeeper.pc"));
        assert!(
            config.starts_with(&format!("prefix={written}\n")),
            "{config}"
        );
    }
}

/// What is installed is what was built, wherever cargo puts it.
#[test]
fn a_build_for_a_named_target_is_found() {
    if !is_long() {
        // It compiles everything once more.
        return;
    }
    let version = succeeds(Command::new("rustc").arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let folder = tempfile::tempdir().unwrap();
    let mut install = Command::new(Path::new(CRATE).join("install.sh"));
    install.arg("prefix").current_dir(folder.path());
    install
        .env("CARGO_BUILD_TARGET", host.unwrap())
        .env("CARGO_TARGET_DIR", "built")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    succeeds(&mut install);
    let library = folder.path().join("prefix/lib/libportkeeper.so.0");
    assert!(library.metadata().unwrap().len() > 0);
}

fn check_quickstart(text: &str) {
    let expected: [&[&str]; 7] = [
        &["registry", "quickstart.db"],
        &["reserved", "quickstart"],
        &["serving", "in-use", "listening on 127.0.0.1"],
        &["stopped", "reserved"],
        &["released", "free", "nobody"],
        &["released", "by quickstart"],
        &["reserved", "by quickstart"],
    ];
    check(text, &expected);
}

fn check_listen_fds(text: &str) {
    let expected: [&[&str]; 3] = [
        &["bound", "listening on 127.0.0.1 (tcp)"],
        &["answered", "hello from process"],
        &["released", "free"],
    ];
    check(text, &expected);
    let answer = text
        .lines()
        .find(|line| line.starts_with("answered"))
        .unwrap();
    let (_, answer) = answer.split_once("hello from process ").unwrap();
    let (said, is) = answer.split_once(", which is process ").unwrap();
    assert_eq!(said, is);
}

/// The lines in their order, each with the words that it must have.
fn check(text: &str, expected: &[&[&str]]) {
    let mut lines = text.lines();
    for words in expected {
        let found = lines.any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no line with {words:?} in its place:\n{text}");
    }
}
