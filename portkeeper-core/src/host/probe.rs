//! Asks the kernel whether a port can be bound, without ever being in a server's way.
//!
//! TCP is probed with `SO_REUSEADDR` and without `listen`: two such sockets that do not listen
//! never conflict, so neither a server that sets the option (Rust, Go, Node and Python's
//! `http.server` do) nor another probe is refused while the probe lasts. The price is that the probe
//! does not see a socket that itself has the option and does not listen: a held port, or a server
//! between `bind` and `listen`.
//!
//! UDP knows no `listen`, and a probe with the option would pass over every holder that has it too.
//! So UDP is probed without it. Two such probes conflict, and so a UDP socket is believed only when it
//! has been there for some milliseconds.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Probe, ranges};
use crate::error::{Error, Result};

/// One dual-stack wildcard address conflicts with every address there is.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NARROWER: [IpAddr; 0] = [];

/// Elsewhere a wildcard may be bound over a socket on one address, so that the usual addresses are
/// tried by themselves (from the manuals of Windows and the BSDs; not measured).
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NARROWER: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Microseconds to wait for another probe to end. It lasts a few; but where all cores are busy it may
/// be interrupted in the middle, for a few thousand.
const PAUSES: [u64; 7] = [0, 10, 50, 200, 400, 800, 1600];

pub(super) fn probe(port: u16) -> Result<Probe> {
    if port == 0 {
        return Err(Error::PortInvalid(0));
    }
    for kind in [Kind::Tcp, Kind::Udp] {
        match kind.bind_anywhere(port) {
            Ok(()) => {}
            Err(error) => return refusal(port, kind, &error),
        }
    }
    Ok(Probe::Free)
}

fn refusal(port: u16, kind: Kind, error: &io::Error) -> Result<Probe> {
    match error.kind() {
        io::ErrorKind::AddrInUse => Ok(Probe::Taken),
        io::ErrorKind::PermissionDenied if port < ranges::first_unprivileged() => {
            Ok(Probe::Privileged)
        }
        io::ErrorKind::PermissionDenied => Ok(Probe::Excluded),
        _ => Err(Error::ScanFailed(format!(
            "{} port {port} could not be probed: {error}",
            kind.name()
        ))),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Tcp,
    Udp,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }

    fn bind_anywhere(self, port: u16) -> io::Result<()> {
        match self.bind(Ipv6Addr::UNSPECIFIED.into(), port) {
            Err(error) if is_missing_address(&error) => {
                self.bind(Ipv4Addr::UNSPECIFIED.into(), port)?;
            }
            other => other?,
        }
        for address in NARROWER {
            match self.bind(address, port) {
                Err(error) if is_missing_address(&error) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn bind(self, address: IpAddr, port: u16) -> io::Result<()> {
        let socket = self.socket(address)?;
        let address = SocketAddr::new(address, port).into();
        match self {
            Self::Tcp => socket.bind(&address),
            Self::Udp => {
                for pause in PAUSES {
                    match socket.bind(&address) {
                        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                            thread::sleep(Duration::from_micros(pause));
                        }
                        other => return other,
                    }
                }
                socket.bind(&address)
            }
        }
    }

    fn socket(self, address: IpAddr) -> io::Result<Socket> {
        let domain = match address {
            IpAddr::V4(_) => Domain::IPV4,
            IpAddr::V6(_) => Domain::IPV6,
        };
        let socket = match self {
            Self::Tcp => Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?,
            Self::Udp => Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?,
        };
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        // On Windows the option takes a port away from whoever has it.
        #[cfg(unix)]
        if matches!(self, Self::Tcp) {
            socket.set_reuse_address(true)?;
        }
        Ok(socket)
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
    use std::io;

    use super::{Kind, is_missing_address, refusal};
    use crate::host::Probe;

    #[test]
    fn each_refusal_has_its_own_answer() {
        let cases = [
            (3000, io::ErrorKind::AddrInUse, Some(Probe::Taken)),
            (1, io::ErrorKind::AddrInUse, Some(Probe::Taken)),
            (1, io::ErrorKind::PermissionDenied, Some(Probe::Privileged)),
            (
                65_535,
                io::ErrorKind::PermissionDenied,
                Some(Probe::Excluded),
            ),
            (3000, io::ErrorKind::OutOfMemory, None),
        ];
        for (port, kind, expected) in cases {
            let answer = refusal(port, Kind::Udp, &kind.into());
            match expected {
                Some(expected) => assert_eq!(answer.unwrap(), expected, "{port} {kind}"),
                None => assert_eq!(
                    answer.unwrap_err().to_string(),
                    format!(
                        "the ports of this machine could not be read: \
                         UDP port {port} could not be probed: {kind}"
                    )
                ),
            }
        }
    }

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
