use crate::support::{Home, free_port, like, sql};

fn document(port: u16, project: &str) -> String {
    format!(r#"{{"version":"1.0","ports":[{{"number":{port},"projectName":"{project}"}}]}}"#)
}

#[test]
fn a_document_is_merged_replaced_or_tried() {
    let home = Home::new();
    let (kept, port) = (free_port(), free_port());
    home.ok(&format!("reserve {kept} --name kept"));
    home.write("full.json", &document(port, "shop"));
    like(
        &home.ok("import full.json --dry-run"),
        &format!(
            "
 PORT  PROJECT  OUTCOME
{port}  shop     added
nothing was changed; it would be: 1 added, 0 updated, 0 unchanged, 0 conflicts, 0 freed
"
        ),
    );
    assert_eq!(home.json("list").as_array().unwrap().len(), 1);
    assert_eq!(home.json("import full.json --merge")["added"], 1);
    let report = home.json("import full.json --replace");
    assert_eq!(
        (&report["freed"], &report["unchanged"]),
        (&1.into(), &1.into())
    );
    assert_eq!(home.json("list")[0]["number"], port);
    let id = report["configuration"].as_i64().unwrap();
    assert_eq!(home.json(&format!("import --config {id}"))["unchanged"], 1);
}

#[test]
fn conflicts_refuse_a_merge_unless_they_are_skipped() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name other"));
    home.write("full.json", &document(port, "shop"));
    assert_eq!(
        home.json_fails("import full.json", 4)["code"],
        "PORT_RESERVED"
    );
    let text = home.ok("import full.json --skip-conflicts --name mine");
    assert!(
        text.contains("conflict  other") || text.contains("1 conflicts"),
        "{text}"
    );
}

#[test]
fn the_input_and_the_predecessor_are_sources() {
    let home = Home::new();
    let port = free_port();
    let path = home.write("full.json", &document(port, "shop"));
    let mut command = home.command(["import", "--json"]);
    let ran = crate::support::finished(command.stdin(std::fs::File::open(path).unwrap()));
    assert_eq!(
        crate::support::valid("import", &ran.out)["data"]["added"],
        1
    );

    let old = home.path("old.db");
    sql(
        &old,
        "CREATE TABLE ports (id INTEGER PRIMARY KEY, port INTEGER UNIQUE, project TEXT, description TEXT)",
    );
    assert_eq!(
        home.json_fails(&format!("import --predecessor {}", old.display()), 2)["code"],
        "IMPORT_INVALID"
    );
}

#[test]
fn exit_codes() {
    let home = Home::new();
    home.write("broken.json", "{");
    assert_eq!(
        home.json_fails("import broken.json", 2)["code"],
        "IMPORT_INVALID"
    );
    assert_eq!(
        home.json_fails("import missing.json", 2)["code"],
        "INVALID_INPUT"
    );
    assert_eq!(
        home.json_fails("import --config 7", 2)["code"],
        "INVALID_INPUT"
    );
    home.fails("import broken.json --merge --replace", 2);
    std::fs::write(home.path("bytes.json"), b"\xff\xfe").unwrap();
    home.fails("import bytes.json", 2);
}
