use std::net::TcpListener;

use crate::support::{Home, free_port, http_server, like, listener};

#[test]
fn listeners_come_with_their_projects() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let silent = free_port();
    home.ok(&format!("reserve {silent} --name quiet"));
    let server = http_server(port);
    like(
        &home.ok(&format!("scan --range {port}-{port}")),
        &format!(
            "
 PORT  PROTO  ADDRESS    PROCESS[..]PROJECT
{port}  tcp    127.0.0.1  python3 {}  shop
{port} (shop): reserved → in use
",
            server.pid()
        ),
    );
    let both = home.ok("scan --reserved");
    assert_eq!(both.lines().count(), 3, "{both}");
    assert!(both.contains("nothing listens") && both.contains("quiet"), "{both}");

    let found = home.json("scan --range 20000-29999 --reserved");
    assert_eq!(found["listeners"][0]["projectName"], "shop");
    assert_eq!(found["silent"][0]["projectName"], "quiet");
    drop(server);
    let found = home.json(&format!("scan --range {port}-{port} --tcp"));
    assert_eq!(found["changes"][0]["to"], "reserved");
    like(&home.ok(&format!("scan --range {port}-{port}")), "nothing listens\n");
}

#[test]
fn what_ss_sees_is_seen() {
    let home = Home::new();
    let (_socket, port) = listener();
    let listed = std::process::Command::new("ss").args(["-Hltn"]).output();
    let Ok(listed) = listed else {
        println!("SKIPPED comparing with ss: it is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let theirs = |port: u16| text.contains(&format!(":{port} "));
    assert!(theirs(port));
    let found = home.json("scan --tcp");
    let ours: Vec<u64> = found["listeners"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|listener| listener["port"].as_u64())
        .collect();
    assert!(ours.contains(&port.into()));
}

#[test]
fn thousands_of_listeners_are_one_table() {
    // One address of the loopback network has room for them, whatever else this machine runs.
    let sockets: Vec<TcpListener> = (20_000..30_000)
        .filter_map(|port| TcpListener::bind(("127.77.0.1", port)).ok())
        .take(5_000)
        .collect();
    if sockets.len() < 5_000 {
        println!("SKIPPED 5,000 listeners: only {} could be opened", sockets.len());
        return;
    }
    let home = Home::new();
    let text = finished_wide(&home, "80");
    assert!(text.lines().count() > 5_000);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
    let found = home.json("scan --tcp");
    assert!(found["listeners"].as_array().unwrap().len() >= 5_000);
}

fn finished_wide(home: &Home, columns: &str) -> String {
    let ran = crate::support::finished(home.command(["scan"]).env("COLUMNS", columns));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

#[test]
fn exit_codes() {
    let home = Home::new();
    home.fails("scan --range 9-1", 2);
    home.fails("scan --range x", 2);
    assert_eq!(home.json_fails("scan --range 0-70000", 2)["code"], "PORT_INVALID");
}
