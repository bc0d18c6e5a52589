//! `wait_ready` waits for the right process, and says who answers in its place.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/apart.rs"]
mod apart;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use agent::{Agent, serve};
use kill_support::{APART, child_within, works};
use portkeeper_core::{ErrorKind, Keeper, PortRequest, Ready, Strategy};
use support::{Holder, child_argument, succeeds};

const SOON: Duration = Duration::from_secs(30);
/// Long enough to tell a verdict at once from one that waited.
const LONG: Duration = Duration::from_secs(600);

fn request(range: std::ops::RangeInclusive<u16>) -> PortRequest {
    PortRequest::new("shop")
        .range(range)
        .strategy(Strategy::Random)
}

/// Ended and waited for when this is dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(program: &str, arguments: &[&str]) -> Started {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    Started(command.stdout(Stdio::null()).spawn().unwrap())
}

#[test]
fn somebody_else_answers() {
    let keeper = Keeper::in_memory().unwrap();
    for (address, family) in [
        ("127.0.0.1", "AF_INET"),
        ("127.0.0.2", "AF_INET"),
        ("0.0.0.0", "AF_INET"),
        ("::1", "AF_INET6"),
    ] {
        let lease = keeper.lease(request(12_000..=12_099)).unwrap();
        let port = lease.port();
        let stranger = Holder::stranger(&format!(
            "s = socket.create_server(('{address}', {port}), family=socket.{family}); hold({port})"
        ));
        let mut sleeper = start("sleep", &["600"]);
        for ready in [Ready::from(&lease), Ready::port(port).by(sleeper.0.id())] {
            let begin = Instant::now();
            let error = keeper.wait_ready(ready, LONG).unwrap_err();
            assert!(begin.elapsed() < SOON, "{address}: it waited");
            assert_eq!(error.kind(), ErrorKind::WrongListener, "{address}: {error}");
            assert_eq!(error.pid(), Some(stranger.pid), "{address}: {error}");
            let shown = error.to_string();
            let who = format!("python3 (pid {})", stranger.pid);
            assert!(shown.contains(&who) && shown.contains(address), "{shown}");
        }
        assert_eq!(sleeper.0.try_wait().unwrap(), None);
        drop(lease);
    }
}

#[test]
fn the_right_server_beside_a_wrong_one() {
    let keeper = Keeper::in_memory().unwrap();
    let bound = keeper.bind(request(12_100..=12_199)).unwrap();
    let port = bound.port();
    keeper.wait_ready(&bound, SOON).unwrap();
    let stranger = Holder::stranger(&format!(
        "s = socket.create_server(('127.0.0.2', {port})); hold({port})"
    ));
    let error = keeper.wait_ready(&bound, SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongListener, "{error}");
    assert_eq!(error.pid(), Some(stranger.pid), "{error}");
}

#[test]
fn a_child_and_a_grandchild_answer() {
    let keeper = Keeper::in_memory().unwrap();
    let lease = keeper.lease(request(12_200..=12_299)).unwrap();
    let port = lease.port();
    // It listens only when it is told to, while it is waited for.
    let server = format!(
        "import socket, sys; sys.stdin.read(1)\n\
         s = socket.create_server(('127.0.0.1', {port})); sys.stdin.read()"
    );
    let wrapper = "python3 -c \"$1\" <&0; true";
    for (what, program, arguments) in [
        ("child", "python3", vec!["-c", &server]),
        ("grandchild", "sh", vec!["-c", wrapper, "sh", &server]),
    ] {
        for by_lease in [true, false] {
            let mut started = start(program, &arguments);
            let pid = started.0.id();
            let ready = if by_lease {
                Ready::from(&lease)
            } else {
                Ready::port(port).by(pid)
            };
            let error = keeper
                .wait_ready(ready.clone(), Duration::ZERO)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{what}: {error}");
            let mut stdin = started.0.stdin.take().unwrap();
            std::io::Write::write_all(&mut stdin, b"!").unwrap();
            let socket = keeper.wait_ready(ready, SOON).unwrap();
            assert_eq!(socket.port, port);
            assert_eq!(socket.pid() == Some(pid), what == "child");
            // The end of its input is the end of the server.
            drop(stdin);
            started.0.wait().unwrap();
        }
    }
}

#[test]
fn nobody_answers() {
    let keeper = Keeper::in_memory().unwrap();
    let lease = keeper.lease(request(12_300..=12_399)).unwrap();
    let within = Duration::from_millis(200);
    let begin = Instant::now();
    let error = keeper.wait_ready(&lease, within).unwrap_err();
    assert!(begin.elapsed() >= within);
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let shown = error.to_string();
    let what = format!("port {} by process {}", lease.port(), std::process::id());
    assert!(shown.contains(&what), "{shown}");
}

#[test]
fn whoever_is_waited_for_has_ended() {
    const TEST: &str = "whoever_is_waited_for_has_ended";
    if serve() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    let check = |ready: Ready, pid: u32| {
        let begin = Instant::now();
        let error = keeper.wait_ready(ready, LONG).unwrap_err();
        assert!(begin.elapsed() < SOON, "it waited");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        let shown = error.to_string();
        let who = format!("process {pid}, which has ended");
        assert!(shown.contains(&who), "{shown}");
    };
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    // A zombie listens as little as one that was waited for.
    check(Ready::port(12_400).by(pid), pid);
    child.wait().unwrap();
    check(Ready::port(12_400).by(pid), pid);

    let mut agent = Agent::start(TEST, keeper.path());
    let port = agent.number("lease 12401-12499");
    agent.kill();
    check(Ready::port(port), agent.pid());
}

/// The pid of the lease's owner is a stranger's by now, who listens on the port.
#[test]
fn a_reused_pid_is_not_the_owner() {
    const TEST: &str = "a_reused_pid_is_not_the_owner";
    if child_argument().is_none() {
        if works(TEST, &APART) {
            succeeds(child_within(&APART, TEST, "inside").spawn().unwrap());
        }
        return;
    }
    apart::prepare(&(30_000..=40_000));
    let keeper = Keeper::in_memory().unwrap();
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let rows = keeper
        .request(request(12_500..=12_599).owned_by(owner.id()))
        .unwrap();
    let port = rows[0].number;
    let pid = owner.id();
    owner.kill().unwrap();
    owner.wait().unwrap();

    let script = format!(
        "import socket; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True)\n\
         import time; time.sleep(600)"
    );
    let mut later = apart::spawn_as(pid, || {
        let mut command = Command::new("python3");
        command.args(["-c", &script]).stdout(Stdio::piped());
        command
    });
    assert_eq!(later.id(), pid);
    let mut output = std::io::BufReader::new(later.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut String::new()).unwrap();
    let error = keeper.wait_ready(port, SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongListener, "{error}");
    assert_eq!(error.pid(), Some(pid), "{error}");
    later.kill().unwrap();
    later.wait().unwrap();
}
