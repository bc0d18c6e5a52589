//! Keeps a port bound without listening on it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::probe::is_missing_address;

/// A TCP socket that is bound to every address and never listens.
///
/// On Unix it has `SO_REUSEADDR`: the kernel gives the port to nobody else, neither to `bind(0)` nor
/// to an outgoing connection, while a server that sets the option too can bind and listen.
pub(crate) fn hold(port: u16) -> io::Result<Socket> {
    match bind(Ipv6Addr::UNSPECIFIED.into(), port) {
        Err(error) if is_missing_address(&error) => bind(Ipv4Addr::UNSPECIFIED.into(), port),
        result => result,
    }
}

fn bind(address: IpAddr, port: u16) -> io::Result<Socket> {
    let domain = match address {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(address, port).into())?;
    Ok(socket)
}
