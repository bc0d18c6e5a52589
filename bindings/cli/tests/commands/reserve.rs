use crate::support::{Home, free_port, http_server, like, listener};

#[test]
fn a_port_is_kept_for_a_project() {
    let home = Home::new();
    let port = free_port();
    // As the predecessor's users write it.
    let ran = home.run_args(&[
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
        &ran.out,
        &format!("{port}  reserved for shop   “React dev server”   a b\n"),
    );
    like(
        &home.fails(&format!("reserve {port} --name other"), 4),
        &format!(
            "error: port {port} is reserved for project \"shop\" since [..]Z; the next free port is [..]\n"
        ),
    );
    let refusal = home.json_fails(&format!("reserve {port} --name other"), 4);
    assert_eq!(refusal["code"], "PORT_RESERVED");
    assert_eq!(refusal["project"], "shop");
    assert!(refusal["nextFree"].as_u64() > Some(port.into()));

    let claim = home.json(&format!(
        "reserve {port} --name shop --tags --metadata {{\"team\":1}}"
    ));
    assert_eq!(claim["description"], "React dev server");
    assert_eq!(claim["tags"], serde_json::json!([]));
    assert_eq!(claim["metadata"]["team"], 1);
}

#[test]
fn the_project_is_that_of_the_folder() {
    let home = Home::new();
    home.write("package.json", r#"{"name": "@acme/shop"}"#);
    let port = free_port();
    like(
        &home.ok(&format!("reserve {port}")),
        &format!("{port}  reserved for @acme/shop\n"),
    );
}

#[test]
fn a_port_in_use_is_refused_unless_it_is_adopted() {
    let home = Home::new();
    let (_socket, port) = listener();
    let refusal = home.json_fails(&format!("reserve {port} --name shop"), 4);
    assert_eq!(refusal["code"], "PORT_IN_USE");
    assert_eq!(refusal["pid"], std::process::id());

    let server = http_server(free_port());
    let message = home.fails(&format!("reserve {port} --name shop"), 4);
    assert!(message.contains("is not free: "), "{message}");
    home.ok(&format!("reserve {port} --name shop --adopt"));
    drop(server);
}

#[test]
fn invalid_arguments_exit_with_2() {
    let home = Home::new();
    for line in [
        "reserve 0 --name shop",
        "reserve 65536 --name shop",
        "reserve x --name shop",
        "reserve 3000 --unknown",
        "reserve 3000 --name shop --metadata {",
        "reserve 3000 --name shop --metadata 1",
    ] {
        home.fails(line, 2);
        assert!(home.json_fails(line, 2)["error"].is_string());
    }
    assert_eq!(home.run_args(&["reserve", "3000", "--name", " "]).code, 2);
    assert_eq!(home.json("list"), serde_json::json!([]));
}
