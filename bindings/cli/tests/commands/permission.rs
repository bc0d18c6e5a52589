//! What another user than root is refused, and how the shell is told: exit code 3.

use crate::support::{Nobody, free_port, like, valid};

#[test]
fn permission_exits_with_3() {
    let Some(nobody) = Nobody::new() else {
        println!("SKIPPED what only another user is refused: this is not root");
        return;
    };
    let fails = |words: &[&str]| {
        let ran = nobody.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{words:?}: {ran:?}");
        let json = nobody.run(&[&["--json"], words].concat());
        let text = if words[0] == "run" {
            json.err
        } else {
            json.out
        };
        assert_eq!(
            valid("failure", &text)["code"],
            "PERMISSION_DENIED",
            "{words:?}"
        );
        ran.err
    };
    fails(&["check", "3000", "--db", "/root/ports.db"]);
    fails(&["list", "--db", "/usr/ports.db"]);
    fails(&["export", "/etc/ports.json"]);
    fails(&["dump", "/etc/ports.sql"]);
    let message = fails(&["run", "--project", "shop", "--port", "80", "--", "true"]);
    like(
        &message,
        "error: no permission for binding port 80: permission denied\n",
    );
    like(
        &nobody.run(&["check", "80"]).out,
        "80  privileged   no project   binding it needs more rights\n[..]next free: [..]\n",
    );
}

#[test]
fn a_command_that_cannot_gain_rights_has_its_port_kept_and_may_ask_for_them() {
    let Some(nobody) = Nobody::new() else {
        println!("SKIPPED what only another user is refused: this is not root");
        return;
    };
    let port = free_port().to_string();
    let rights = |options: &[&str]| {
        let run = ["run", "-q", "--project", "shop", "--port", &port];
        let script = ["--", "sh", "-c", "grep NoNewPrivs /proc/self/status"];
        nobody.run(&[&run, options, &script].concat()).out
    };
    assert_eq!(rights(&[]), "NoNewPrivs:\t1\n");
    assert_eq!(rights(&["--unwatched"]), "NoNewPrivs:\t0\n");
}
