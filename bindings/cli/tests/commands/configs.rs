use crate::support::{Home, free_port, like};

#[test]
fn exports_are_kept_shown_and_removed() {
    let home = Home::new();
    like(&home.ok("configs"), "nothing was exported or imported\n");
    home.ok(&format!("reserve {} --name shop", free_port()));
    home.ok("export --name before full.json");
    like(
        &home.ok("configs"),
        "ID  NAME    WHEN   WHAT     BY\n 1  before  [..]  1 ports  portman (pid [..])\n",
    );
    assert_eq!(home.json("configs")[0]["name"], "before");
    assert_eq!(home.json("configs show 1")["verified"], true);
    let shown = home.ok("configs show 1");
    assert_eq!(
        shown.trim_end(),
        std::fs::read_to_string(home.path("full.json"))
            .unwrap()
            .trim_end()
    );
    assert_eq!(home.json("configs remove 1")["removed"], 1);
    assert_eq!(
        home.json_fails("configs remove 1", 2)["code"],
        "INVALID_INPUT"
    );
    assert_eq!(
        home.json_fails("configs show 1", 2)["code"],
        "INVALID_INPUT"
    );
    home.fails("configs show", 2);
}
