use crate::support::{Home, free_port, like, sql};

#[test]
fn old_claims_are_listed() {
    let home = Home::new();
    like(&home.ok("stale"), "no claim is stale\n");
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    sql(
        &home.path("ports.db"),
        &format!("UPDATE ports SET reservedAt = '2020-01-01T00:00:00Z' WHERE number = {port}"),
    );
    like(
        &home.ok("stale"),
        &format!(" PORT  PROJECT  DAYS  SINCE\n{port}  shop     [..]  2020-01-01 00:00\n"),
    );
    assert!(home.json("stale")[0]["daysOld"].as_f64() > Some(2_000.0));
    assert_eq!(home.json("stale --older-than 100y"), serde_json::json!([]));
    home.fails("stale --older-than soon", 2);
}
