//! Real servers under `portman run`: the port is right, and nothing is left, however it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{Home, Server, answers, line, runs, signal, skipped, until};

const HTTP_SERVER: &[&str] = &[
    "python3",
    "-m",
    "http.server",
    "--bind",
    "127.0.0.1",
    "{PORT}",
];
const NODE: &[&str] = &[
    "node",
    "-e",
    "require('node:http').createServer((_, answer) => answer.end('ok')).listen(process.env.PORT, '127.0.0.1')",
];
/// Ignores what asks it to end, and so does its child; the parent of both is a shell.
const STUBBORN: &[&str] = &[
    "sh",
    "-c",
    "python3 -c \"$0\" & wait",
    "import os, signal, socket, time\n\
     for name in ('TERM', 'HUP', 'INT'): signal.signal(getattr(signal, 'SIG' + name), signal.SIG_IGN)\n\
     s = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n\
     os.fork()\n\
     time.sleep(600)",
];

struct Running {
    home: Home,
    portman: Server,
    port: u16,
}

impl Running {
    fn start(words: &[&str]) -> Self {
        let home = Home::new();
        let mut command = home.command([
            "run",
            "--project",
            "shop",
            "--range",
            &home.range(),
            "--wait",
            "30s",
        ]);
        command.args(["--grace", "500ms", "--"]).args(words);
        let mut portman = Server::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let said = line(portman.0.stderr.take().unwrap());
        let (name, port) = said
            .rsplit_once(':')
            .unwrap_or_else(|| panic!("{words:?}: {said:?}"));
        assert_eq!(name, "shop/web → http://localhost", "{words:?}");
        let port = port.parse().unwrap();
        assert!(answers(port), "{words:?}");
        Self {
            home,
            portman,
            port,
        }
    }

    /// Every process that it has started, itself left out.
    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.portman.pid()];
        let mut next = 0;
        while let Some(pid) = family.get(next) {
            next += 1;
            let tasks = fs::read_dir(format!("/proc/{pid}/task"));
            for task in tasks.into_iter().flatten().flatten() {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                family.extend(
                    children
                        .split_whitespace()
                        .filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
        }
        family.split_off(1)
    }

    fn nothing_is_left(&self, family: &[u32]) {
        assert!(family.len() >= 2, "the guard and the command: {family:?}");
        until("the end of all processes", || {
            !family.iter().any(|pid| runs(*pid))
        });
        until("the end of the server", || !answers(self.port));
        until("the end of the claim", || {
            self.home.json("list") == serde_json::json!([])
        });
        let status = self.home.json(&format!("check {}", self.port))["verdict"].clone();
        assert!(status == "free" || status == "time-wait", "{status}");
    }
}

fn ends_with(words: &[&str], name: &str) -> i32 {
    let mut running = Running::start(words);
    let listener = &running.home.json(&format!("check {}", running.port));
    assert_eq!(listener["project"], "shop");
    let family = running.family();
    assert!(
        family.contains(&u32::try_from(listener["processes"][0]["pid"].as_u64().unwrap()).unwrap())
    );
    signal(running.portman.pid().into(), name);
    let code = running.portman.code();
    running.nothing_is_left(&family);
    code
}

#[test]
fn http_server() {
    assert_eq!(ends_with(HTTP_SERVER, "TERM"), 143);
    assert_eq!(ends_with(HTTP_SERVER, "INT"), 0);
    assert_eq!(ends_with(HTTP_SERVER, "KILL"), -9);
}

#[test]
fn node_http() {
    if Command::new("node").arg("--version").output().is_err() {
        skipped("node_http: there is no node");
        return;
    }
    assert_eq!(ends_with(NODE, "TERM"), 143);
    assert_eq!(ends_with(NODE, "KILL"), -9);
}

#[test]
fn stubborn() {
    // The shell minds, and what it leaves running is ended by force.
    assert_eq!(ends_with(STUBBORN, "TERM"), 143);
    assert_eq!(ends_with(STUBBORN, "KILL"), -9);
    let direct: Vec<&str> = ["python3", "-c", STUBBORN[3]].to_vec();
    assert_eq!(ends_with(&direct, "TERM"), 137);
    assert_eq!(ends_with(&direct, "KILL"), -9);
}

#[test]
fn a_killed_guard_leaves_nothing_either() {
    let mut running = Running::start(STUBBORN);
    let family = running.family();
    // Who ends all of portman by its name leaves the guard, which then ends the rest.
    for file in ["comm", "cmdline"] {
        let text = fs::read_to_string(format!("/proc/{}/{file}", family[0])).unwrap();
        assert!(
            text.starts_with("port-guard") && !text.contains("portman"),
            "{text:?}"
        );
    }
    signal(family[0].into(), "KILL");
    assert_eq!(running.portman.code(), 137);
    running.nothing_is_left(&family);
}

#[test]
fn a_claim_that_lasts_is_there_after_a_kill() {
    let home = Home::new();
    let port = home.ok(&format!(
        "request --name shop --role web --range {} --random",
        home.range()
    ));
    let mut command = home.command(["run", "--project", "shop", "--"]);
    let mut portman = Server::spawn(
        command
            .args(HTTP_SERVER)
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    );
    let said = line(portman.0.stderr.take().unwrap());
    assert_eq!(said, format!("shop/web → http://localhost:{}", port.trim()));
    signal(portman.pid().into(), "KILL");
    portman.code();
    until("the end of the right to use it", || {
        let row = &home.json("list")[0];
        row["status"] == "reserved"
            && row["lease"]["owner"].is_null()
            && row["lease"]["role"] == "web"
    });
}

#[test]
fn what_a_command_leaves_running_ends_with_it() {
    let home = Home::new();
    let script = "(setsid sleep 600 & echo $!) ; exit 3";
    let mut command = home.command([
        "run",
        "-q",
        "--project",
        "shop",
        "--range",
        &home.range(),
        "--",
        "sh",
        "-c",
        script,
    ]);
    let done = crate::support::finished(&mut command);
    assert_eq!(done.code, 3);
    let pid: u32 = done.out.trim().parse().unwrap();
    assert!(!runs(pid));
}

/// Vite, from the Node binding or installed for these tests.
fn vite() -> Option<PathBuf> {
    let inside = Path::new("node_modules/vite/bin/vite.js");
    let binding = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../node")
        .join(inside);
    if binding.is_file() {
        return Some(binding);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vite");
    if !folder.join(inside).is_file() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("package.json"), "{}").unwrap();
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts=false",
            "vite@7",
        ]);
        let done = npm
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !done.is_ok_and(|status| status.success()) {
            return None;
        }
    }
    Some(folder.join(inside))
}

#[test]
fn vite_dev_server() {
    let Some(vite) = vite() else {
        skipped("vite_dev_server: vite cannot be installed");
        return;
    };
    let vite = vite.to_str().unwrap().to_owned();
    let words = [
        "node",
        &vite,
        "--host",
        "127.0.0.1",
        "--port",
        "{PORT}",
        "--strictPort",
    ];
    assert_eq!(ends_with(&words, "TERM"), 143);
    // As `npm run dev` has it: below a shell.
    let shell = [
        "sh",
        "-c",
        "node \"$0\" --host 127.0.0.1 --port $PORT --strictPort & wait",
        &vite,
    ];
    assert_eq!(ends_with(&shell, "KILL"), -9);
}
