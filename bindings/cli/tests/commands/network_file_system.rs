//! A registry on a FUSE file system, which is refused unless `--allow-network-file-system` is given.

use std::process::Command;

use crate::support::{Home, PORTMAN, Ran, finished, skipped};

const FUSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/support/fuse.py");

/// What a command says whose registry is on a file system of its own; code 77 where none can be mounted.
fn in_mount(home: &Home, words: &[&str]) -> Ran {
    let folder = home.path("mounted");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "python3", FUSE])
        .arg(&folder)
        .args(words)
        .env("PORTKEEPER_DB_PATH", folder.join("ports.db"))
        .env_remove("PORTKEEPER_ALLOW_NETWORK_FILE_SYSTEM");
    let ran = finished(&mut command);
    if ran.code == 77 {
        skipped(format_args!("a FUSE file system: {}", ran.out.trim()));
    }
    ran
}

#[test]
fn a_fuse_file_system_is_refused_unless_the_option_allows_it() {
    let home = Home::new();
    let mounted = |words: &[&str]| in_mount(&home, &[&[PORTMAN], words].concat());
    let refused = mounted(&["list"]);
    if refused.code == 77 {
        return;
    }
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.contains("type fuse"), "{refused:?}");
    let option = "--allow-network-file-system";
    let allowed = mounted(&[
        option,
        "request",
        "--name",
        "shop",
        "--range",
        &home.range(),
    ]);
    assert_eq!(allowed.code, 0, "{allowed:?}");
    assert!(allowed.out.trim().parse::<u16>().is_ok(), "{allowed:?}");
}

/// The process that ends what a killed `portman run` leaves opens the registry by itself.
#[test]
fn what_a_killed_run_claimed_there_is_given_back() {
    const SCRIPT: &str = r#"
        claims() { "$0" --allow-network-file-system list; }
        "$0" --allow-network-file-system run --project shop --range "$1" -- sleep 600 &
        supervisor=$!
        until claims | grep -q shop; do sleep 0.05; done
        kill -9 $supervisor
        while claims | grep -q shop; do sleep 0.05; done
        echo given back"#;
    let home = Home::new();
    let ran = in_mount(
        &home,
        &["timeout", "60", "sh", "-c", SCRIPT, PORTMAN, &home.range()],
    );
    if ran.code != 77 {
        assert_eq!(ran.out.lines().last(), Some("given back"), "{ran:?}");
    }
}
