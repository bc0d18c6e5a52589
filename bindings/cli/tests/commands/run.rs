//! What `portman run` gives a command, and what it makes of its end.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use nix::sys::signal::{SigHandler, Signal};

use crate::support::{
    Home, Ran, Server, answers, finished, free_port, http_server, like, line, listener,
    on_terminal, signal, valid,
};

pub fn command(home: &Home, options: &str, words: &[&str]) -> Command {
    let ports = home.range();
    let range = ["--range", ports.as_str()];
    // `--range` and `--port` exclude one another.
    let range = range.into_iter().filter(|_| !options.contains("--port"));
    let options = range.chain(options.split_whitespace()).chain(["--"]);
    let words = options.chain(words.iter().copied());
    let mut command = home.command(["run", "--project", "shop"].into_iter().chain(words));
    // Whoever runs the tests below `nohup` has it ignored, and so had everything that they start.
    // SAFETY: `signal` may be called between `fork` and `exec`.
    unsafe {
        command.pre_exec(|| {
            nix::sys::signal::signal(Signal::SIGHUP, SigHandler::SigDfl)?;
            Ok(())
        });
    }
    command
}

pub fn ran(home: &Home, options: &str, words: &[&str]) -> Ran {
    finished(&mut command(home, options, words))
}

#[test]
fn the_port_is_in_the_environment_and_the_arguments() {
    let home = Home::new();
    let done = ran(&home, "", &["sh", "-c", "echo $PORT $0", "--port={PORT}"]);
    let port: u16 = done.out.split_whitespace().next().unwrap().parse().unwrap();
    assert_eq!(done.out, format!("{port} --port={port}\n"));
    like(&done.err, &format!("shop/web → http://localhost:{port}\n"));

    let done = ran(
        &home,
        "-q --role api --env A --env B",
        &["sh", "-c", "echo $A $B ${PORT-unset}"],
    );
    let words: Vec<&str> = done.out.split_whitespace().collect();
    assert_eq!(
        (words[0], words[2], done.err.as_str()),
        (words[1], "unset", "")
    );
    // Nothing is left, and nothing of the guard's is in the environment.
    assert_eq!(home.json("list"), serde_json::json!([]));
    let done = ran(&home, "-q", &["env"]);
    assert!(!done.out.contains("PORTMAN"), "{}", done.out);
}

#[test]
fn it_is_the_same_port_tomorrow_and_never_another_projects() {
    let home = Home::new();
    let range = home.range();
    let port = |project: &str| {
        let words = vec!["run", "--project", project, "-q", "--range", &range];
        let done = home.run_args(&[words, vec!["--", "sh", "-c", "echo $PORT"]].concat());
        assert_eq!(done.code, 0, "{done:?}");
        done.out
    };
    let (shop, blog) = (port("shop"), port("blog"));
    assert_ne!(shop, blog);
    for _ in 0..2 {
        assert_eq!(port("blog"), blog);
        assert_eq!(port("shop"), shop);
    }
}

#[test]
fn a_claim_that_lasts_is_used_and_goes_back() {
    let home = Home::new();
    // By number, by role, and made for it.
    let reserved = free_port();
    home.ok(&format!("reserve {reserved} --name shop"));
    assert_eq!(
        ran(&home, "-q", &["sh", "-c", "echo $PORT"]).out,
        format!("{reserved}\n")
    );
    let api = home.ok(&format!(
        "request --name shop --role api --range {} --random",
        home.range()
    ));
    assert_eq!(
        ran(&home, "-q --role api", &["sh", "-c", "echo $PORT"]).out,
        api
    );
    let hmr = ran(&home, "-q --role hmr --keep", &["sh", "-c", "echo $PORT"]).out;
    let rows = home.json("list");
    let mut numbers: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{}\n", row["number"]))
        .collect();
    numbers.sort();
    let mut expected = vec![format!("{reserved}\n"), api, hmr];
    expected.sort();
    assert_eq!(numbers, expected);
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .all(|row| row["status"] == "reserved" && row["lease"]["owner"].is_null()),
        "{rows}"
    );
}

#[test]
fn the_exit_code_is_the_commands() {
    let home = Home::new();
    let (_taken, port) = listener();
    for (words, code) in [
        (&["true"][..], 0),
        (&["false"], 1),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -SEGV $$"], 139),
        (&["/no/such/program"], 127),
        (&["/etc/passwd"], 126),
    ] {
        assert_eq!(ran(&home, "-q", words).code, code, "{words:?}");
    }
    let fails = |options: &str, code: i32, name: &str| {
        let words: Vec<&str> = options.split_whitespace().collect();
        let done = home.run_args(&[&["run", "--json"][..], &words, &["--", "true"]].concat());
        assert_eq!(done.code, code, "{done:?}");
        assert_eq!(valid("failure", &done.err)["code"], name);
    };
    fails("--port 70000", 2, "PORT_INVALID");
    fails("--env A=B", 2, "INVALID_INPUT");
    fails(&format!("--port {port}"), 4, "PORT_IN_USE");
    home.ok(&format!("reserve {port} --name other --adopt"));
    fails(&format!("--port {port}"), 4, "PORT_RESERVED");
    home.fails("run", 2);
}

#[test]
fn a_second_run_of_the_same_role_is_refused() {
    let home = Home::new();
    let mut first = Server::spawn(command(&home, "", &["sleep", "600"]).stderr(Stdio::piped()));
    line(first.0.stderr.take().unwrap());
    let done = ran(&home, "", &["true"]);
    assert_eq!(done.code, 4, "{done:?}");
    let expected = format!("by process {}", first.pid());
    assert!(done.err.contains(&expected), "{done:?}");
    signal(first.pid().into(), "TERM");
    assert_eq!(first.code(), 143);
    assert_eq!(ran(&home, "-q", &["true"]).code, 0);
}

#[test]
fn the_url_waits_for_the_server_where_that_is_asked_for() {
    let home = Home::new();
    let server = [
        "python3",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "{PORT}",
    ];
    let mut job = command(&home, "--wait 30s --json", &server);
    let mut running = Server::spawn(job.stdout(Stdio::null()).stderr(Stdio::piped()));
    let said = valid("run", &line(running.0.stderr.take().unwrap()));
    let port = u16::try_from(said["data"]["port"].as_u64().unwrap()).unwrap();
    assert!(answers(port));
    signal(running.pid().into(), "INT");
    running.code();

    let done = ran(&home, "--wait 200ms --json", &["sleep", "600"]);
    assert_eq!(
        (done.code, valid("failure", &done.err)["code"].as_str()),
        (1, Some("TIMEOUT"))
    );
    assert_eq!(home.json("list"), serde_json::json!([]));
}

#[test]
fn a_socket_is_handed_over() {
    let home = Home::new();
    let script = "import os, socket\n\
        s = socket.socket(fileno=3)\n\
        print(os.environ['LISTEN_FDS'], os.environ['LISTEN_PID'] == str(os.getpid()), s.getsockname()[1], os.environ['PORT'])\n\
        s.accept()[0].send(b'hello')";
    let mut job = command(&home, "--listen-fds", &["python3", "-c", script]);
    let mut running = Server::spawn(job.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let said = line(running.0.stderr.take().unwrap());
    let port: u16 = said.rsplit(':').next().unwrap().parse().unwrap();
    // It answers from the first moment on.
    let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(
        line(running.0.stdout.take().unwrap()),
        format!("1 True {port} {port}")
    );
    assert_eq!(line(client), "hello");
    assert_eq!(running.code(), 0);

    let done = ran(&home, "--listen-fds --address 192.0.2.1", &["true"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert_eq!(home.json("list"), serde_json::json!([]));
}

/// Counts the signals that it gets within a moment after the first.
const COUNTER: &str = "import signal, sys, time\n\
    count = 0\n\
    def got(*_):\n\
    \x20   global count\n\
    \x20   count += 1\n\
    for name in ('INT', 'TERM', 'HUP', 'USR1', 'QUIT'):\n\
    \x20   signal.signal(getattr(signal, 'SIG' + name), got)\n\
    print('ready', flush=True)\n\
    while not count: time.sleep(.01)\n\
    time.sleep(.3)\n\
    print('count', count, flush=True)";

#[test]
fn signals_come_once_however_they_are_sent() {
    let home = Home::new();
    for name in ["INT", "TERM", "HUP", "USR1", "QUIT"] {
        for to_group in [false, true] {
            let mut job = command(&home, "-q", &["python3", "-c", COUNTER]);
            let mut running = Server::spawn(job.process_group(0).stdout(Stdio::piped()));
            let mut out = std::io::BufReader::new(running.0.stdout.take().unwrap());
            let mut next = || {
                let mut text = String::new();
                std::io::BufRead::read_line(&mut out, &mut text).unwrap();
                text
            };
            assert_eq!(next(), "ready\n");
            let pid = i64::from(running.pid());
            signal(if to_group { -pid } else { pid }, name);
            assert_eq!(next(), "count 1\n", "{name}, to the group: {to_group}");
            assert_eq!(running.code(), 0);
        }
    }
}

#[test]
fn ctrl_c_of_a_terminal_comes_once() {
    let home = Home::new();
    let shown = on_terminal(
        &mut command(&home, "-q", &["python3", "-c", COUNTER]),
        (80, 24),
        &[("ready", "\x03")],
    );
    assert!(shown.out.contains("count 1"), "{shown:?}");
    assert_eq!(shown.code, 0);
    // And a command that does not mind it goes on.
    let shown = on_terminal(
        &mut command(&home, "-q", &["cat"]),
        (80, 24),
        &[("", "hello\n"), ("hello\r\nhello", "\x04")],
    );
    assert_eq!(shown.code, 0, "{shown:?}");
}

#[test]
fn what_nohup_lets_be_ignored_stays_ignored() {
    let home = Home::new();
    let script = "grep -q 'SigIgn:.*[13579bdf]$' /proc/self/status && echo ignored";
    let done = finished(&mut command(&home, "-q", &["sh", "-c", script]));
    assert_eq!(done.out, "");
    let inner: Vec<String> = command(&home, "-q", &["sh", "-c", script])
        .get_args()
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    let mut nohup = Command::new("nohup");
    nohup
        .arg(crate::support::PORTMAN)
        .args(inner)
        .current_dir(home.path("."))
        .env("PORTKEEPER_DB_PATH", home.path("ports.db"))
        .stdin(Stdio::null());
    assert_eq!(finished(&mut nohup).out, "ignored\n");
}

#[test]
fn whoever_answers_instead_is_named() {
    let home = Home::new();
    let port = free_port();
    let mut job = command(
        &home,
        &format!("--unwatched --wait 60s --port {port}"),
        &["sh", "-c", "echo started; exec sleep 600"],
    );
    let mut running = Server::spawn(job.stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert_eq!(line(running.0.stdout.take().unwrap()), "started");
    let server = http_server(port);
    assert_eq!(running.code(), 4);
    let said = line(running.0.stderr.take().unwrap());
    assert!(
        said.contains(&format!("python3 (pid {})", server.pid())),
        "{said}"
    );
}

#[test]
fn a_place_that_cannot_be_said_ends_nothing() {
    let home = Home::new();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let done = command(&home, "", &["sh", "-c", "sleep 0.2; echo served; exit 7"])
        .stderr(full.unwrap())
        .output()
        .unwrap();
    assert_eq!(
        (done.status.code(), done.stdout.as_slice()),
        (Some(7), b"served\n".as_slice())
    );
}
