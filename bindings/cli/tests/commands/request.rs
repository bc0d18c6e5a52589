use crate::support::Home;

fn ports(text: &str) -> Vec<u16> {
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn ports_come_one_a_line() {
    let home = Home::new();
    let three = ports(&home.ok("request 3 --name shop --range 26000-27000 --sequential"));
    assert_eq!(three.len(), 3);
    assert!(
        three.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{three:?}"
    );
    let random = ports(&home.ok("request 3 --name shop --range 26000-27000 --random"));
    assert!(random.iter().all(|port| !three.contains(port)));
    let stable = home.ok("request --name shop --range 26000-27000 --stable --role web");
    assert_eq!(home.ok("request --name shop --role web"), stable);
    assert_eq!(
        ports(&home.ok("request --name shop --role web --role api")).len(),
        2
    );
}

#[test]
fn terms_are_kept() {
    let home = Home::new();
    let pid = std::process::id();
    let rows = home.json(&format!(
        "request --name shop --range 26000-27000 --owned-by {pid} --ttl 1h --desc text --tags a,b"
    ));
    assert_eq!(rows[0]["lease"]["owner"]["pid"], pid);
    assert!(rows[0]["lease"]["expiresAt"].is_string());
    assert_eq!(rows[0]["tags"], serde_json::json!(["a", "b"]));
    let avoided = rows[0]["number"].as_u64().unwrap();
    let other = ports(&home.ok(&format!(
        "request --name b --range {avoided}-{} --avoid {}",
        avoided + 9,
        avoided + 1
    )));
    assert!(u64::from(other[0]) > avoided + 1);
}

#[test]
fn exit_codes() {
    let home = Home::new();
    assert_eq!(
        home.json_fails("request 4 --name shop --range 26000-26002", 4)["code"],
        "RANGE_EXHAUSTED"
    );
    for line in [
        "request 0 --name shop",
        "request 2 --name shop --role web",
        "request --name shop --range 9-1",
        "request --name shop --range ports",
        "request --name shop --sequential --random",
        "request --name shop --owned-by 4294967295",
    ] {
        home.fails(line, 2);
    }
}
