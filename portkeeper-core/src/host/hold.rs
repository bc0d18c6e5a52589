//! Keeps a port bound without listening on it.

use std::{io, net::SocketAddr};

use socket2::Socket;

use super::bind::{on_any_address, unbound};
use crate::model::Protocol;

/// A TCP socket that is bound to every address and never listens.
///
/// The kernel gives the port to nobody else, neither to `bind(0)` nor to an outgoing connection, while
/// on Unix a server that sets `SO_REUSEADDR` can bind and listen.
pub(crate) fn hold(port: u16) -> io::Result<Socket> {
    on_any_address(|address| {
        let socket = unbound(Protocol::Tcp, address)?;
        socket.bind(&SocketAddr::new(address, port).into())?;
        Ok(socket)
    })
}
