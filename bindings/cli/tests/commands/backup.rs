use crate::support::{Home, free_port, like};

#[test]
fn a_backup_is_a_file_that_brings_everything_back() {
    let home = Home::new();
    home.ok(&format!("reserve {} --name shop", free_port()));
    like(
        &home.ok("backup copy.db"),
        "[..] rows in [..]copy.db, [..] KiB\n",
    );
    assert!(home.json("backup copy.db")["bytes"].as_u64() > Some(4096));
    home.write("notes.txt", "no backup, and nothing that may be replaced");
    assert_eq!(
        home.json_fails("backup notes.txt", 2)["code"],
        "INVALID_INPUT"
    );
    home.fails("backup", 2);
    assert!(home.run("backup no/such/folder/copy.db").code > 0);
}
