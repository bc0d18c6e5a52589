use crate::support::{Home, like};

#[test]
fn sizes_are_told() {
    let home = Home::new();
    like(&home.ok("compact"), "[..] KiB, [..] KiB before\n");
    assert!(home.json("compact")["bytesAfter"].as_u64() > Some(0));
    home.fails("compact extra", 2);
}
