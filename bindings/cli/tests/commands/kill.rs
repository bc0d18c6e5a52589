use std::{net::TcpStream, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::support::{Home, Server, free_port, http_server, like, listener, runs, until};

/// A server that does not mind SIGTERM.
fn stubborn(port: u16) -> Server {
    let script = "import signal, socket, sys, time\n\
        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
        s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
        time.sleep(600)";
    let mut command = std::process::Command::new("python3");
    let server = Server::spawn(command.args(["-c", script]).arg(port.to_string()));
    until("the server", || crate::support::answers(port));
    server
}

#[test]
fn what_listens_is_ended_and_the_claim_stays() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let mut server = http_server(port);
    let pid = server.pid();
    let dry = home.json(&format!("kill {port} --dry-run"));
    assert_eq!(dry["processes"][0]["pid"], pid);
    assert_eq!(dry["killed"], json!([]));
    like(
        &home.ok(&format!("kill {port} --dry-run")),
        &format!(
            "{port}  would end\n  python3 {pid}, started [..]python3 -m http.server [..]\n      still shop's\n"
        ),
    );
    assert!(runs(pid));
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    like(
        &home.ok(&format!("kill {port} --yes")),
        &format!("{port}  python3 {pid} ended\n      still shop's\n"),
    );
    assert_eq!(server.code(), -15);
    drop(client);
    assert_eq!(home.json("list")[0]["status"], "reserved");
    like(
        &home.ok(&format!("kill {port} --yes")),
        &format!("{port}  nothing listens\n"),
    );
}

#[test]
fn force_does_not_wait_and_grace_ends() {
    let home = Home::new();
    for (line, code) in [("--force", -9), ("--yes --grace 200ms", -9)] {
        let port = free_port();
        let mut server = stubborn(port);
        let found = home.json(&format!("kill {port} {line}"));
        assert_eq!(found["killed"][0]["forced"], true);
        assert_eq!(server.code(), code);
    }
}

#[test]
fn without_a_terminal_nobody_can_be_asked() {
    let home = Home::new();
    let port = free_port();
    let server = http_server(port);
    let message = home.fails(&format!("kill {port}"), 2);
    assert!(message.contains("--yes"), "{message}");
    assert_eq!(
        home.json_fails(&format!("kill {port}"), 2)["code"],
        "INVALID_INPUT"
    );
    assert!(runs(server.pid()));
}

#[test]
fn exit_codes() {
    let home = Home::new();
    home.fails("kill 70000 --yes", 2);
    home.fails("kill 3000 --yes --dry-run", 2);
    // This test listens, and has started portman.
    let (_socket, port) = listener();
    let refusal = home.json_fails(&format!("kill {port} --yes"), 1);
    assert_eq!(refusal["code"], "PROCESS_KILL_ERROR");
    assert_eq!(refusal["pid"], std::process::id());
}

#[test]
fn another_users_process_is_a_matter_of_permission() {
    let port = free_port();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    let Ok(test) = command.arg("true").output() else {
        println!("SKIPPED another user's process: there is no setpriv");
        return;
    };
    if !test.status.success() {
        println!("SKIPPED another user's process: this is not root");
        return;
    }
    // The server is this test's user's, root, and portman somebody else's.
    let _server = http_server(port);
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let shared = folder.path().join("portman");
    std::fs::copy(crate::support::PORTMAN, &shared).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let db = folder.path().join("ports.db");
    let ran = crate::support::finished(
        std::process::Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&shared)
            .args(["kill", &port.to_string(), "--yes", "--json", "--db"])
            .arg(db),
    );
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(
        crate::support::valid("failure", &ran.out)["code"],
        "PERMISSION_DENIED"
    );
}
