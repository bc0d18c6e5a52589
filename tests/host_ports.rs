//! What the machine's probe and list of sockets say of every kind of holder.
#![cfg(target_os = "linux")]

use std::{
    io::Read,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use portkeeper_core::{
    ErrorKind, Owner, Protocol, Socket, SocketState,
    host::{Host, Probe, System, Wanted},
};
use socket2::Type;

#[path = "support/host.rs"]
mod support;

use support::{V4, V6_ANY, bound, eventually, port};

fn address(text: &str) -> SocketAddr {
    SocketAddr::new(text.parse().unwrap(), 0)
}

/// What this test's socket looks like in the list; `None` when it is not there.
type Seen = (Protocol, IpAddr, Option<SocketState>);

fn check(name: &str, port: u16, probe: Probe, (protocol, address, state): Seen) {
    assert_eq!(System.probe(port).unwrap(), probe, "{name}");
    // Other tests may have the same number for another protocol or address, or have had it.
    let is_it = |socket: &Socket| {
        (socket.port, socket.protocol, socket.address) == (port, protocol, address)
            && socket.state != SocketState::TimeWait
    };
    let mut sockets = System.sockets(Wanted::Port(port)).unwrap();
    assert!(sockets.iter().all(|socket| socket.port == port), "{name}");
    sockets.retain(is_it);
    let states: Vec<SocketState> = sockets.iter().map(|socket| socket.state).collect();
    assert_eq!(states, Vec::from_iter(state), "{name}");
    for socket in &sockets {
        assert_eq!(socket.owner, Owner::Known, "{name}");
        assert!(
            socket
                .processes
                .iter()
                .any(|process| process.pid == std::process::id()),
            "{name}: {socket:?}"
        );
        assert_eq!(
            socket.uid,
            Some(rustix::process::geteuid().as_raw()),
            "{name}"
        );
        assert_ne!(socket.inode, 0, "{name}");
    }
    let listeners = System.sockets(Wanted::Listeners).unwrap();
    let listed: Vec<u64> = listeners
        .iter()
        .filter(|socket| is_it(socket))
        .map(|socket| socket.inode)
        .collect();
    let expected: Vec<u64> = sockets
        .iter()
        .filter(|socket| socket.is_listener())
        .map(|socket| socket.inode)
        .collect();
    assert_eq!(listed, expected, "{name}");
}

#[test]
fn a_tcp_listener_is_seen_on_any_address() {
    for (text, only_v6) in [
        ("127.0.0.1", false),
        ("127.0.0.2", false),
        ("0.0.0.0", false),
        ("::1", false),
        ("::", false),
        ("::", true),
    ] {
        for reuse in [true, false] {
            let socket = bound(Type::STREAM, address(text), reuse, only_v6);
            socket.listen(8).unwrap();
            check(
                &format!("{text} only_v6={only_v6} reuse={reuse}"),
                port(&socket),
                Probe::Taken,
                (
                    Protocol::Tcp,
                    text.parse().unwrap(),
                    Some(SocketState::Listen),
                ),
            );
        }
    }
}

#[test]
fn a_udp_socket_is_seen_on_any_address() {
    for (text, only_v6) in [
        ("127.0.0.1", false),
        ("127.0.0.2", false),
        ("0.0.0.0", false),
        ("::1", false),
        ("::", false),
        ("::", true),
    ] {
        for reuse in [true, false] {
            let socket = bound(Type::DGRAM, address(text), reuse, only_v6);
            check(
                &format!("{text} only_v6={only_v6} reuse={reuse}"),
                port(&socket),
                Probe::Taken,
                (
                    Protocol::Udp,
                    text.parse().unwrap(),
                    Some(SocketState::Bound),
                ),
            );
        }
    }
}

#[test]
fn a_tcp_socket_that_does_not_listen_is_seen_by_the_probe_unless_it_yields() {
    for text in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
        let socket = bound(Type::STREAM, address(text), false, false);
        let unlisted = (Protocol::Tcp, text.parse().unwrap(), None);
        check(text, port(&socket), Probe::Taken, unlisted);
        // Two sockets with the option that do not listen may share a port: a held port is free
        // for the server it is held for, and so for the probe. Only the list has it.
        let held = bound(Type::STREAM, address(text), true, false);
        check(text, port(&held), Probe::Free, unlisted);
        if !lists_bound_sockets() {
            continue;
        }
        for socket in [&socket, &held] {
            let listed = System.sockets(Wanted::Bound(port(socket))).unwrap();
            // The kernel lists every one, whichever port it is asked for.
            assert!(listed.iter().all(|listed| listed.port == port(socket)));
            let mut ours = listed.iter().filter(|listed| listed.address == unlisted.1);
            let found = ours.next().unwrap();
            assert_eq!(found.protocol, Protocol::Tcp, "{text}");
            assert_eq!(found.state, SocketState::Bound, "{text}");
            assert_eq!(found.owner, Owner::Known, "{text}");
            socket.listen(1).unwrap();
            let listed = System.sockets(Wanted::Bound(port(socket))).unwrap();
            assert!(
                listed.iter().all(|listed| listed.inode != found.inode),
                "{text}"
            );
        }
    }
}

/// Linux 6.8 and later.
fn lists_bound_sockets() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(8))
}

#[test]
fn a_udp_client_has_a_port_and_is_no_listener() {
    let server = UdpSocket::bind(V4).unwrap();
    let client = UdpSocket::bind(V4).unwrap();
    client.connect(server.local_addr().unwrap()).unwrap();
    check(
        "a UDP client",
        client.local_addr().unwrap().port(),
        Probe::Taken,
        (Protocol::Udp, V4.ip(), Some(SocketState::Connected)),
    );
}

#[test]
fn an_outgoing_connection_has_its_port() {
    for text in ["127.0.0.1", "::1"] {
        let server = TcpListener::bind(address(text)).unwrap();
        let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let local = client.local_addr().unwrap();
        check(
            text,
            local.port(),
            Probe::Taken,
            (Protocol::Tcp, local.ip(), Some(SocketState::Connected)),
        );
        let sockets = System.sockets(Wanted::Port(local.port())).unwrap();
        let remote = Some(server.local_addr().unwrap());
        assert!(sockets.iter().any(|socket| socket.remote == remote));
    }
}

#[test]
fn an_accepted_connection_is_on_the_servers_port_and_no_listener() {
    let server = TcpListener::bind(V4).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let sockets = || {
        let mut sockets = System.sockets(Wanted::Port(port)).unwrap();
        sockets.retain(|socket| {
            socket.protocol == Protocol::Tcp
                && socket.address == V4.ip()
                && socket.state != SocketState::TimeWait
        });
        sockets
    };
    let waiting = sockets();
    let owners: Vec<_> = waiting
        .iter()
        .map(|socket| (socket.state, socket.owner))
        .collect();
    // Until it is accepted, a connection is the kernel's.
    assert_eq!(
        owners,
        [
            (SocketState::Connected, Owner::None),
            (SocketState::Listen, Owner::Known)
        ]
    );

    let (_accepted, remote) = server.accept().unwrap();
    assert_eq!(remote, client.local_addr().unwrap());
    let mut seen: Vec<_> = sockets()
        .iter()
        .map(|socket| (socket.state, socket.remote, socket.owner))
        .collect();
    seen.sort_by_key(|(state, ..)| state.as_str());
    assert_eq!(
        seen,
        [
            (SocketState::Connected, Some(remote), Owner::Known),
            (SocketState::Listen, None, Owner::Known),
        ]
    );
}

/// A closed connection whose server closed first, on the port of a listener that is gone.
fn time_wait(reuse: bool) -> u16 {
    let listener = bound(Type::STREAM, V4, reuse, false);
    listener.listen(1).unwrap();
    let port = port(&listener);
    let mut client =
        TcpStream::connect(listener.local_addr().unwrap().as_socket().unwrap()).unwrap();
    drop(listener.accept().unwrap());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop((client, listener));
    eventually("TIME-WAIT", || {
        let sockets = System.sockets(Wanted::Port(port)).unwrap();
        sockets
            .iter()
            .any(|socket| socket.state == SocketState::TimeWait)
    });
    port
}

#[test]
fn time_wait_is_taken_only_where_a_server_would_be_refused() {
    for (reuse, probe) in [(true, Probe::Free), (false, Probe::Taken)] {
        let port = time_wait(reuse);
        assert_eq!(System.probe(port).unwrap(), probe, "reuse={reuse}");
        // `TcpListener` sets SO_REUSEADDR, as servers do.
        let server = TcpListener::bind(("127.0.0.1", port));
        assert_eq!(server.is_ok(), probe == Probe::Free, "reuse={reuse}");
        let sockets = System.sockets(Wanted::Port(port)).unwrap();
        let closed = sockets
            .iter()
            .find(|socket| socket.state == SocketState::TimeWait)
            .unwrap();
        assert_eq!(
            (closed.owner, closed.inode, closed.uid),
            (Owner::None, 0, None)
        );
        assert!(closed.remote.is_some());
    }
}

#[test]
fn a_port_is_free_again_when_its_socket_is_closed() {
    for kind in [Type::STREAM, Type::DGRAM] {
        // Between closing and probing somebody else may be given the port, but not every time.
        let mut ports = (0..5).map(|_| {
            let socket = bound(kind, V6_ANY, false, false);
            port(&socket)
        });
        assert!(ports.any(|port| System.probe(port).unwrap() == Probe::Free));
    }
}

#[test]
fn port_zero_is_no_port() {
    let error = System.probe(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortInvalid);
    assert_eq!(System.sockets(Wanted::Port(0)).unwrap(), []);
}

#[test]
fn sockets_come_in_order() {
    let sockets: Vec<_> = (0..40)
        .map(|number| match number % 2 {
            0 => bound(Type::DGRAM, V4, false, false),
            _ => bound(Type::DGRAM, V6_ANY, false, false),
        })
        .collect();
    let listed = System.sockets(Wanted::Listeners).unwrap();
    let keys: Vec<_> = listed
        .iter()
        .map(|socket| (socket.port, socket.protocol, socket.address, socket.inode))
        .collect();
    assert!(keys.is_sorted());
    for socket in &sockets {
        assert!(listed.iter().any(|listed| listed.port == port(socket)));
    }
}

/// Without patience for the UDP socket of the other probe 10 to 20 % of these would be refused.
#[test]
fn probes_at_the_same_moment_do_not_take_one_another_for_a_holder() {
    const ROUNDS: usize = 5_000;
    let hold = bound(Type::STREAM, V6_ANY, true, false);
    let port = port(&hold);
    let taken: usize = thread::scope(|scope| {
        let probers = [(); 2].map(|()| {
            scope.spawn(|| {
                (0..ROUNDS)
                    .filter(|_| System.probe(port).unwrap() != Probe::Free)
                    .count()
            })
        });
        probers
            .into_iter()
            .map(|prober| prober.join().unwrap())
            .sum()
    });
    // On a busy machine a probe may be interrupted for longer than the other one waits.
    assert!(taken <= ROUNDS / 100, "{taken} of {ROUNDS}");
}
