//! What only happens on a terminal: colour, questions, tables that fit and refresh, and Ctrl-C.

use unicode_width::UnicodeWidthStr;

use crate::support::{Home, Server, free_port, http_server, listener, on_terminal, runs, sql};

const WIDE: (u16, u16) = (80, 24);

#[test]
fn colour_is_for_terminals_without_no_color() {
    let home = Home::new();
    home.ok(&format!("reserve {} --name shop", free_port()));
    let shown = on_terminal(&mut home.command(["list"]), WIDE, &[]);
    assert!(shown.out.contains("\x1b["), "{:?}", shown.out);
    let shown = on_terminal(home.command(["list"]).env("NO_COLOR", "1"), WIDE, &[]);
    assert!(!shown.out.contains('\x1b'), "{:?}", shown.out);
    assert!(!home.ok("list").contains('\x1b'));
    assert!(!home.run("reserve 0 --name shop").err.contains('\x1b'));
}

#[test]
fn kill_asks_and_shows_what_would_end() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let mut server = http_server(port);
    let pid = server.pid();
    let line = ["kill".to_owned(), port.to_string()];
    let shown = on_terminal(&mut home.command(&line), WIDE, &[("[y/N] ", "n\n")]);
    assert_eq!(shown.code, 1, "{shown:?}");
    for part in [
        &format!("On port {port}, project shop, listens"),
        &format!("python3 {pid}"),
        "End it? [y/N]",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    assert!(runs(pid));
    let shown = on_terminal(&mut home.command(&line), WIDE, &[("[y/N] ", "\x03")]);
    assert_ne!(shown.code, 0);
    assert!(runs(pid));
    let shown = on_terminal(&mut home.command(&line), WIDE, &[("[y/N] ", "yes\n")]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert_eq!(server.code(), -15);
}

/// Listens on another address of the port once it is told to.
const LATECOMER: &str = "import os, socket, sys, time\n\
    while not os.path.exists('go'): time.sleep(.01)\n\
    s = socket.create_server(('127.0.0.2', int(sys.argv[1])))\n\
    open('listens', 'w').close()\n\
    time.sleep(600)";

#[test]
fn kill_ends_nobody_who_came_after_the_question() {
    let home = Home::new();
    let port = free_port();
    let first = http_server(port);
    let mut python = std::process::Command::new("python3");
    let python = python.args(["-c", LATECOMER]).arg(port.to_string());
    let latecomer = Server::spawn(python.current_dir(home.path(".")));
    let comes = format!(
        "\0cd {} && touch go && until [ -e listens ]; do sleep .01; done",
        home.path(".").display()
    );
    let line = ["kill".to_owned(), port.to_string()];
    let shown = on_terminal(
        &mut home.command(&line),
        WIDE,
        &[("[y/N] ", &comes), ("", "y\n")],
    );
    assert_eq!(shown.code, 4, "{shown:?}");
    let expected = format!("meanwhile python3 {} listens", latecomer.pid());
    assert!(shown.out.contains(&expected), "{shown:?}");
    assert!(runs(first.pid()) && runs(latecomer.pid()));
}

#[test]
fn release_asks_where_a_server_runs() {
    let home = Home::new();
    let port = free_port();
    home.ok(&format!("reserve {port} --name shop"));
    let _server = http_server(port);
    let line = ["release".to_owned(), port.to_string()];
    assert_eq!(
        on_terminal(&mut home.command(&line), WIDE, &[("[y/N] ", "\n")]).code,
        1
    );
    assert_eq!(home.json("list").as_array().unwrap().len(), 1);
    assert_eq!(
        on_terminal(&mut home.command(&line), WIDE, &[("[y/N] ", "y\n")]).code,
        0
    );
    assert_eq!(home.json("list"), serde_json::json!([]));
}

/// Claims whose names try to break the table, also as no engine would write them.
fn hostile(home: &Home) {
    home.ok("list");
    let names = [
        "shop 🛒",
        "👨‍👩‍👧‍👦 family",
        "日本語のプロジェクト名はとても長いです",
        "e\u{301}clair",
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "line\nbreak\ttab\rreturn",
        "\u{9b}31m\u{202e}desrever",
        "a very long name that no terminal of eighty columns has room for beside all the others",
    ];
    for (port, name) in (26_000..).zip(names) {
        let quoted = name.replace('\'', "''");
        sql(
            &home.path("ports.db"),
            &format!(
                "INSERT INTO ports (number, projectName, description, status, reservedAt, updatedAt, tags) VALUES \
                 ({port}, '{quoted}', '{quoted}', 'reserved', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z', '[\"web\"]')"
            ),
        );
    }
}

#[test]
fn no_name_breaks_a_table_of_any_width() {
    let home = Home::new();
    hostile(&home);
    let _listener = listener();
    for columns in [200, 80, 60, 40, 30, 20, 12] {
        for command in [
            "list",
            "scan",
            "projects",
            "stale",
            "history",
            "check 26004",
        ] {
            let words = command.split_whitespace();
            let shown = on_terminal(home.command(words).env("NO_COLOR", "1"), (columns, 24), &[]);
            assert_eq!(shown.code, 0, "{shown:?}");
            for line in shown.out.split("\r\n") {
                assert!(!line.contains(char::is_control), "{command}: {line:?}");
                assert!(!line.contains('\u{202e}'), "{command}: {line:?}");
                if !command.starts_with("check") {
                    assert!(
                        line.width() <= columns.into(),
                        "{columns} {command}: {line:?}"
                    );
                }
            }
        }
    }
    let text = home.ok("list");
    assert!(
        text.contains("shop 🛒") && text.contains("\\u{1b}[2J"),
        "{text}"
    );
    let rows = home.run("list --json").out;
    assert!(!rows.trim_end().contains(char::is_control));
    let rows = crate::support::valid("list", &rows);
    assert_eq!(
        rows["data"][4]["projectName"],
        "\u{1b}[2J\u{1b}]0;title\u{7}"
    );
    // The columns after a wide name stand where they stand for a narrow one.
    let lines: Vec<&str> = text.lines().collect();
    let place = |line: &str| line.find("2026-01-02").map(|at| line[..at].width());
    assert!(
        lines[1..]
            .windows(2)
            .all(|pair| place(pair[0]) == place(pair[1])),
        "{text}"
    );
}

#[test]
fn watch_refreshes_in_place_until_ctrl_c() {
    let home = Home::new();
    home.ok(&format!("reserve {} --name shop", free_port()));
    for line in ["list --watch 50ms", "scan --watch 50ms"] {
        let words = line.split_whitespace();
        let steps = [("\x1b[H", ""), ("\x1b[H", ""), ("\x1b[H", "\x03")];
        let shown = on_terminal(&mut home.command(words), (60, 10), &steps);
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(
            shown.out.starts_with("\x1b[?1049h\x1b[?25l"),
            "{:?}",
            shown.out
        );
        assert!(
            shown.out.ends_with("\x1b[?25h\x1b[?1049l"),
            "{:?}",
            shown.out
        );
        assert!(!shown.out.contains("\x1b[2J"));
    }
}

#[test]
fn watch_shows_no_more_than_the_screen_has() {
    let home = Home::new();
    home.ok("request 50 --name shop --range 26000-27000");
    let shown = on_terminal(
        home.command(["list", "--watch"]).env("NO_COLOR", "1"),
        (60, 10),
        &[("more", "\x03")],
    );
    let frame = shown.out.split("\x1b[H").nth(1).unwrap();
    assert_eq!(frame.matches("\r\n").count(), 8, "{frame:?}");
    assert!(frame.contains("… 43 more"), "{frame:?}");

    // Nor in breadth, where a line that is too long would take two.
    let shown = on_terminal(
        home.command(["list", "--watch"]).env("NO_COLOR", "1"),
        (6, 10),
        &[("… 43 …", "\x03")],
    );
    let frame = shown.out.split("\x1b[H").nth(1).unwrap();
    let frame = frame.split("\x1b[J").next().unwrap().replace("\x1b[K", "");
    let lines: Vec<&str> = frame.split("\r\r\n").collect();
    assert_eq!(lines.len(), 9, "{frame:?}");
    assert!(lines.iter().all(|line| line.width() <= 6), "{frame:?}");
}

#[test]
fn watch_of_json_is_a_line_each_time() {
    use std::io::{BufRead, BufReader};

    let home = Home::new();
    let mut command = home.command(["list", "--watch", "20ms", "--json"]);
    let mut watching = Server::spawn(command.stdout(std::process::Stdio::piped()));
    let lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
    for line in lines.take(3) {
        crate::support::valid("list", &line.unwrap());
    }
    crate::support::signal(watching.pid().into(), "TERM");
    assert_eq!(watching.code(), 0);
}

#[test]
fn long_work_has_a_bar_and_ends_with_ctrl_c() {
    let home = Home::new();
    let ports: Vec<String> = (1..=65_535)
        .map(|port| {
            format!(
                r#"{{"number":{port},"projectName":"p{}","description":"{}"}}"#,
                port % 97,
                "x".repeat(200)
            )
        })
        .collect();
    home.write(
        "all.json",
        &format!(r#"{{"version":"1.0","ports":[{}]}}"#, ports.join(",")),
    );
    let line = ["import", "all.json"];
    let shown = on_terminal(&mut home.command(line), WIDE, &[("import [", "\x03")]);
    assert_eq!(shown.code, 130, "{shown:?}");
    assert!(shown.out.contains('%'), "{:?}", shown.out);
    assert_eq!(home.json("summary")["total_count"], 0);
    // Where nobody looks there is none.
    let ran = home.run("import all.json --dry-run --json");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
