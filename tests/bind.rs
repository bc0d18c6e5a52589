//! A port that comes with its listening socket, in this process and handed to a child.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/altered.rs"]
mod altered;
mod support;

use std::{
    fs::File,
    io::Read,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use agent::{Agent, serve};
use altered::Altered;
use portkeeper_core::{
    Action, BoundPort, ErrorKind, Filter, HistoryQuery, Keeper, Options, PortRequest, Status,
};
use support::{Holder, child, child_argument, succeeds};

fn request(low: u16, high: u16) -> PortRequest {
    PortRequest::new("shop").range(low..=high)
}

/// Connects, and reaches this very socket.
fn assert_answers(bound: &BoundPort, address: impl Into<IpAddr>) {
    let client = TcpStream::connect((address.into(), bound.port())).unwrap();
    let (mut accepted, peer) = bound.listener().accept().unwrap();
    let expected = client.local_addr().unwrap();
    // Whoever closes first keeps its port for a minute: that shall not be the server.
    drop(client);
    accepted.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(
        (peer.ip().to_canonical(), peer.port()),
        (expected.ip(), expected.port())
    );
}

#[test]
fn processes_that_bind_in_a_loop_never_share_a_port() {
    const TEST: &str = "processes_that_bind_in_a_loop_never_share_a_port";
    if serve() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    let mut agents: Vec<Agent> = (0..4).map(|_| Agent::start(TEST, keeper.path())).collect();
    for round in 0..25 {
        // All at once, and as many as there are ports.
        for _ in 0..5 {
            for agent in &mut agents {
                agent.tell("bind 15000-15019");
            }
        }
        let mut ports: Vec<u16> = Vec::new();
        for _ in 0..5 {
            ports.extend(agents.iter_mut().map(|agent| {
                let answer = agent.answer();
                answer.parse::<u16>().unwrap_or_else(|_| panic!("{answer}"))
            }));
        }
        ports.sort_unstable();
        let all: Vec<u16> = (15_000..=15_019).collect();
        assert_eq!(ports, all, "round {round}");
        let error = keeper.bind(request(15_000, 15_019)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RangeExhausted, "{error}");
        for agent in &mut agents {
            agent.ask("drop");
        }
        assert_eq!(keeper.list(Filter::claims()).unwrap(), []);
    }
}

#[test]
fn a_port_that_a_stranger_has_is_passed_over() {
    let stranger = Holder::stranger(
        "all = [socket.create_server(('127.0.0.1', 15100 + i)) for i in range(18)]; hold(15100)",
    );
    let host = Arc::new(Altered::default());
    let keeper = Options::new()
        .in_memory()
        .host(host.clone())
        .open()
        .unwrap();
    let bound = keeper.bind(request(15_100, 15_119)).unwrap();
    assert_eq!(bound.port(), 15_118);
    drop(bound);

    // They took the ports after the look at them: the bind finds out, and takes the next one.
    host.blind();
    let bound = keeper.bind(request(15_105, 15_119)).unwrap();
    assert_eq!(bound.port(), 15_118);
    assert_answers(&bound, Ipv4Addr::LOCALHOST);
    assert_eq!(keeper.list(Filter::claims()).unwrap().len(), 1);
    drop(bound);
    host.blind();
    let error = keeper.bind(request(15_115, 15_117)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeExhausted, "{error}");
    // It does not go on for ever.
    host.blind();
    let error = keeper.bind(request(15_100, 15_119)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortInUse, "{error}");
    assert_eq!(error.pid(), Some(stranger.pid), "{error}");
    assert_eq!(keeper.list(Filter::claims()).unwrap(), []);
}

#[test]
fn the_address_of_the_request() {
    let keeper = Keeper::in_memory().unwrap();
    let loopbacks: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for (address, answers) in [
        (None, [true, false]),
        (Some("127.0.0.1"), [true, false]),
        (Some("0.0.0.0"), [true, false]),
        (Some("::1"), [false, true]),
        (Some("::"), [true, true]),
    ] {
        let mut request = request(15_200, 15_299);
        let expected: IpAddr = address.unwrap_or("127.0.0.1").parse().unwrap();
        if address.is_some() {
            request = request.address(expected);
        }
        let bound = keeper.bind(request).unwrap();
        assert_eq!(
            bound.listener().local_addr().unwrap(),
            SocketAddr::new(expected, bound.port())
        );
        for (loopback, answers) in loopbacks.into_iter().zip(answers) {
            if answers {
                assert_answers(&bound, loopback);
            } else {
                TcpStream::connect((loopback, bound.port())).unwrap_err();
            }
        }
    }
    // A documentation address (RFC 5737), which is no machine's.
    let other: IpAddr = "192.0.2.1".parse().unwrap();
    let error = keeper
        .bind(request(15_200, 15_299).address(other))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(keeper.list(Filter::claims()).unwrap(), []);
}

#[test]
fn a_role_whose_port_is_occupied() {
    let keeper = Keeper::in_memory().unwrap();
    let role = || request(15_300, 15_399).role("web");
    let port = keeper.request(role()).unwrap()[0].number;
    for socket in ["s.listen()", "pass"] {
        let stranger = Holder::stranger(&format!(
            "s = socket.socket(); s.bind(('127.0.0.1', {port})); {socket}; hold({port})"
        ));
        let error = keeper.bind(role()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PortInUse, "{error}");
        assert_eq!(
            (error.port(), error.pid()),
            (Some(port), Some(stranger.pid)),
            "{error}"
        );
        let shown = error.to_string();
        assert!(shown.contains("python3"), "{shown}");
        // The role is the project's still, and nobody's lease.
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!((row.status, row.owner()), (Status::Reserved, None));
    }
    let bound = keeper.bind(role()).unwrap();
    assert_eq!(bound.port(), port);
    assert_answers(&bound, Ipv4Addr::LOCALHOST);
}

#[test]
fn more_than_one_port_is_refused() {
    let keeper = Keeper::in_memory().unwrap();
    for several in [
        request(15_400, 15_499).count(2),
        request(15_400, 15_499).roles(["web", "api"]),
        request(15_400, 15_499).count(0),
    ] {
        let error = keeper.bind(several).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn the_socket_and_the_lease_apart() {
    let keeper = Keeper::in_memory().unwrap();
    let bound = keeper.bind(request(15_500, 15_599)).unwrap();
    let port = bound.port();
    let (listener, lease) = bound.into_parts();
    drop(listener);
    assert_eq!(keeper.get(port).unwrap().unwrap().status, Status::Reserved);
    TcpListener::bind(("127.0.0.1", port)).unwrap();
    drop(lease);
    let entries = keeper.history(HistoryQuery::port(port)).unwrap();
    let actions: Vec<Action> = entries.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Released, Action::Reserved]);
}

/// Serves one client on descriptor 3 and tells what it was told.
const CHILD: &str = "import os, socket\n\
    s = socket.socket(fileno=3); c, _ = s.accept()\n\
    mine = os.environ['LISTEN_PID'] == str(os.getpid())\n\
    c.sendall(f\"{os.environ['LISTEN_FDS']} {mine} {s.getsockname()[1]}\".encode())";

/// A child serves the socket, also after this process has closed its own.
fn assert_handed_over(bound: BoundPort) {
    let port = bound.port();
    let mut command = bound.command("python3").unwrap();
    command.args(["-c", CHILD]).stdin(Stdio::null());
    let mut server = command.spawn().unwrap();
    // The command has a copy of the socket, too.
    drop(command);
    let (listener, lease) = bound.into_parts();
    drop(listener);
    let mut text = String::new();
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, format!("1 True {port}"));
    assert!(server.wait().unwrap().success());
    drop(lease);
}

#[test]
fn a_child_serves_the_socket() {
    let keeper = Keeper::in_memory().unwrap();
    assert_handed_over(keeper.bind(request(15_600, 15_699)).unwrap());

    let bound = keeper.bind(request(15_600, 15_699)).unwrap();
    let mut awkward = bound.command("printf").unwrap();
    let output = awkward
        .args(["%s|", "a b", "$HOME", "", "'q'", "-n"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "a b|$HOME||'q'|-n|"
    );
    let missing = bound.command("/nonexistent/program").unwrap().output();
    assert!(!missing.unwrap().status.success());
}

/// The child has the socket once, and no other child has it.
#[test]
fn the_socket_goes_to_that_child_alone() {
    const LIST: &str = "import os\n\
        for fd in os.listdir('/proc/self/fd'):\n    \
            try: print(fd, os.readlink('/proc/self/fd/' + fd))\n    \
            except OSError: pass";
    let keeper = Keeper::in_memory().unwrap();
    let bound = keeper.bind(request(15_600, 15_699)).unwrap();
    let fd = bound.listener().as_raw_fd();
    let socket = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    let own = bound.command("python3").unwrap();
    for (mut command, expected) in [(own, vec!["3"]), (Command::new("python3"), vec![])] {
        let output = command.args(["-c", LIST]).output().unwrap();
        let listing = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> = listing
            .lines()
            .filter_map(|line| line.strip_suffix(socket.to_str().unwrap()))
            .map(str::trim)
            .collect();
        assert_eq!(found, expected, "{listing}");
    }
}

/// The descriptor that the child gets is the parent's already, in the two ways there are: the
/// listener has the number 3, or its copy gets it.
#[test]
fn the_socket_is_descriptor_3_already() {
    const TEST: &str = "the_socket_is_descriptor_3_already";
    if let Some(case) = child_argument() {
        let placeholder = File::open("/dev/null").unwrap();
        assert_eq!(placeholder.as_raw_fd(), 3);
        let placeholder = (case == "copy").then_some(placeholder);
        let keeper = Keeper::in_memory().unwrap();
        let bound = keeper.bind(request(15_700, 15_799)).unwrap();
        assert_eq!(bound.listener().as_raw_fd() == 3, case == "listener");
        drop(placeholder);
        assert_handed_over(bound);
        return;
    }
    for case in ["listener", "copy"] {
        let again = child(TEST, case);
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"exec "$0" "$@" 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-"#])
            .arg(again.get_program())
            .args(again.get_args())
            .env("CHILD", case)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        succeeds(command.spawn().unwrap());
    }
}

#[test]
fn a_killed_process_leaves_nothing_bound() {
    const TEST: &str = "a_killed_process_leaves_nothing_bound";
    if serve() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    let mut agent = Agent::start(TEST, keeper.path());
    let port = agent.number("bind 15800-15899");
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    let ready = keeper.wait_ready(port, Duration::from_secs(30)).unwrap();
    assert_eq!(ready.pid(), Some(agent.pid()));
    agent.kill();
    let bound = keeper.bind(request(port, port)).unwrap();
    assert_eq!(bound.port(), port);
}
