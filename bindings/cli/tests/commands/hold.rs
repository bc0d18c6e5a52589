use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

use crate::support::{Home, Server, free_port, http_server, like, line, signal, until, valid};

fn hold(home: &Home, line: &str) -> Server {
    let mut command = home.command(line.split_whitespace());
    Server::spawn(command.stdout(Stdio::piped()))
}

/// Whether a program that does not set `SO_REUSEADDR` can have the port.
fn can_be_taken(port: u16) -> bool {
    let script = "import socket, sys; socket.socket().bind(('', int(sys.argv[1])))";
    let mut command = Command::new("python3");
    let command = command.args(["-c", script]).arg(port.to_string());
    command.stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn strangers_are_kept_off_until_ctrl_c() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let mut held = hold(&home, &format!("hold {port}"));
    let said = line(held.0.stdout.take().unwrap());
    like(&said, &format!("{port}  held for shop; Ctrl-C gives it up"));
    assert!(!can_be_taken(port));
    let text = home.ok(&format!("check {port}"));
    let expected = format!("{port}  held   shop   kept by process {} until", held.pid());
    assert!(text.starts_with(&expected), "{text}");
    home.fails(&format!("hold {port}"), 4);
    // A server that sets the option starts.
    drop(TcpListener::bind(("127.0.0.1", port)).unwrap());

    signal(held.pid().into(), "INT");
    assert_eq!(held.code(), 0);
    // Whoever looks at a process keeps its sockets for a moment.
    until("the end of the hold", || can_be_taken(port));
    assert_eq!(home.json(&format!("check {port}"))["verdict"], "reserved");
}

#[test]
fn it_ends_by_itself() {
    let home = Home::new();
    let port = free_port();
    let mut held = hold(
        &home,
        &format!("hold {port} --name shop --until-listening --json"),
    );
    let said = line(held.0.stdout.take().unwrap());
    assert_eq!(valid("hold", &said)["data"]["projectName"], "shop");
    let server = http_server(port);
    assert_eq!(held.code(), 0);
    drop(server);
    // What was claimed for it is given back.
    assert_eq!(home.json("list"), serde_json::json!([]));
    like(
        &home.ok(&format!("hold {port} --name shop --for 10ms")),
        &format!("{port}  held for shop[..]\n"),
    );
}

#[test]
fn a_killed_hold_is_over() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let mut held = hold(&home, &format!("hold {port}"));
    line(held.0.stdout.take().unwrap());
    signal(held.pid().into(), "KILL");
    held.code();
    until("the end of the hold", || {
        home.json(&format!("check {port}"))["verdict"] == "reserved"
    });
    home.ok(&format!("hold {port} --for 10ms"));
}

#[test]
fn exit_codes() {
    let home = Home::new();
    let port = free_port();
    let message = home.fails(&format!("hold {port}"), 2);
    like(
        &message,
        &format!(
            "error: port {port} is not reserved\nname a project with --name to claim it meanwhile\n"
        ),
    );
    assert_eq!(
        home.json_fails(&format!("hold {port}"), 2)["code"],
        "PORT_NOT_FOUND"
    );
    home.ok(&format!("reserve {port} --name shop"));
    assert_eq!(
        home.json_fails(&format!("hold {port} --name other"), 4)["code"],
        "PORT_RESERVED"
    );
    let server = http_server(port);
    assert_eq!(
        home.json_fails(&format!("hold {port}"), 4)["pid"],
        server.pid()
    );
    home.fails("hold 3000 --for long", 2);
}
