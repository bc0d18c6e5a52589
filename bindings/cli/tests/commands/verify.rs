use crate::support::{Home, free_port, like, sql};

#[test]
fn damage_is_found() {
    let home = Home::new();
    like(&home.ok("verify"), "sound\n");
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    assert_eq!(home.json("verify")["sound"], true);
    // What no trigger lets another program write.
    sql(
        &home.path("ports.db"),
        "PRAGMA writable_schema = ON; DROP TRIGGER IF EXISTS release_port;",
    );
    sql(&home.path("ports.db"), "DELETE FROM port_history;");
    let ran = home.run("verify --json");
    let found = crate::support::valid("verify", &ran.out);
    assert_eq!(found["data"]["sound"], false, "{found}");
    assert_eq!(ran.code, 1);
    assert!(home.run("verify").out.starts_with("error  "));
    home.fails("verify extra", 2);
}
