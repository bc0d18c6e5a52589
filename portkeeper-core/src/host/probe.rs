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
    net::{IpAddr, SocketAddr},
    thread,
    time::Duration,
};

use super::{
    Probe,
    bind::{is_missing_address, on_any_address, unbound},
    ranges,
};
use crate::{
    error::{Error, Result},
    model::Protocol,
};

/// One dual-stack wildcard address conflicts with every address there is.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NARROWER: [IpAddr; 0] = [];

/// Elsewhere a wildcard may be bound over a socket on one address, so that the usual addresses are
/// tried by themselves (from the manuals of Windows and the BSDs; not measured).
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NARROWER: [IpAddr; 3] = [
    IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
];

/// Microseconds to wait for another probe to end. It lasts a few; but where all cores are busy it may
/// be interrupted in the middle, for a few thousand.
const PAUSES: [u64; 7] = [0, 10, 50, 200, 400, 800, 1600];

pub(super) fn probe(port: u16) -> Result<Probe> {
    if port == 0 {
        return Err(Error::PortInvalid(0));
    }
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        match bind_anywhere(protocol, port) {
            Ok(()) => {}
            Err(error) => return refusal(port, protocol, &error),
        }
    }
    Ok(Probe::Free)
}

fn refusal(port: u16, protocol: Protocol, error: &io::Error) -> Result<Probe> {
    match error.kind() {
        io::ErrorKind::AddrInUse => Ok(Probe::Taken),
        io::ErrorKind::PermissionDenied if port < ranges::first_unprivileged() => {
            Ok(Probe::Privileged)
        }
        io::ErrorKind::PermissionDenied => Ok(Probe::Excluded),
        _ => Err(Error::ScanFailed(format!(
            "{protocol} port {port} could not be probed: {error}"
        ))),
    }
}

fn bind_anywhere(protocol: Protocol, port: u16) -> io::Result<()> {
    on_any_address(|address| bind(protocol, address, port))?;
    for address in NARROWER {
        match bind(protocol, address, port) {
            Err(error) if is_missing_address(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

fn bind(protocol: Protocol, address: IpAddr, port: u16) -> io::Result<()> {
    let socket = unbound(protocol, address)?;
    let address = SocketAddr::new(address, port).into();
    match protocol {
        Protocol::Tcp => socket.bind(&address),
        Protocol::Udp => {
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::refusal;
    use crate::{host::Probe, model::Protocol};

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
            let answer = refusal(port, Protocol::Udp, &kind.into());
            match expected {
                Some(expected) => assert_eq!(answer.unwrap(), expected, "{port} {kind}"),
                None => assert_eq!(
                    answer.unwrap_err().to_string(),
                    format!(
                        "the ports of this machine could not be read: \
                         udp port {port} could not be probed: {kind}"
                    )
                ),
            }
        }
    }
}
