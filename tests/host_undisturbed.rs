//! Servers that start while their ports are looked at. Alone in its program: a child that another test
//! starts would keep a server's socket open between its `fork` and its `exec`.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering},
    thread,
};

use portkeeper_core::{
    ErrorKind, Keeper, ReserveRequest,
    host::{Host, Probe, System},
};

/// Each in turn. A port comes back after thousands of others only: whoever looks for the owner of a
/// socket, as every such tool does in `/proc`, keeps it open for a moment, which would be in the way of
/// the next server on the same port.
const PORTS: std::ops::Range<u16> = 24_000..29_000;
const STARTS: usize = 20_000;

#[test]
fn no_server_fails_to_start_because_its_port_is_looked_at() {
    let keeper = Keeper::in_memory().unwrap();
    let usable: Vec<u16> = PORTS
        .filter(|port| System.probe(*port).unwrap() == Probe::Free)
        .collect();
    assert!(usable.len() > 4_000, "{} ports are free", usable.len());
    let current = AtomicU16::new(usable[0]);
    let done = AtomicBool::new(false);
    let (free, taken) = (AtomicU32::new(0), AtomicU32::new(0));
    let failures = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let port = current.load(Ordering::Relaxed);
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
        let start = |port: &u16| {
            current.store(*port, Ordering::Relaxed);
            u32::from(TcpListener::bind(("127.0.0.1", *port)).is_err())
        };
        let mut ports = usable.iter().cycle();
        let mut failures: u32 = ports.by_ref().take(STARTS).map(start).sum();
        // Until looks did fall both into servers' lives and before them.
        while free.load(Ordering::Relaxed) == 0 || taken.load(Ordering::Relaxed) == 0 {
            failures += ports.next().map_or(0, start);
        }
        done.store(true, Ordering::Relaxed);
        failures
    });
    assert_eq!(failures, 0, "of {STARTS} starts");
}
