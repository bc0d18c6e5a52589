use crate::support::{Home, free_port, like};

#[test]
fn a_backup_and_a_dump_come_back() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    home.ok("backup copy.db");
    home.ok("dump ports.sql");
    home.ok(&format!("release {port}"));
    like(
        &home.ok("restore copy.db"),
        "1 claim restored, 0 released\nto undo: portman restore [..]\n",
    );
    home.ok(&format!("release {port}"));
    assert_eq!(home.json("restore ports.sql")["restored"], 1);
    assert_eq!(home.json("list")[0]["number"], port);
}

#[test]
fn exit_codes() {
    let home = Home::new();
    home.write("broken.db", "this is no database");
    assert!(home.json_fails("restore broken.db", 1)["code"].is_string());
    let missing = home.run("restore missing.db --json");
    assert!(missing.code == 1 || missing.code == 2, "{missing:?}");
    crate::support::valid("failure", &missing.out);
    home.fails("restore", 2);
}
