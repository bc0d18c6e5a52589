use crate::support::{Home, free_port, like};

#[test]
fn projects_have_ports() {
    let home = Home::new();
    like(&home.ok("projects"), "no project has a port\n");
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    like(
        &home.ok("projects"),
        &format!("PROJECT  IN USE  PORTS\nshop     0 of 1  {port}\n"),
    );
    assert_eq!(home.json("projects")[0]["ports"][0], port);
    home.fails("projects extra", 2);
}
