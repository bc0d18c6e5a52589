//! A claim to be held, and whether it is.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::{Keeper, PortRequest, Strategy};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// A registry in a file, and a port that `shop` keeps.
pub fn claimed(range: std::ops::RangeInclusive<u16>) -> (TempDir, Keeper, u16) {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    let request = PortRequest::new("shop")
        .role("web")
        .range(range)
        .strategy(Strategy::Random);
    let port = keeper.request(request).unwrap()[0].number;
    (folder, keeper, port)
}

/// Whether a server without `SO_REUSEADDR` could start.
pub fn is_bindable(port: u16) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    socket.bind(&address.into()).is_ok()
}

/// Waits until it is so, and fails after ten seconds.
pub fn eventually(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(5));
    }
}
