//! The kernel's table of sockets, through netstat2.

use std::{
    error::Error as _,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use netstat2::{
    AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, SocketInfo, TcpSocketInfo, TcpState,
    UdpSocketInfo, error::Error as TableError,
};

use super::{Wanted, sockets::Entry};
use crate::{
    error::{Error, Result},
    model::{Owner, Protocol, Socket, SocketState},
};

/// Reads the wanted entries from one of netstat2's iterators.
///
/// One entry that cannot be read makes the whole answer an error: a list that is silently short would
/// show a port as unused. netstat2 panics where it meets something it did not expect, such as a
/// missing `/proc`; that becomes an error too.
pub(super) fn read<I>(
    wanted: Wanted,
    source: impl FnOnce(AddressFamilyFlags, ProtocolFlags) -> Result<I, TableError>,
) -> Result<Vec<Entry>>
where
    I: Iterator<Item = Result<SocketInfo, TableError>>,
{
    let pass = || {
        source(AddressFamilyFlags::all(), ProtocolFlags::all())?
            .filter_map(|info| match info {
                Ok(info) => entry(info, wanted).map(Ok),
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<Vec<Entry>, TableError>>()
    };
    match catch_unwind(AssertUnwindSafe(pass)) {
        Ok(Ok(entries)) => Ok(entries),
        Ok(Err(error)) => Err(Error::ScanFailed(match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })),
        Err(_) => Err(Error::ScanFailed(
            "the table of sockets is not readable".to_owned(),
        )),
    }
}

fn entry(info: SocketInfo, wanted: Wanted) -> Option<Entry> {
    let (protocol, state, remote) = match &info.protocol_socket_info {
        ProtocolSocketInfo::Tcp(tcp) => {
            let state = tcp_state(tcp.state)?;
            (Protocol::Tcp, state, remote(tcp, state))
        }
        // Whether it is connected, netstat2 does not tell.
        ProtocolSocketInfo::Udp(UdpSocketInfo { .. }) => (Protocol::Udp, SocketState::Bound, None),
    };
    let port = info.local_port();
    let is_wanted = match wanted {
        Wanted::Listeners => matches!(state, SocketState::Listen | SocketState::Bound),
        Wanted::Server(wanted) => {
            port == wanted && matches!(state, SocketState::Listen | SocketState::Bound)
        }
        Wanted::Port(wanted) => port == wanted,
        // No platform but Linux lists them.
        Wanted::Bound(_) => false,
    };
    if !is_wanted || port == 0 {
        return None;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let (inode, uid) = (u64::from(info.inode), (info.inode != 0).then_some(info.uid));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let (inode, uid) = (0, None);
    Some(Entry {
        socket: Socket {
            port,
            protocol,
            address: info.local_addr().to_canonical(),
            state,
            remote,
            owner: Owner::Denied,
            processes: Vec::new(),
            uid,
            inode,
        },
        pids: info.associated_pids,
        verdict: None,
    })
}

/// `None` for a socket that has no port any more.
fn tcp_state(state: TcpState) -> Option<SocketState> {
    match state {
        TcpState::Closed => None,
        TcpState::Listen => Some(SocketState::Listen),
        TcpState::TimeWait => Some(SocketState::TimeWait),
        _ => Some(SocketState::Connected),
    }
}

fn remote(tcp: &TcpSocketInfo, state: SocketState) -> Option<SocketAddr> {
    (state != SocketState::Listen)
        .then(|| SocketAddr::new(tcp.remote_addr.to_canonical(), tcp.remote_port))
}

#[cfg(test)]
mod tests {
    use std::{io, net::Ipv4Addr};

    use netstat2::{ProtocolSocketInfo, SocketInfo, UdpSocketInfo, error::Error as TableError};

    use super::read;
    use crate::{error::ErrorKind, host::Wanted};

    fn udp(port: u16) -> SocketInfo {
        SocketInfo {
            protocol_socket_info: ProtocolSocketInfo::Udp(UdpSocketInfo {
                local_addr: Ipv4Addr::LOCALHOST.into(),
                local_port: port,
            }),
            associated_pids: Vec::new(),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            inode: 1,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            uid: 0,
        }
    }

    #[test]
    fn one_bad_entry_spoils_the_answer() {
        let refused = || TableError::OsError(io::Error::other("out of luck"));
        let entries = vec![Ok(udp(7)), Err(refused()), Ok(udp(8))];
        let error = read(Wanted::Listeners, |_, _| Ok(entries.into_iter())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ScanFailed);
        assert!(error.to_string().ends_with(": out of luck"), "{error}");

        let none = |_, _| Err::<std::vec::IntoIter<_>, _>(refused());
        assert_eq!(
            read(Wanted::Listeners, none).unwrap_err().kind(),
            ErrorKind::ScanFailed
        );
    }

    #[test]
    fn a_panic_is_an_error() {
        let entries = (0..2).map(|number| match number {
            0 => Ok(udp(7)),
            _ => panic!("this panic is part of a test"),
        });
        let error = read(Wanted::Listeners, |_, _| Ok(entries)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ScanFailed);
    }

    #[test]
    fn only_what_is_wanted_is_kept() {
        let ports = |wanted| {
            let entries = vec![Ok(udp(7)), Ok(udp(0)), Ok(udp(8)), Ok(udp(7))];
            let entries = read(wanted, |_, _| Ok(entries.into_iter())).unwrap();
            entries
                .iter()
                .map(|entry| entry.socket.port)
                .collect::<Vec<_>>()
        };
        assert_eq!(ports(Wanted::Listeners), [7, 8, 7]);
        assert_eq!(ports(Wanted::Port(7)), [7, 7]);
        assert!(ports(Wanted::Port(9)).is_empty());
    }
}
