//! Ports that no other test is given, neither of this process nor of another that runs these tests.
//!
//! A server that does not set `SO_REUSEADDR` is refused its port by whoever only tries that port for a
//! moment, and one that is closed may live on while somebody looks at its process. So each port is used
//! by one test, once.

use std::{
    net::{Ipv6Addr, SocketAddrV6, TcpListener},
    ops::RangeInclusive,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    process,
    sync::{Mutex, PoisonError},
};

use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};

/// Below 26000, where tests ask for ports of a range that they share.
const BLOCKS: u16 = 120;
const SIZE: u16 = 50;
const FIRST: u16 = 20_000;

/// Neighbouring ports, as long as this lives.
#[derive(Debug)]
pub struct Block {
    first: u16,
    _lock: UnixDatagram,
}

impl Block {
    pub fn new() -> Self {
        // Several processes begin at different ones.
        let begin = process::id() % u32::from(BLOCKS);
        for at in 0..BLOCKS {
            let number = (u16::try_from(begin).unwrap() + at) % BLOCKS;
            // A name that no file has, and that is free again when its process has ended.
            let name = format!("portman's tests {number}");
            let name = SocketAddr::from_abstract_name(name).unwrap();
            if let Ok(lock) = UnixDatagram::bind_addr(&name) {
                return Self {
                    first: FIRST + number * SIZE,
                    _lock: lock,
                };
            }
        }
        panic!("every port is another test's");
    }

    pub fn range(&self) -> RangeInclusive<u16> {
        self.first..=self.first + (SIZE - 1)
    }
}

/// A port that nobody uses.
pub fn free_port() -> u16 {
    static LEFT: Mutex<Option<(Block, RangeInclusive<u16>)>> = Mutex::new(None);
    static USED: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(port) = left
            .as_mut()
            .and_then(|(_, ports)| ports.find(|port| is_free(*port)))
        {
            return port;
        }
        let block = Block::new();
        let ports = block.range();
        if let Some((used, _)) = left.replace((block, ports)) {
            // It stays this process's: its servers may still run.
            USED.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(used);
        }
    }
}

/// A listener of this process on a port of 127.0.0.1.
pub fn listener() -> (TcpListener, u16) {
    let port = free_port();
    (TcpListener::bind(("127.0.0.1", port)).unwrap(), port)
}

/// Whether a server can have it. It is not listened on, which would be seen.
fn is_free(port: u16) -> bool {
    let probe = socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&probe, true).unwrap();
    sockopt::set_ipv6_v6only(&probe, false).unwrap();
    bind(
        &probe,
        &SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0),
    )
    .is_ok()
}
