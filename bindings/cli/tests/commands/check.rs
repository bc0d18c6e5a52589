use std::net::{TcpListener, TcpStream, UdpSocket};

use crate::support::{Home, free_port, http_server, like, listener, until};

#[test]
fn a_port_is_explained_in_one_glance() {
    let home = Home::new();
    let port = free_port();
    like(
        &home.ok(&format!("check {port}")),
        &format!("{port}  free\n"),
    );

    home.run_args(&[
        "reserve",
        &port.to_string(),
        "--name",
        "shop",
        "--desc",
        "React dev server",
        "--tags",
        "a",
        "b",
    ]);
    like(
        &home.ok(&format!("check {port}")),
        &format!(
            "
{port}  reserved   shop   nothing listens
      claimed since [..]:[..] · “React dev server” · a b · next free: [..]
"
        ),
    );
    let server = http_server(port);
    like(
        &home.ok(&format!("check {port}")),
        &format!(
            "
{port}  in use   shop   python3 {}, listening on 127.0.0.1 since [..]:[..]
      claimed since [..]:[..] · “React dev server” · a b · next free: [..]
",
            server.pid()
        ),
    );
}

#[test]
fn the_status_is_what_the_machine_shows() {
    let home = Home::new();
    let (socket, port) = listener();
    let found = home.json(&format!("check {port}"));
    assert_eq!(found["status"], "in-use");
    assert_eq!(found["verdict"], "listening");
    assert_eq!(found["reservation"], serde_json::Value::Null);
    assert_eq!(found["processes"][0]["pid"], std::process::id());
    assert!(found["nextFree"].as_u64() > Some(port.into()));
    drop(socket);
    // A process that another test is just starting may have the socket for a moment, too.
    until("a free port", || {
        home.json(&format!("check {port}"))["status"] == "free"
    });

    home.ok(&format!("reserve {port} --name shop"));
    let found = home.json(&format!("check {port}"));
    assert_eq!(found["status"], "reserved");
    assert_eq!(found["project"], "shop");

    let _udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let text = home.ok(&format!("check {port}"));
    assert!(text.contains("listening on 127.0.0.1 (udp)"), "{text}");
}

#[test]
fn connections_and_what_is_left_of_them_are_told() {
    let home = Home::new();
    let (socket, port) = listener();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let near = client.local_addr().unwrap().port();
    let found = home.json(&format!("check {near}"));
    assert_eq!(found["verdict"], "outgoing-connection");
    let text = home.ok(&format!("check {near}"));
    assert!(
        text.contains(&format!("connected to 127.0.0.1:{port}")),
        "{text}"
    );
    drop(client);
    drop(socket);
    let found = home.json(&format!("check {near}"));
    assert!(
        ["time-wait", "free"].contains(&found["verdict"].as_str().unwrap()),
        "{found}"
    );
}

#[test]
fn exit_codes() {
    let home = Home::new();
    let (_socket, port) = listener();
    assert_eq!(home.run(&format!("check {port}")).code, 0);
    assert_eq!(home.run(&format!("check {port} --exit-code")).code, 4);
    assert_eq!(
        home.run(&format!("check {} --exit-code", free_port())).code,
        0
    );
    like(
        &home.fails("check 70000", 2),
        "error: port 70000 is not in 1..=65535\n",
    );
    like(
        &home.fails("check -1", 2),
        "error: port -1 is not in 1..=65535\n",
    );
    assert_eq!(home.json_fails("check 0", 2)["code"], "PORT_INVALID");
    assert_eq!(home.json_fails("check web", 2)["code"], "INVALID_INPUT");
    assert_eq!(home.json_fails("check", 2)["code"], "INVALID_INPUT");
}

#[test]
fn a_registry_that_is_none_is_an_error_and_stays_as_it_is() {
    let home = Home::new();
    let path = home.write(
        "ports.db",
        "this is no database, and is long enough to be looked at",
    );
    assert!(home.fails("check 3000", 1).starts_with("error: database "));
    assert_eq!(home.json_fails("check 3000", 1)["code"], "DATABASE_CORRUPT");
    assert!(
        std::fs::read_to_string(path)
            .unwrap()
            .starts_with("this is no database")
    );

    let other = home.path("other.db");
    home.ok(&format!("check 3000 --db {}", other.display()));
    assert!(other.is_file());
}

#[test]
fn every_address_is_seen() {
    let home = Home::new();
    let (first, port) = listener();
    let text = home.ok(&format!("check {port}"));
    assert!(text.contains("listening on 127.0.0.1 since"), "{text}");
    let Ok(_second) = TcpListener::bind(("127.0.0.2", port)) else {
        return;
    };
    let text = home.ok(&format!("check {port}"));
    assert!(
        text.contains("listening on 127.0.0.1, 127.0.0.2 since"),
        "{text}"
    );
    drop(first);
}
