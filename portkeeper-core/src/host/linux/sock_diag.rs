//! The kernel's table of sockets, asked over netlink, see `sock_diag(7)`.
//!
//! netstat2 asks the same question, but it reads every connection to find the listeners and takes a
//! refusal of the kernel (a missing `udp_diag` module, say) for the end of the list, so that every
//! port looks unused. Here the kernel is asked for the wanted states and port only, and a refusal is
//! an error. netstat2 is the oracle in the tests.

use std::os::fd::OwnedFd;

use rustix::{
    io::{self, Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with,
    },
};

use super::inet_diag::{self, Message, Request};
use crate::{
    error::{Error, Result},
    host::{Wanted, sockets::Entry},
};

/// The kernel never sends more in one piece.
const PIECE: usize = 32 * 1024;

/// Reads the wanted entries.
pub(super) fn read(wanted: Wanted) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut socket = None;
    for request in inet_diag::requests(wanted) {
        dump(&mut socket, request, &mut entries).map_err(|error| {
            Error::ScanFailed(format!(
                "the kernel did not list the {} sockets: {error}",
                request.protocol.as_str()
            ))
        })?;
    }
    Ok(entries)
}

/// Asks over `socket`, which is opened where there is none yet. Every answer is read to its end, so that it
/// serves the next question, too.
fn dump(
    socket: &mut Option<OwnedFd>,
    request: Request,
    entries: &mut Vec<Entry>,
) -> io::Result<()> {
    let socket = match socket {
        Some(socket) => &*socket,
        None => socket.insert(socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?),
    };
    let question = request.encode();
    retry_on_intr(|| send(socket, &question, SendFlags::empty()))?;
    let mut buffer = vec![0; PIECE];
    loop {
        let (_, length) = retry_on_intr(|| recv(socket, &mut buffer[..], RecvFlags::TRUNC))?;
        let mut rest = buffer.get(..length).ok_or(Errno::MSGSIZE)?;
        while !rest.is_empty() {
            let (message, next) = inet_diag::decode(rest, request.protocol).ok_or(Errno::BADMSG)?;
            match message {
                Message::Socket(socket) if request.covers(&socket) => entries.push(Entry {
                    socket,
                    pids: Vec::new(),
                    verdict: None,
                }),
                Message::Socket(_) | Message::Other => {}
                Message::Done => return Ok(()),
                Message::Refused(errno) => return Err(errno),
            }
            rest = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket},
        os::unix::net::UnixDatagram,
    };

    use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP};
    use rustix::io::Errno;

    use super::{
        super::{inet_diag, proc_net},
        PIECE, dump, read,
    };
    use crate::{
        host::{Wanted, table},
        model::{Socket, SocketState},
    };

    fn facts(socket: &Socket) -> impl Ord + std::fmt::Debug + use<> {
        (
            socket.protocol,
            socket.address,
            socket.inode,
            socket.uid,
            socket.state.as_str(),
            socket.remote,
        )
    }

    #[test]
    fn netstat2_and_the_text_show_the_same_sockets() {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let both = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let udp4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let udp6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let client4 = TcpStream::connect(v4.local_addr().unwrap()).unwrap();
        let client6 = TcpStream::connect(v6.local_addr().unwrap()).unwrap();
        let mapped =
            TcpStream::connect((Ipv4Addr::LOCALHOST, both.local_addr().unwrap().port())).unwrap();
        let addresses = [
            v4.local_addr(),
            v6.local_addr(),
            both.local_addr(),
            udp4.local_addr(),
            udp6.local_addr(),
            client4.local_addr(),
            client6.local_addr(),
            mapped.local_addr(),
        ];
        let ports = addresses.map(|address| address.unwrap().port());
        for port in ports {
            let wanted = Wanted::Port(port);
            // A port of a connection may be one of strangers' connections, too, and who reads the table in many
            // pieces is told of some sockets more than once.
            let list = |entries: Vec<crate::host::sockets::Entry>| {
                let sockets = entries.iter().map(|entry| &entry.socket);
                let ours = sockets.filter(|socket| {
                    let other = socket.remote.map(|remote| remote.port());
                    other.is_none_or(|port| ports.contains(&port))
                });
                ours.map(facts).collect::<BTreeSet<_>>()
            };
            let ours = list(read(wanted).unwrap());
            let theirs = table::read(wanted, netstat2::iterate_sockets_info_without_pids).unwrap();
            assert!(!ours.is_empty());
            assert_eq!(ours, list(theirs));
            assert_eq!(ours, list(proc_net::read(wanted).unwrap()));
        }
    }

    #[test]
    fn a_udp_client_is_no_listener() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        let seen = read(Wanted::Port(port)).unwrap();
        assert!(seen.iter().any(|entry| {
            entry.socket.state == SocketState::Connected
                && entry.socket.remote == server.local_addr().ok()
        }));
        let listed = read(Wanted::Listeners).unwrap();
        assert!(listed.iter().all(|entry| entry.socket.port != port));
        assert!(
            listed
                .iter()
                .any(|entry| entry.socket.port == server.local_addr().unwrap().port())
        );
    }

    /// One message of the kernel.
    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    /// What is made of these pieces, where they are the kernel's answer.
    fn outcome(pieces: &[Vec<u8>]) -> Result<(), Errno> {
        let (kernel, ours) = UnixDatagram::pair().unwrap();
        for piece in pieces {
            kernel.send(piece).unwrap();
        }
        let question = inet_diag::requests(Wanted::Listeners).next().unwrap();
        dump(&mut Some(ours.into()), question, &mut Vec::new())
    }

    #[test]
    fn a_list_that_is_not_whole_is_refused() {
        let done = message(NLMSG_DONE, &0_i32.to_ne_bytes());
        let refusal = |kind, errno: Errno| message(kind, &(-errno.raw_os_error()).to_ne_bytes());
        let begin = message(NLMSG_NOOP, &[0; 64]);
        let nothing = vec![0; PIECE];
        for (pieces, expected) in [
            (vec![done.clone()], Ok(())),
            (
                vec![begin.clone(), [begin.clone(), done.clone()].concat()],
                Ok(()),
            ),
            // The end that is read is not that of the list: the rest of the piece is lost.
            (
                vec![[done.clone(), nothing].concat(), done.clone()],
                Err(Errno::MSGSIZE),
            ),
            (
                vec![begin.clone(), refusal(NLMSG_DONE, Errno::NOMEM)],
                Err(Errno::NOMEM),
            ),
            (
                vec![begin.clone(), refusal(NLMSG_ERROR, Errno::NOENT)],
                Err(Errno::NOENT),
            ),
            (vec![begin[..40].to_vec(), done], Err(Errno::BADMSG)),
        ] {
            let lengths: Vec<usize> = pieces.iter().map(Vec::len).collect();
            assert_eq!(outcome(&pieces), expected, "{lengths:?}");
        }
    }
}
