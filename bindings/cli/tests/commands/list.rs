use crate::support::{Home, free_port, http_server, like};

#[test]
fn claims_are_listed_and_filtered() {
    let home = Home::new();
    like(&home.ok("list"), "no port is claimed\n");
    let port = free_port();
    home.run_args(&[
        "reserve",
        &port.to_string(),
        "--name",
        "my shop",
        "--desc",
        "web",
        "--tags",
        "a",
        "b",
    ]);
    let api = home.ok("request --name api --role http --range 26000-27000 --random");
    let api = api.trim();
    let server = http_server(port);
    home.ok("scan");
    let ran = home.run_args(&[
        "list",
        "--status",
        "in-use",
        "--project",
        "my shop",
        "--tag",
        "a",
    ]);
    like(
        &ran.out,
        &format!(
            "
 PORT  STATUS  PROJECT  PROCESS[..]SINCE[..]TAGS  DESCRIPTION
{port}  in use  my shop  python3 {}  [..]  a b   web
",
            server.pid()
        ),
    );
    like(
        &home.ok("list --status reserved"),
        &format!(" PORT  STATUS    PROJECT  ROLE  SINCE\n{api}  reserved  api      http  [..]\n"),
    );
    assert_eq!(
        home.json(&format!("list --range {api}-{api}"))[0]["lease"]["role"],
        "http"
    );
    home.ok(&format!("release {api}"));
    assert_eq!(
        home.json("list --status free")[0]["number"],
        api.parse::<u16>().unwrap()
    );
}

#[test]
fn exit_codes() {
    let home = Home::new();
    let message = home.fails("list --status busy", 2);
    assert!(message.contains("busy"), "{message}");
    home.fails("list --range 9-1", 2);
    home.fails("list extra", 2);
    assert_eq!(
        home.json_fails("list --status busy", 2)["code"],
        "INVALID_INPUT"
    );
}
