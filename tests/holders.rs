//! `check` and `reserve` see every way to have a port, whoever has it.

mod support;

use portkeeper_core::{ErrorKind, Keeper, Protocol, ReserveRequest, Verdict};
use support::Holder;

/// From here on ports are looked for that nobody has. One that the kernel gives may be another's, too: on another
/// address, or as the near end of a connection to somebody else.
const BELOW_THE_PORTS: u16 = 31_000;

/// How a stranger takes `port`, and the phrase that the verdict has for it.
const HOLDERS: [(&str, &str, &str); 13] = [
    (
        "IPv4 loopback",
        "s = socket.create_server(('127.0.0.1', port))",
        "listening on 127.0.0.1 (tcp)",
    ),
    (
        "another loopback address",
        "s = socket.create_server(('127.0.0.2', port))",
        "listening on 127.0.0.2 (tcp)",
    ),
    (
        "every IPv4 address",
        "s = socket.create_server(('0.0.0.0', port))",
        "listening on 0.0.0.0 (tcp)",
    ),
    (
        "IPv6 loopback",
        "s = socket.create_server(('::1', port), family=socket.AF_INET6)",
        "listening on ::1 (tcp)",
    ),
    (
        "every address of both families",
        "s = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True)",
        "listening on :: (tcp)",
    ),
    (
        "every IPv6 address and no IPv4 one",
        "s = socket.create_server(('::', port), family=socket.AF_INET6)",
        "listening on :: (tcp)",
    ),
    (
        "UDP on IPv4",
        "s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', port))",
        "listening on 127.0.0.1 (udp)",
    ),
    (
        "UDP on IPv6",
        "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', port))",
        "listening on :: (udp)",
    ),
    (
        "UDP that shares its port",
        "s = socket.socket(type=socket.SOCK_DGRAM)\n\
         s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', port))",
        "listening on 127.0.0.1 (udp)",
    ),
    (
        "bound on IPv4 and not listening",
        "s = socket.socket(); s.bind(('127.0.0.1', port))",
        "without listening",
    ),
    (
        "bound on IPv6 and not listening",
        "s = socket.socket(socket.AF_INET6); s.bind(('::', port))",
        "without listening",
    ),
    (
        "an outgoing connection",
        "server = socket.create_server(('127.0.0.1', 0))\n\
         s = socket.create_connection(server.getsockname(), source_address=('127.0.0.1', port))",
        "connected to 127.0.0.1:",
    ),
    (
        "a closed connection",
        "server = socket.socket(); server.bind(('127.0.0.1', port)); server.listen()\n\
         client = socket.create_connection(server.getsockname())\n\
         s = server.accept()[0]; server.close()\n\
         s.close(); client.recv(1); client.close()",
        "kept by a closed connection for up to a minute (TIME-WAIT)",
    ),
];

#[test]
fn check_and_reserve_see_every_kind_of_holder() {
    let keeper = Keeper::in_memory().unwrap();
    let mut port = BELOW_THE_PORTS;
    for (holder, script, phrase) in HOLDERS {
        port = keeper.next_free(port).unwrap().unwrap();
        let stranger = Holder::stranger(&format!("port = {port}\n{script}\nhold(port)"));
        let state = keeper.check(port).unwrap();
        let shown = state.verdict.to_string();
        assert!(shown.contains(phrase), "{holder}: {shown}");
        assert!(!state.is_free(), "{holder}");

        let refusal = keeper
            .reserve(port, ReserveRequest::new("shop"))
            .unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::PortInUse, "{holder}: {refusal}");
        assert_eq!(refusal.port(), Some(port), "{holder}");
        if matches!(
            state.verdict,
            Verdict::Listening { .. } | Verdict::Bound { .. } | Verdict::OutgoingConnection { .. }
        ) {
            assert_eq!(refusal.pid(), Some(stranger.pid), "{holder}: {refusal}");
            assert!(refusal.to_string().contains("python3"), "{refusal}");
        }
        keeper
            .reserve(port, ReserveRequest::new("shop").adopt(true))
            .unwrap_or_else(|error| panic!("{holder} is not adopted: {error}"));
    }
}

/// One on the same address, and one on another.
#[test]
fn a_udp_server_beside_a_tcp_server_is_seen() {
    let keeper = Keeper::in_memory().unwrap();
    for (tcp, udp) in [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")] {
        let port = keeper.next_free(BELOW_THE_PORTS + 500).unwrap().unwrap();
        let both = Holder::stranger(&format!(
            "tcp = socket.create_server(('{tcp}', {port}))\n\
             udp = socket.socket(type=socket.SOCK_DGRAM); udp.bind(('{udp}', {port}))\n\
             hold({port})"
        ));
        let state = keeper.check(port).unwrap();
        let listeners = state.listeners().iter();
        let seen: Vec<_> = listeners
            .map(|socket| (socket.protocol, socket.address.to_string(), socket.pid()))
            .collect();
        let expected = [(Protocol::Tcp, tcp), (Protocol::Udp, udp)]
            .map(|(protocol, address)| (protocol, address.to_owned(), Some(both.pid)));
        assert_eq!(seen, expected);
    }
}

#[test]
fn an_own_server_and_a_childs_may_be_reserved() {
    let keeper = Keeper::in_memory().unwrap();
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = own.local_addr().unwrap().port();
    keeper.reserve(port, ReserveRequest::new("shop")).unwrap();

    let child =
        Holder::child("s = socket.create_server(('127.0.0.1', 0)); hold(s.getsockname()[1])");
    keeper
        .reserve(child.port, ReserveRequest::new("shop"))
        .unwrap();
    assert_eq!(
        keeper.check(child.port).unwrap().verdict.pid(),
        Some(child.pid)
    );
}

#[test]
fn a_projects_own_port_may_be_altered_while_its_server_runs() {
    let keeper = Keeper::in_memory().unwrap();
    let server =
        Holder::stranger("s = socket.create_server(('127.0.0.1', 0)); hold(s.getsockname()[1])");
    let request = || ReserveRequest::new("shop").adopt(true);
    keeper.reserve(server.port, request()).unwrap();
    let altered = keeper
        .reserve(server.port, ReserveRequest::new("shop").tag("web"))
        .unwrap();
    assert_eq!(altered.tags, ["web"]);
}
