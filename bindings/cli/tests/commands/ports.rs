//! Ports that no other test is given, neither of this process nor of another that runs these tests.
//!
//! A server that does not set `SO_REUSEADDR` is refused its port by whoever only tries that port for a
//! moment, and for a minute by what is left of closed connections. So each port is used by one test.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv6Addr, SocketAddrV6, TcpListener},
    ops::RangeInclusive,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    sync::{Mutex, PoisonError},
};

use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};

/// Below 26000, where tests ask for ports of a range that they share.
const BLOCKS: u16 = 120;
const SIZE: u16 = 50;
const FIRST: u16 = 20_000;

/// Neighbouring ports that are the caller's alone.
pub fn block() -> RangeInclusive<u16> {
    // As long as this process lives: its servers may run until then.
    static LOCKS: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());
    let random = RandomState::new().hash_one(0) % u64::from(BLOCKS);
    let begin = u16::try_from(random).unwrap();
    for number in (begin..BLOCKS).chain(0..begin) {
        // A name that no file has, and that is free again when its process has ended.
        let name = SocketAddr::from_abstract_name(format!("portman's tests {number}")).unwrap();
        let Ok(lock) = UnixDatagram::bind_addr(&name) else {
            continue;
        };
        LOCKS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(lock);
        let first = FIRST + number * SIZE;
        let mut ports = first..=first + (SIZE - 1);
        if ports.all(is_free) {
            return first..=first + (SIZE - 1);
        }
    }
    panic!("every port is another test's");
}

/// A port that nobody uses.
pub fn free_port() -> u16 {
    static LEFT: Mutex<Option<RangeInclusive<u16>>> = Mutex::new(None);
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(port) = left.as_mut().and_then(Iterator::next) {
        return port;
    }
    let mut ports = block();
    let port = ports.next().unwrap();
    *left = Some(ports);
    port
}

/// A listener of this process on a port of 127.0.0.1.
pub fn listener() -> (TcpListener, u16) {
    let port = free_port();
    (TcpListener::bind(("127.0.0.1", port)).unwrap(), port)
}

/// Whether any server can have it.
fn is_free(port: u16) -> bool {
    let probe = socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
    sockopt::set_ipv6_v6only(&probe, false).unwrap();
    bind(
        &probe,
        &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0),
    )
    .is_ok()
}
