use std::net::TcpStream;

use serde_json::json;

use crate::support::{
    Home, Nobody, Server, free_port, http_server, like, listener, runs, skipped, until, valid,
};

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
    let Some(nobody) = Nobody::new() else {
        skipped("another user's process: this is not root");
        return;
    };
    let port = free_port();
    let _server = http_server(port);
    let ran = nobody.run(&["kill", &port.to_string(), "--yes", "--json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(valid("failure", &ran.out)["code"], "PERMISSION_DENIED");
}
