//! `Project::detect` in every kind of folder, and in real git checkouts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use portkeeper_core::{ErrorKind, Keeper, Project, ReserveRequest};
use tempfile::TempDir;

/// A folder called `home` that is removed at the end, with these files in it.
fn home(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().canonicalize().unwrap().join("home");
    fs::create_dir(&home).unwrap();
    for (file, text) in files {
        write(&home.join(file), text);
    }
    (folder, home)
}

/// A file, or where the name ends in `/` a folder.
fn write(path: &Path, text: &str) {
    if path.to_string_lossy().ends_with('/') {
        return fs::create_dir_all(path).unwrap();
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Looks in `dir` of a home with these files: the project's id is `id` and its root `root`.
fn check(files: &[(&str, &str)], dir: &str, id: &str, root: &str) {
    let (_folder, home) = home(files);
    fs::create_dir_all(home.join(dir)).unwrap();
    let project = Project::detect(home.join(dir)).unwrap();
    assert_eq!(project.id(), id, "{files:?} {dir}");
    assert_eq!(project.to_string(), id);
    assert_eq!(
        project.root,
        home.join(root).canonicalize().unwrap(),
        "{files:?} {dir}"
    );
    Keeper::in_memory()
        .unwrap()
        .reserve(3000, ReserveRequest::new(project.id()).adopt(true))
        .unwrap();
}

const CARGO: &str = "[package]\nname = \"crate\"\nversion = \"1.0.0\"\n";
const WORKSPACE: &str = "[workspace]\nmembers = [\"a\"]\n";
const NODE: &str = r#"{ "name": "@scope/web", "private": true }"#;
const CARGO_INHERITED: &str = "[package]\nversion.workspace = true\n";
const PYTHON: &str = "[project]\nname = \"snake\"\n";
const POETRY: &str = "[tool.poetry]\nname = \"verse\"\n";
const TOOLS: &str = "[tool.ruff]\nline-length = 100\n";

#[test]
fn the_nearest_manifest_gives_the_name() {
    check(&[], ".", "home", ".");
    check(&[("Cargo.toml", CARGO)], ".", "crate", ".");
    check(&[("Cargo.toml", CARGO)], "src/bin", "crate", ".");
    check(&[("package.json", NODE)], "src", "@scope/web", ".");
    check(&[("pyproject.toml", PYTHON)], ".", "snake", ".");
    check(&[("pyproject.toml", POETRY)], ".", "verse", ".");
    let both = format!("{POETRY}{PYTHON}");
    check(&[("pyproject.toml", &both)], ".", "snake", ".");

    // In one folder the order is fixed; a nearer one wins over any order.
    let all = [
        ("Cargo.toml", CARGO),
        ("package.json", NODE),
        ("pyproject.toml", PYTHON),
    ];
    check(&all, ".", "crate", ".");
    check(&all[1..], ".", "@scope/web", ".");
    check(
        &[("Cargo.toml", CARGO), ("app/package.json", NODE)],
        "app/src",
        "@scope/web",
        "app",
    );
    check(
        &[("Cargo.toml", WORKSPACE), ("a/Cargo.toml", CARGO)],
        "a/src",
        "crate",
        "a",
    );
    check(
        &[("Cargo.toml", WORKSPACE), ("a/Cargo.toml", CARGO)],
        "docs",
        "home",
        ".",
    );
    check(
        &[("Cargo.toml", WORKSPACE), ("package.json", NODE)],
        ".",
        "@scope/web",
        ".",
    );
}

#[test]
fn a_manifest_without_a_name_leaves_it_to_the_next_and_the_folder() {
    let long = format!("{{ \"name\": \"long\" }}{}", " ".repeat(4 * 1024 * 1024));
    let just = format!(
        "{{ \"name\": \"just\" }}{}",
        " ".repeat(4 * 1024 * 1024 - 18)
    );
    for nameless in [
        "",
        "{}",
        "[]",
        "{ \"name\": 7 }",
        "{ \"name\": \" \" }",
        "{ \"name\": \"cut",
        &long,
    ] {
        check(&[("package.json", nameless)], "src", "home", ".");
        check(
            &[("package.json", nameless), ("pyproject.toml", PYTHON)],
            ".",
            "snake",
            ".",
        );
    }
    check(&[("package.json", &just)], ".", "just", ".");
    check(
        &[("package.json", &format!("\u{feff}{NODE}"))],
        ".",
        "@scope/web",
        ".",
    );
    for nameless in [
        WORKSPACE,
        TOOLS,
        "[package]\nname = 7",
        "[package\nname",
        "\0",
        CARGO_INHERITED,
    ] {
        check(&[("Cargo.toml", nameless)], "src", "home", ".");
        check(
            &[("Cargo.toml", nameless), ("package.json", NODE)],
            "src",
            "@scope/web",
            ".",
        );
        check(
            &[("pyproject.toml", nameless), ("a/b/", "")],
            "a/b",
            "home",
            ".",
        );
    }
    // A folder is no manifest.
    check(
        &[("app/Cargo.toml/", ""), ("package.json", NODE)],
        "app",
        "@scope/web",
        ".",
    );
    let deep = format!("{{ \"a\": {}", "[".repeat(100_000));
    check(&[("package.json", &deep)], ".", "home", ".");
    check(
        &[("Cargo.toml", &format!("a = {}", "[".repeat(100_000)))],
        ".",
        "home",
        ".",
    );
}

#[test]
fn the_git_root_is_the_end_of_the_search() {
    let inner = [("Cargo.toml", CARGO), ("tool/.git/", "")];
    check(&inner, "tool", "tool", "tool");
    check(&inner, "tool/a/b", "tool", "tool");
    check(&inner, "other", "crate", ".");
    check(&[("Cargo.toml", CARGO), (".git/", "")], "src", "crate", ".");
    check(
        &[(".git/", ""), ("app/package.json", NODE)],
        "app",
        "@scope/web",
        "app",
    );
}

#[test]
fn a_git_file_is_read_without_its_repository() {
    for (text, id) in [
        ("gitdir: /gone/shop/.git/worktrees/fix\n", "shop@fix"),
        ("gitdir: /gone/shop.git/worktrees/fix\n", "shop@fix"),
        ("gitdir: /gone/shop/.bare/worktrees/fix\n", "shop@fix"),
        ("gitdir:/worktrees/fix", "home@fix"),
        ("gitdir: ../../gone/shop/.git/worktrees/fix", "shop@fix"),
        ("gitdir: /gone/shop/.git/modules/lib\n", "home"),
        ("gitdir: /gone/shop/.git/modules/worktrees/lib\n", "home"),
        (
            "gitdir: /gone/shop/.git/worktrees/fix/modules/lib\n",
            "home@fix",
        ),
        ("gitdir: /gone/shop.git", "home"),
        ("gitdir: worktrees", "home"),
        ("gitdir: modules", "home"),
        ("gitdir:", "home"),
        ("worktrees/fix", "home"),
        ("", "home"),
    ] {
        check(&[(".git", text)], "src", id, ".");
    }
    let text = "gitdir: /gone/shop/.git/worktrees/fix\n";
    check(
        &[(".git", text), ("package.json", NODE)],
        "src",
        "@scope/web@fix",
        ".",
    );
    check(
        &[(".git", text), ("app/Cargo.toml", "")],
        "app",
        "app@fix",
        "app",
    );
}

fn git(dir: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(["-c", "protocol.file.allow=always", "-C"])
        .arg(dir)
        .args(arguments)
        .env_remove("GIT_DIR")
        .output()
        .expect("git starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
}

#[test]
fn two_checkouts_are_two_projects() {
    let (_folder, home) = home(&[("shop/web/package.json", NODE), ("lib/README", "")]);
    for repository in ["lib", "shop"] {
        let dir = home.join(repository);
        git(&dir, &["init", "-q"]);
        git(&dir, &["add", "."]);
        if repository == "shop" {
            git(
                &dir,
                &["submodule", "--quiet", "add", "../lib", "worktrees/lib"],
            );
        }
        git(&dir, &["commit", "-qm", "first"]);
    }
    let shop = home.join("shop");
    git(&shop, &["worktree", "add", "-q", "../fix"]);
    git(
        &shop,
        &["worktree", "add", "-q", "../elsewhere/fix", "-b", "other"],
    );
    git(
        &home.join("fix"),
        &["submodule", "--quiet", "update", "--init"],
    );
    git(
        &shop.join("worktrees/lib"),
        &["worktree", "add", "-q", "../../../libfix"],
    );

    for (dir, id) in [
        ("shop", "shop"),
        ("shop/web", "@scope/web"),
        ("fix", "shop@fix"),
        ("fix/web", "@scope/web@fix"),
        // Git numbers the second one of a name.
        ("elsewhere/fix", "shop@fix1"),
        ("elsewhere/fix/web", "@scope/web@fix1"),
        ("shop/worktrees/lib", "lib"),
        ("fix/worktrees/lib", "lib@fix"),
        ("libfix", "lib@libfix"),
    ] {
        let project = Project::detect(home.join(dir)).unwrap();
        assert_eq!(project.id(), id, "{dir}");
    }
    let fix = Project::detect(home.join("fix")).unwrap();
    assert_eq!(
        (fix.name.as_str(), fix.worktree.as_deref()),
        ("shop", Some("fix"))
    );
    assert_eq!(fix.root, home.join("fix"));
    let json = serde_json::to_value(&fix).unwrap();
    assert_eq!(json["worktree"], "fix");
}

#[cfg(unix)]
#[test]
fn paths_are_resolved() {
    let (_folder, home) = home(&[("app/package.json", NODE), ("deep/down/", "")]);
    std::os::unix::fs::symlink(home.join("app"), home.join("deep/down/link")).unwrap();
    let project = Project::detect(home.join("deep/down/../down/link/.")).unwrap();
    assert_eq!(project.root, home.join("app"));
    // A pipe would keep its reader waiting for ever.
    let pipe = home.join("deep/Cargo.toml");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(Project::detect(home.join("deep")).unwrap().name, "deep");
    assert!(!Project::detect("/").unwrap().id().is_empty());
}

#[test]
fn a_folder_that_cannot_be_entered_is_named() {
    let (_folder, home) = home(&[("file", "")]);
    for (path, reason) in [("gone", "cannot be entered: "), ("file", "is not a folder")] {
        let refusal = Project::detect(home.join(path)).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::InvalidInput);
        let message = refusal.to_string();
        assert!(message.contains(reason), "{message}");
        assert!(message.starts_with("project folder \""), "{message}");
    }
}
