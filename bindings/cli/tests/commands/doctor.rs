use std::os::unix::fs::PermissionsExt;

use crate::support::Home;

#[test]
fn the_machine_is_explained() {
    let home = Home::new();
    let text = home.ok("doctor");
    for part in [
        "outgoing connections use ",
        "the registry is ",
        "only you can read the registry",
        "sound",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let found = home.json("doctor");
    assert_eq!(found["healthy"], true);
    let names: Vec<&str> = found["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|check| check["name"].as_str())
        .collect();
    for name in [
        "ephemeral-range",
        "reserved-ports",
        "registry",
        "permissions",
        "health",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}

#[test]
fn what_is_broken_is_a_problem() {
    let home = Home::new();
    home.write(
        "ports.db",
        "this is no database, and is long enough to be looked at",
    );
    let ran = home.run("doctor --json");
    assert_eq!(ran.code, 1);
    assert_eq!(
        crate::support::valid("doctor", &ran.out)["data"]["healthy"],
        false
    );
    assert!(home.run("doctor").out.contains("problem  database "));

    let open = Home::new();
    open.ok("list");
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(open.path("ports.db"), mode).unwrap();
    let text = open.ok("doctor");
    assert!(
        text.contains("others may read or write the registry (mode 644)"),
        "{text}"
    );
    open.fails("doctor extra", 2);
}

#[cfg(target_os = "linux")]
#[test]
fn it_is_said_whether_a_command_can_be_watched() {
    let level = |answer: &serde_json::Value| {
        let checks = answer["checks"].as_array().unwrap();
        let mut named = checks.iter().filter(|check| check["name"] == "watching");
        let check = named.next().unwrap();
        (check["level"].clone(), check["message"].clone())
    };
    let home = Home::new();
    let (free, message) = level(&home.json("doctor"));
    assert_eq!(free, "ok", "{message}");
    // There is room for one.
    let words = [crate::support::PORTMAN, "doctor", "--json"];
    let within = crate::run::ran(&home, "-q", &words);
    let answer = crate::support::valid("doctor", &within.out);
    let (taken, message) = level(&answer["data"]);
    assert_eq!(taken, "note", "{message}");
    assert_eq!(answer["data"]["healthy"], true);
}
