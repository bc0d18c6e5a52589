//! A held port is nobody else's, until its server starts on it.
#![cfg(target_os = "linux")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/held.rs"]
mod held;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use apart::NETWORK;
use held::{claimed, eventually, is_bindable};
use kill_support::{child_within, works};
use portkeeper_core::{Keeper, PortRequest, Ready, Verdict};
use socket2::{Domain, SockRef, Socket, Type};
use support::{child_argument, succeeds};

const SOON: Duration = Duration::from_secs(30);

/// How often `0` came out as one of `ports`.
fn bind_any(times: usize, ports: &[u16]) -> usize {
    let mut hits = 0;
    for _ in 0..times {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        hits += usize::from(ports.contains(&address.port()));
    }
    hits
}

/// How often an outgoing connection began at one of `ports`.
fn connect(times: usize, ports: &[u16]) -> usize {
    let server = TcpListener::bind(("127.0.0.1", 18_900)).unwrap();
    let mut hits = 0;
    for _ in 0..times {
        let client = TcpStream::connect(("127.0.0.1", 18_900)).unwrap();
        hits += usize::from(ports.contains(&client.local_addr().unwrap().port()));
        // Without this the ports would be used up by closed connections.
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
        drop(server.accept());
    }
    hits
}

#[test]
fn the_kernel_gives_a_held_port_to_nobody() {
    const TEST: &str = "the_kernel_gives_a_held_port_to_nobody";
    if child_argument().is_none() {
        if works(TEST, &NETWORK) {
            succeeds(child_within(&NETWORK, TEST, "inside").spawn().unwrap());
        }
        return;
    }
    // Two neighbours, for the kernel prefers one parity to the other.
    apart::prepare(&(11_000..=11_039));
    let keeper = Keeper::in_memory().unwrap();
    let request = PortRequest::new("shop").count(2).range(11_020..=11_021);
    let rows = keeper.request(request).unwrap();
    let ports: Vec<u16> = rows.iter().map(|row| row.number).collect();

    // A claim alone does not keep them off, so that the test can fail.
    assert_ne!(bind_any(3_000, &ports), 0);
    assert_ne!(connect(3_000, &ports), 0);
    let holds = [keeper.hold(11_020).unwrap(), keeper.hold(11_021).unwrap()];
    assert_eq!(bind_any(30_000, &ports), 0);
    assert_eq!(connect(5_000, &ports), 0);
    drop(holds);
    assert_ne!(bind_any(3_000, &ports), 0);
}

/// A server that is ended when this is dropped.
struct Server(Child);

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The first line of the answer.
fn get(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[test]
fn unmodified_servers_start_on_a_held_port() {
    const NODE: &str =
        "require('http').createServer((_, res) => res.end('hi')).listen(+process.argv[1])";
    let (_folder, keeper, port) = claimed(11_100..=11_199);
    let number = port.to_string();
    let hold = keeper.hold(port).unwrap();
    for (program, arguments) in [
        (
            "python3",
            vec!["-m", "http.server", &number, "--bind", "127.0.0.1"],
        ),
        ("python3", vec!["-m", "http.server", &number]),
        ("node", vec!["-e", NODE, &number]),
    ] {
        let server = Server::start(program, &arguments);
        let ready = Ready::port(port).by(server.0.id());
        let socket = keeper
            .wait_ready(ready, SOON)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        assert_eq!(socket.pid(), Some(server.0.id()), "{arguments:?}");
        let answer = get(port);
        assert!(answer.ends_with("200 OK"), "{arguments:?}: {answer}");
        assert!(matches!(
            keeper.check(port).unwrap().verdict,
            Verdict::Listening { .. }
        ));
    }

    for address in ["127.0.0.1", "0.0.0.0", "::"] {
        let server = TcpListener::bind((address, port)).unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        client.write_all(b"hello").unwrap();
        drop(client);
        let mut text = String::new();
        accepted.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
    drop(hold);
}

#[test]
fn a_server_without_the_option_cannot_start_and_the_verdict_says_why() {
    const SCRIPT: &str = "import socketserver, sys\n\
        s = socketserver.TCPServer(('127.0.0.1', int(sys.argv[1])), socketserver.StreamRequestHandler)\n\
        print('up', flush=True)\ns.serve_forever()";
    let (_folder, keeper, port) = claimed(11_200..=11_299);
    let start = || {
        Command::new("python3")
            .args(["-c", SCRIPT, &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };

    let hold = keeper.hold(port).unwrap();
    let output = start().wait_with_output().unwrap();
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("Address already in use"), "{complaint}");
    let state = keeper.check(port).unwrap();
    match &state.verdict {
        Verdict::Held { project, pid, .. } => {
            assert_eq!((project.as_str(), *pid), ("shop", std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    let shown = state.verdict.to_string();
    assert!(shown.contains("SO_REUSEADDR"), "{shown}");
    assert_eq!(state.verdict.pid(), Some(std::process::id()));
    drop(hold);

    // A claim alone and a lease alone are not in its way.
    for leased in [false, true] {
        let lease = leased.then(|| keeper.lease(PortRequest::new("shop").role("web")).unwrap());
        let mut server = Server(start());
        let mut line = String::new();
        let output = server.0.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "leased: {leased}");
        keeper
            .wait_ready(Ready::port(port).by(server.0.id()), SOON)
            .unwrap();
        drop(lease);
    }
}

/// A socket that sets `SO_REUSEADDR`, bound to the port.
fn sharing(port: u16) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    Ok(socket)
}

#[test]
fn an_exclusive_hold_admits_only_whom_its_holder_lets_in() {
    let (_folder, keeper, port) = claimed(11_800..=11_899);
    let is_held = || matches!(keeper.check(port).unwrap().verdict, Verdict::Held { .. });
    let mut hold = keeper.hold_exclusively(port).unwrap();
    assert!(sharing(port).is_err() && !is_bindable(port));
    assert!(is_held());
    let server = hold.admit(|| sharing(port)).unwrap().unwrap();
    // Neither beside the server nor in its place.
    assert!(sharing(port).is_err() && server.listen(1).is_err());
    assert!(is_held());
    hold.admit(|| server.listen(1)).unwrap().unwrap();

    // The server's side closes first, and what is left of the connection is no obstacle.
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    drop(server.accept().unwrap());
    drop((client, server));
    hold.lend();
    // Whoever looks at this process keeps its sockets for a moment.
    eventually(|| hold.take_back());
    assert!(sharing(port).is_err());
    assert!(is_held());
    drop(hold);
    eventually(|| sharing(port).is_ok());
}
