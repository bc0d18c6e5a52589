use crate::support::Home;

#[test]
fn every_command_has_help_with_examples() {
    let home = Home::new();
    let text = home.ok("--help");
    let commands: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    for command in [
        "check",
        "reserve",
        "request",
        "release",
        "list",
        "scan",
        "kill",
        "hold",
        "run",
        "history",
        "stale",
        "projects",
        "summary",
        "export",
        "import",
        "configs",
        "backup",
        "restore",
        "dump",
        "prune",
        "compact",
        "verify",
        "stats",
        "doctor",
        "completions",
        "man",
    ] {
        assert!(commands.contains(&command), "{command}: {commands:?}");
    }
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../schema/portman.schema.json")).unwrap();
    for command in commands {
        let help = home.ok(&format!("{command} --help"));
        assert!(
            help.contains(&format!("Examples:\n  portman {command}")),
            "{command}: {help}"
        );
        for option in ["--json", "--db <PATH>"] {
            assert!(help.contains(option), "{command}: {help}");
        }
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{command}: {help}"
        );
        assert!(
            schema["$defs"][command].is_object(),
            "{command} is in no schema"
        );
    }
    assert!(!text.contains("__guard"));
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let home = Home::new();
    let message = home.fails("chek 3000", 2);
    assert!(message.contains("check"), "{message}");
    assert_eq!(home.json_fails("chek 3000", 2)["code"], "INVALID_INPUT");
    assert_eq!(home.run("").code, 2);
    assert!(home.ok("--version").starts_with("portman 0."));
}
