use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::support::{Home, free_port, like};

#[test]
fn the_text_is_a_file_or_the_output() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let text = home.ok("dump");
    assert!(text.ends_with("COMMIT;\n") && text.contains("shop"));
    like(&home.ok("dump ports.sql"), "[..] KiB in ports.sql\n");
    assert_eq!(fs::read_to_string(home.path("ports.sql")).unwrap(), text);
    assert_eq!(home.json("dump")["sql"], text);
    assert_eq!(home.json("dump ports.sql")["bytes"], text.len());
    home.fails("dump no/such/folder/ports.sql", 2);
    let message = home.fails("dump ports.db", 2);
    assert_eq!(message, "error: ports.db is the registry itself\n");
    assert!(home.ok("list").contains("shop"));
    let message = home.fails("dump /dev/full", 1);
    assert!(message.starts_with("error: /dev/full: "), "{message}");
}

#[test]
fn a_new_file_is_for_its_user_alone_whatever_the_umask() {
    let home = Home::new();
    let mode = |name: &str| fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    let dump = |umask: &str, name: &str| {
        let script = format!(r#"umask {umask}; exec "$0" dump {name}"#);
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, crate::support::PORTMAN]);
        shell.current_dir(home.path(""));
        let status = shell
            .env("PORTKEEPER_DB_PATH", home.path("ports.db"))
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "umask {umask}");
    };
    for umask in ["022", "000"] {
        let (plain, linked) = (format!("{umask}.sql"), format!("linked-{umask}.sql"));
        dump(umask, &plain);
        // A link to a file that is not there yet is followed.
        std::os::unix::fs::symlink(&linked, home.path("link")).unwrap();
        dump(umask, "link");
        fs::remove_file(home.path("link")).unwrap();
        assert_eq!((mode(&plain), mode(&linked)), (0o600, 0o600), "{umask}");
    }
    // Who has let others read it meant that.
    let shared = fs::Permissions::from_mode(0o644);
    fs::set_permissions(home.path("022.sql"), shared).unwrap();
    dump("077", "022.sql");
    assert_eq!(mode("022.sql"), 0o644);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    for line in ["dump", "help", "completions bash", "man"] {
        let mut shell = Command::new("bash");
        let script = format!(
            "set -o pipefail; {} {line} | head -c 1 >/dev/null",
            crate::support::PORTMAN
        );
        let command = shell
            .args(["-c", &script])
            .env("PORTKEEPER_DB_PATH", home.path("ports.db"));
        let output = command.stderr(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        assert!(output.status.success(), "{line}: {output:?}");
    }
}
