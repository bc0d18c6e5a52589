use std::process::Command;

use crate::support::{
    Home, PORTMAN, finished, free_port, http_server, like, listener, skipped, valid,
};

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
    assert!(
        both.contains("nothing listens") && both.contains("quiet"),
        "{both}"
    );

    let found = home.json("scan --range 20000-29999 --reserved");
    assert_eq!(found["listeners"][0]["projectName"], "shop");
    assert_eq!(found["silent"][0]["projectName"], "quiet");
    drop(server);
    let found = home.json(&format!("scan --range {port}-{port} --tcp"));
    assert_eq!(found["changes"][0]["to"], "reserved");
    like(
        &home.ok(&format!("scan --range {port}-{port}")),
        "nothing listens\n",
    );
}

#[test]
fn what_ss_sees_is_seen() {
    let home = Home::new();
    let (_socket, port) = listener();
    let listed = Command::new("ss").args(["-Hltn"]).output();
    let Ok(listed) = listed else {
        skipped("comparing with ss: it is not installed");
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

/// Opens 5,000 listeners in a network of its own, and looks at them.
const THOUSANDS: &str = "import socket, subprocess, sys\n\
    sockets = [socket.create_server(('', port)) for port in range(20000, 25000)]\n\
    sys.exit(subprocess.run(sys.argv[1:]).returncode)";

#[test]
fn thousands_of_listeners_are_one_table() {
    let home = Home::new();
    let look = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args([
            "-Urn",
            "sh",
            "-c",
            "ulimit -n 8192 && exec python3 -c \"$0\" \"$@\"",
            THOUSANDS,
        ]);
        command.arg(PORTMAN).args(words);
        command
            .env("PORTKEEPER_DB_PATH", home.path("ports.db"))
            .env("COLUMNS", "80");
        finished(&mut command)
    };
    if Command::new("unshare")
        .args(["-Urn", "true"])
        .status()
        .map_or(true, |status| !status.success())
    {
        skipped("5,000 listeners: no network of one's own is to be had");
        return;
    }
    let ran = look(&["scan"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 5_001);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80));
    assert!(
        ran.out
            .lines()
            .skip(1)
            .all(|line| line.contains("  tcp    0.0.0.0  python3 "))
    );
    let found = valid("scan", &look(&["scan", "--json"]).out);
    assert_eq!(found["data"]["listeners"].as_array().unwrap().len(), 5_000);
}

#[test]
fn exit_codes() {
    let home = Home::new();
    home.fails("scan --range 9-1", 2);
    home.fails("scan --range x", 2);
    assert_eq!(
        home.json_fails("scan --range 0-70000", 2)["code"],
        "PORT_INVALID"
    );
}
