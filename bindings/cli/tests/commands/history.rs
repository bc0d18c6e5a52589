use crate::support::{Home, free_port, like};

#[test]
fn changes_are_told_newest_first() {
    let home = Home::new();
    like(&home.ok("history"), "nothing happened\n");
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    home.ok(&format!("release {port}"));
    like(
        &home.ok(&format!("history {port}")),
        &format!(
            "
WHEN                  PORT  ACTION    PROJECT  WHY        BY
[..]  {port}  released  shop     requested  portman (pid [..])
[..]  {port}  reserved  shop     requested  portman (pid [..])
"
        ),
    );
    let entries = home.json(&format!(
        "history {port} --project shop --action released --since 1h --limit 5"
    ));
    assert_eq!(entries.as_array().unwrap().len(), 1);
    assert_eq!(
        home.json("history --until 2020-01-01"),
        serde_json::json!([])
    );
}

#[test]
fn the_holder_of_a_moment_is_known() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let time = home.json("list")[0]["reservedAt"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        home.json(&format!("history {port} --at {time}"))["projectName"],
        "shop"
    );
    like(
        &home.ok(&format!("history {port} --at {time}")),
        &format!("{port}  reserved for shop since [..]\n"),
    );
    like(
        &home.ok(&format!("history {port} --at 2020-01-01")),
        "nobody had it\n",
    );
    assert_eq!(
        home.json(&format!("history {port} --at 2020-01-01")),
        serde_json::Value::Null
    );
}

#[test]
fn exit_codes() {
    let home = Home::new();
    for line in [
        "history 70000",
        "history --action eaten",
        "history --since soon",
        "history --at 14:02",
    ] {
        home.fails(line, 2);
        home.json_fails(line, 2);
    }
}
