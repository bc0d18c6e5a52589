//! A server that starts while its port is probed. Alone in its program: a child that another test
//! starts would keep the last server's socket open between its `fork` and its `exec`.

use std::{
    net::{Ipv6Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

use portkeeper_core::{
    ErrorKind, Keeper, ReserveRequest,
    host::{Host, Probe, System},
};
use socket2::{Domain, Socket, Type};

const STARTS: u32 = 20_000;

#[test]
fn no_server_fails_to_start_because_its_port_is_looked_at() {
    // The port is held, so that nobody else on this machine is given it during the test.
    let hold = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    hold.set_reuse_address(true).unwrap();
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    hold.bind(&any.into()).unwrap();
    let port = hold.local_addr().unwrap().as_socket().unwrap().port();

    let keeper = Keeper::in_memory().unwrap();
    let done = AtomicBool::new(false);
    let (free, taken) = (AtomicU32::new(0), AtomicU32::new(0));
    let failures = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let count = match System.probe(port).unwrap() {
                    Probe::Free => &free,
                    _ => &taken,
                };
                count.fetch_add(1, Ordering::Relaxed);
                keeper.check(port).unwrap();
                // The server is this process's own, unless it ends while its owner is looked for.
                match keeper.reserve(port, ReserveRequest::new("shop")) {
                    Ok(_) => drop(keeper.release(port).unwrap()),
                    Err(refusal) => assert_eq!(refusal.kind(), ErrorKind::PortInUse),
                }
            }
        });
        let start = |_| u32::from(TcpListener::bind(("127.0.0.1", port)).is_err());
        let mut failures: u32 = (0..STARTS).map(start).sum();
        // Until looks did fall both into servers' lives and into the gaps between them.
        while free.load(Ordering::Relaxed) == 0 || taken.load(Ordering::Relaxed) == 0 {
            failures += start(0);
        }
        done.store(true, Ordering::Relaxed);
        failures
    });
    assert_eq!(failures, 0, "of {STARTS} starts");
}
