use crate::support::{Home, free_port, like};

#[test]
fn ports_are_counted() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    like(
        &home.ok("summary"),
        "1 reserved, 0 in use, 0 free again; 1 known\n",
    );
    home.ok(&format!("release {port}"));
    let counts = home.json("summary");
    assert_eq!(
        (&counts["reserved_count"], &counts["free_count"]),
        (&0.into(), &1.into())
    );
    home.fails("summary extra", 2);
}
