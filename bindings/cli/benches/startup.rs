//! The promised figures of the whole process, medians measured in turn in this one run:
//! `cargo bench -p portkeeper-cli`.
//!
//! `portman check 3000` is held against `lsof -i :3000` and `ss -ltnp`, and shown beside `true`; once while
//! nothing listens on the port and once while a server does. `lsof` and `ss` are looked for on the path.

#![allow(clippy::unwrap_used)]

use std::{
    net::TcpListener,
    process::{Command, Stdio, exit},
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};

const PORTMAN: &str = env!("CARGO_BIN_EXE_portman");
const ROUNDS: usize = 200;
/// Peak memory that one look may take, in KiB.
const MOST_MEMORY: i64 = 10 * 1024;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("ports.db");
    let port = match TcpListener::bind("127.0.0.1:3000") {
        Ok(_) => 3000,
        Err(_) => TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port(),
    };
    let db = db.to_str().unwrap();
    run(&[
        PORTMAN,
        "--db",
        db,
        "request",
        "100",
        "--name",
        "bench",
        "--range",
        "20000-29999",
    ]);

    // First of all: this is the greatest of all processes that have been waited for.
    let text = port.to_string();
    let check = [PORTMAN, "--db", db, "check", &text];
    for _ in 0..20 {
        run(&check);
    }
    let mut reached = memory();

    let filter = format!(":{port}");
    let commands = [
        ("portman check", check.to_vec()),
        ("true", vec!["true"]),
        ("lsof -i", vec!["lsof", "-i", &filter]),
        ("ss -ltnp", vec!["ss", "-ltnp"]),
    ];
    println!("nothing listens on {port}");
    reached &= compare(&commands);

    let mut server = Command::new("python3");
    server.args(["-m", "http.server", "--bind", "127.0.0.1", &text]);
    let mut server = server
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "http.server does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    println!("a server listens on {port}");
    reached &= compare(&commands);
    server.kill().unwrap();
    server.wait().unwrap();
    if !reached {
        exit(1);
    }
}

fn memory() -> bool {
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    let verdict = if peak < MOST_MEMORY {
        "reached"
    } else {
        "MISSED"
    };
    println!("peak memory of portman check: {peak} KiB, limit {MOST_MEMORY} KiB: {verdict}");
    peak < MOST_MEMORY
}

/// Whether the first command takes less time than every one but `true`.
fn compare(commands: &[(&str, Vec<&str>)]) -> bool {
    let there: Vec<&(&str, Vec<&str>)> = commands
        .iter()
        .filter(|(name, words)| {
            let is_there = Command::new(words[0])
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok();
            if !is_there {
                println!("SKIPPED {name}: it is not installed");
            }
            is_there
        })
        .collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); there.len()];
    for _ in 0..ROUNDS {
        for ((_, words), times) in there.iter().zip(&mut times) {
            times.push(run(words));
        }
    }
    let medians: Vec<Duration> = times
        .into_iter()
        .map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2]
        })
        .collect();
    let mut reached = true;
    for ((name, _), median) in there.iter().zip(&medians) {
        let ratio = medians[0].as_secs_f64() / median.as_secs_f64();
        let verdict = match *name {
            "portman check" | "true" => "",
            _ if ratio < 1.0 => ": reached",
            _ => {
                reached = false;
                ": MISSED"
            }
        };
        println!("  {name:<14} {median:>10.2?}   portman takes {ratio:.2} of it{verdict}");
    }
    reached
}

/// The time from its start until it was waited for.
fn run(words: &[&str]) -> Duration {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begin = Instant::now();
    command.status().unwrap();
    begin.elapsed()
}
