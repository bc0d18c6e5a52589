use crate::support::{Home, free_port, like};

#[test]
fn old_rows_go() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    home.ok(&format!("release {port}"));
    home.ok("scan");
    like(
        &home.ok("prune"),
        "0 entries of the history and 0 rows of scans removed\n",
    );
    assert_eq!(home.json("prune --history 30d --scans 12h")["history"], 0);
    home.fails("prune --history soon", 2);
}
