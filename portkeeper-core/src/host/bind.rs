//! Sockets that are bound to a port of every address, and are in nobody's way.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use socket2::{Domain, Socket, Type};

use crate::model::Protocol;

/// A socket to be bound to an address of this family, for IPv6 with its IPv4 counterpart.
///
/// A TCP socket has `SO_REUSEADDR` on Unix: as long as it does not listen, it conflicts with no other
/// one that has the option, such as a server's. On Windows the option takes a port away from whoever
/// has it.
pub(super) fn unbound(protocol: Protocol, address: IpAddr) -> io::Result<Socket> {
    let domain = match address {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    };
    let socket = match protocol {
        Protocol::Tcp => Socket::new(domain, Type::STREAM, Some(socket2::Protocol::TCP))?,
        Protocol::Udp => Socket::new(domain, Type::DGRAM, Some(socket2::Protocol::UDP))?,
    };
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    #[cfg(unix)]
    if protocol == Protocol::Tcp {
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

/// Binds with the address that stands for every one: `::`, or `0.0.0.0` where there is no IPv6.
pub(super) fn on_any_address<T>(bind: impl Fn(IpAddr) -> io::Result<T>) -> io::Result<T> {
    match bind(Ipv6Addr::UNSPECIFIED.into()) {
        Err(error) if is_missing_address(&error) => bind(Ipv4Addr::UNSPECIFIED.into()),
        other => other,
    }
}

/// Whether the address family, rather than the port, is what this machine lacks.
pub(super) fn is_missing_address(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error
            .raw_os_error()
            .is_some_and(|code| MISSING_FAMILY.contains(&code))
}

#[cfg(unix)]
const MISSING_FAMILY: [i32; 3] = [
    rustix::io::Errno::AFNOSUPPORT.raw_os_error(),
    rustix::io::Errno::PROTONOSUPPORT.raw_os_error(),
    rustix::io::Errno::NOPROTOOPT.raw_os_error(),
];

/// `WSAEAFNOSUPPORT`, `WSAEPROTONOSUPPORT` and `WSAENOPROTOOPT`.
#[cfg(not(unix))]
const MISSING_FAMILY: [i32; 3] = [10_047, 10_043, 10_042];

#[cfg(test)]
mod tests {
    use super::is_missing_address;

    #[cfg(unix)]
    #[test]
    fn a_missing_family_is_told_from_a_taken_port() {
        use rustix::io::Errno;

        for (errno, missing) in [
            (Errno::AFNOSUPPORT, true),
            (Errno::ADDRNOTAVAIL, true),
            (Errno::PROTONOSUPPORT, true),
            (Errno::NOPROTOOPT, true),
            (Errno::ADDRINUSE, false),
            (Errno::ACCESS, false),
            (Errno::MFILE, false),
        ] {
            assert_eq!(is_missing_address(&errno.into()), missing, "{errno:?}");
        }
    }
}
