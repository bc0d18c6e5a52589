use crate::support::{Home, like};

#[test]
fn the_size_is_told() {
    let home = Home::new();
    let text = home.ok("stats");
    assert!(
        text.contains("ports.db\n") && text.contains("port_history"),
        "{text}"
    );
    like(
        text.lines().nth(1).unwrap(),
        "[..] and [..] of log, [..] pages of 4.0 KiB, [..] free, schema [..]",
    );
    assert_eq!(home.json("stats")["rows"]["ports"], 0);
    home.fails("stats extra", 2);
}
