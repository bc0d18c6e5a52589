use crate::support::{Home, free_port, like};

#[test]
fn a_document_is_a_file_or_the_output() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    home.ok(&format!("reserve {} --name other", free_port()));
    like(&home.ok("export full.json"), "2 ports in full.json\n");
    let text = std::fs::read_to_string(home.path("full.json")).unwrap();
    assert!(text.contains("\"shop\"") && text.contains("\"other\""));

    let text = home.ok("export --project shop");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["ports"].as_array().unwrap().len(), 1);
    assert_eq!(home.json("export full.json")["path"], "full.json");
    assert_eq!(
        home.json("export --project shop --name mine")["document"]["ports"][0]["number"],
        port
    );
    assert_eq!(home.json("configs")[0]["name"], "mine");
}

#[test]
fn exit_codes() {
    let home = Home::new();
    home.fails("export no/such/folder/full.json", 2);
    assert_eq!(
        home.json_fails("export no/such/folder/full.json", 2)["code"],
        "INVALID_INPUT"
    );
    assert_eq!(home.json_fails("export .", 1)["code"], "IO_ERROR");
    home.fails("export ports.db", 2);
    home.fails("export ports.db-wal", 2);
    home.ok("verify");
    assert_eq!(home.run_args(&["export", "--project", ""]).code, 2);
}
