//! The transcript in the README is one that happens.

use std::process::Command;

use crate::support::{Home, PORTMAN, finished, skipped};

const README: &str = include_str!("../../../../README.md");

/// Runs the commands of a file, one after the other. One that ends with `&` goes on meanwhile.
const SCRIPT: &str = r#"
ip link set lo up
while IFS= read -r line; do
    printf '$ %s\n' "$line"
    case $line in
        *' &')
            eval "${line% &} 2>meanwhile &"
            while ! [ -s meanwhile ]; do sleep .05; done
            cat meanwhile ;;
        *) eval "$line" 2>&1 ;;
    esac
done <commands
kill %1
wait
"#;

#[test]
fn the_transcript_happens() {
    let section = README.split("\n## From the shell\n").nth(1).unwrap();
    let transcript = section
        .split("```console\n")
        .find(|block| block.starts_with("$ portman run"))
        .and_then(|block| block.split("```").next())
        .unwrap();
    let home = Home::new();
    let commands: Vec<&str> = transcript
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    home.write("commands", &(commands.join("\n") + "\n"));
    // In a network of its own port 3000 is free.
    let mut shell = Command::new("unshare");
    shell
        .args(["-Urn", "bash", "-c", SCRIPT])
        .current_dir(home.path("."));
    if !Command::new("unshare")
        .args(["-Urn", "ip", "link"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        skipped("the transcript of the README: no network of one's own is to be had");
        return;
    }
    let folder = std::path::Path::new(PORTMAN).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let ran = finished(
        shell
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("PORTKEEPER_DB_PATH", home.path("ports.db"))
            .env("TZ", "UTC"),
    );
    assert_eq!(
        without_chance(&ran.out),
        without_chance(transcript),
        "{}",
        ran.out
    );
}

/// The text without pids, times and the width of columns.
fn without_chance(text: &str) -> String {
    let mut plain = String::new();
    for line in text.lines() {
        for word in line.split_whitespace() {
            let is_text = |c: char| !c.is_ascii_digit();
            let numbers = word.split(is_text).filter(|number| !number.is_empty());
            let mut masked = word.to_owned();
            for number in numbers.filter(|number| !["3000", "3001"].contains(number)) {
                masked = masked.replacen(number, "N", 1);
            }
            // Where Python lies is its owner's affair.
            if masked.contains("/python") {
                "pythonN".clone_into(&mut masked);
            }
            plain.push_str(&masked);
            plain.push(' ');
        }
        plain.push('\n');
    }
    plain
}
