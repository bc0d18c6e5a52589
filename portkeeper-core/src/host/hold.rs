//! Keeps a port bound without listening on it.

use std::{io, net::SocketAddr};
#[cfg(target_os = "linux")]
use std::{thread, time::Duration};

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

/// Microseconds to wait for somebody's probe to end.
#[cfg(target_os = "linux")]
const PAUSES: [u64; 6] = [0, 50, 200, 400, 800, 1600];

/// The same, and a server that sets `SO_REUSEADDR` is refused, too, as long as this socket has not got
/// the option.
///
/// It is bound without it where that is possible: the kernel remembers of a port whether all of its
/// sockets were bound with the option, and may then ask none of them what it has now. With the option it
/// is bound over what closed connections leave for a minute, which came from a listener, so that the
/// kernel does ask.
#[cfg(target_os = "linux")]
pub(crate) fn hold_exclusively(port: u16) -> io::Result<Socket> {
    on_any_address(|address| {
        let socket = unbound(Protocol::Tcp, address)?;
        let to = SocketAddr::new(address, port).into();
        socket.set_reuse_address(false)?;
        for pause in PAUSES {
            match socket.bind(&to) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    thread::sleep(Duration::from_micros(pause));
                }
                Ok(()) => return Ok(socket),
                Err(error) => return Err(error),
            }
        }
        socket.set_reuse_address(true)?;
        socket.bind(&to)?;
        socket.set_reuse_address(false)?;
        Ok(socket)
    })
}
