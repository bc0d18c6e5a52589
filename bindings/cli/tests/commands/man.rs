use crate::support::Home;

#[test]
fn the_page_has_every_command() {
    let home = Home::new();
    let page = home.ok("man");
    assert!(page.contains(".TH portman 1"));
    assert!(
        page.contains("portman\\-check(1)") && page.contains("Exit codes"),
        "{page}"
    );
    assert_eq!(home.json("man")["page"], page);
}

#[test]
fn a_folder_gets_a_page_a_command() {
    let home = Home::new();
    let found = home.json("man --dir pages");
    let files = found["files"].as_array().unwrap();
    assert!(files.len() > 26, "{found}");
    let check = std::fs::read_to_string(home.path("pages/portman-check.1")).unwrap();
    assert!(check.contains("exit\\-code"), "{check}");
    home.write("file", "");
    home.fails("man --dir file", 1);
}
