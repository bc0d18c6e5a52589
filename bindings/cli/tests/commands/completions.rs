use std::process::{Command, Stdio};

use crate::support::Home;

#[test]
fn every_shell_has_its_script() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = home.ok(&format!("completions {shell}"));
        assert!(
            text.contains("portman") && text.contains("listen-fds"),
            "{shell}"
        );
        assert_eq!(home.json(&format!("completions {shell}"))["script"], text);
    }
    home.fails("completions tcsh", 2);
}

#[test]
fn bash_completes_with_it() {
    let home = Home::new();
    home.write("portman.bash", &home.ok("completions bash"));
    let script = "source ./portman.bash; COMP_WORDS=(portman che); COMP_CWORD=1; \
        _portman portman che portman; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(home.path("."))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "check");
}
