use crate::support::{Home, free_port, http_server, like};

#[test]
fn claims_are_given_back() {
    let home = Home::new();
    let (one, other) = (free_port(), free_port());
    home.ok(&format!("reserve {one} --name shop"));
    home.ok(&format!("reserve {other} --name shop"));
    let (low, high) = (one.min(other), one.max(other));
    like(
        &home.ok(&format!("release {one} {other} --force")),
        &format!("{low}  released, was shop's\n{high}  released, was shop's\n"),
    );
    like(
        &home.fails(&format!("release {one}"), 2),
        &format!("error: port {one} is not reserved\n"),
    );
    assert_eq!(home.json_fails(&format!("release {one}"), 2)["port"], one);
}

#[test]
fn all_or_none_and_only_of_a_project() {
    let home = Home::new();
    let (one, other) = (free_port(), free_port());
    home.ok(&format!("reserve {one} --name shop"));
    home.fails(&format!("release {one} {other}"), 2);
    assert_eq!(
        home.json_fails(&format!("release {one} --project other"), 4)["code"],
        "PORT_RESERVED"
    );
    home.ok(&format!("reserve {other} --name shop"));
    assert_eq!(
        home.json("release --project shop")
            .as_array()
            .unwrap()
            .len(),
        2
    );
    like(&home.ok("release --project shop"), "nothing to release\n");
    home.fails("release", 2);
}

#[test]
fn a_server_is_left_alone() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let mut server = http_server(port);
    home.ok("scan");
    home.ok(&format!("release {port}"));
    assert!(server.0.try_wait().unwrap().is_none());
    assert_eq!(home.json(&format!("check {port}"))["status"], "in-use");
}
