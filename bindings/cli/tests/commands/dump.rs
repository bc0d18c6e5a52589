use std::process::{Command, Stdio};

use crate::support::{Home, free_port, like};

#[test]
fn the_text_is_a_file_or_the_output() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let text = home.ok("dump");
    assert!(text.ends_with("COMMIT;\n") && text.contains("shop"));
    like(&home.ok("dump ports.sql"), "[..] KiB in ports.sql\n");
    assert_eq!(
        std::fs::read_to_string(home.path("ports.sql")).unwrap(),
        text
    );
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
