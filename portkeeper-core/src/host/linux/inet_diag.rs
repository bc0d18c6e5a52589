//! Questions and answers of `sock_diag`, see `sock_diag(7)`: the layout is that of the netlink crates, and
//! this is what is asked and how it is understood.
//!
//! A question costs the kernel a walk over its table of sockets, whatever it asks for: 10 µs on a machine that
//! does nothing else. The question of the manual is for one family. TCP has an older one, which the kernel
//! keeps and the crates do not know, for both in one walk.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use netlink_packet_core::{
    DoneBuffer, ErrorBuffer, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_sock_diag::{
    SOCK_DIAG_BY_FAMILY, SockDiagMessage,
    constants::{
        AF_INET, AF_INET6, IPPROTO_UDP, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_TIME_WAIT,
    },
    inet::{
        ExtensionFlags, InetRequest, InetResponseBuffer, SOCKET_ID_LEN, SocketId, SocketIdBuffer,
        StateFlags,
    },
};
use rustix::io::Errno;

use crate::{
    host::Wanted,
    model::{Owner, Protocol, Socket, SocketState},
};

/// Bound, neither listening nor connected. Linux 6.8 and later; older kernels list nothing for it.
const BOUND_INACTIVE: u8 = 13;
/// Every state with a peer, or that had one.
const EVERY_CONNECTION: u32 = 0b1_1111_0111_1110;

/// The type of [`EveryTcp`] and of its answers: `TCPDIAG_GETSOCK` in `linux/inet_diag.h`.
const EVERY_TCP: u16 = 18;

/// One question: the sockets of a protocol that are in one of some states.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub protocol: Protocol,
    /// `None` for both.
    family: Option<u8>,
    /// A bit for each state. An unconnected UDP socket is `CLOSE`, a connected one `ESTABLISHED`.
    states: u32,
    /// The local port; 0 for any. The kernel passes over it where it lists `BOUND_INACTIVE`, so that
    /// the answer must be looked through.
    port: u16,
}

/// The questions that answer what is wanted.
pub(super) fn requests(wanted: Wanted) -> impl Iterator<Item = Request> {
    let udp = (1 << TCP_CLOSE, 1 << TCP_ESTABLISHED);
    let (tcp, udp, port) = match wanted {
        Wanted::Listeners => (1 << TCP_LISTEN, udp.0, 0),
        Wanted::Server(port) => (1 << TCP_LISTEN, udp.0, port),
        Wanted::Port(port) => (EVERY_CONNECTION, udp.0 | udp.1, port),
        Wanted::Bound(port) => (1 << BOUND_INACTIVE, 0, port),
    };
    // 0 would ask for every port.
    let is_none = port == 0 && wanted != Wanted::Listeners;
    [
        (Protocol::Tcp, None, tcp),
        (Protocol::Udp, Some(AF_INET), udp),
        (Protocol::Udp, Some(AF_INET6), udp),
    ]
    .into_iter()
    .filter(move |(_, _, states)| !is_none && *states != 0)
    .map(move |(protocol, family, states)| Request {
        protocol,
        family,
        states,
        port,
    })
}

impl Request {
    /// Whether a socket is one that was asked for.
    pub fn covers(self, socket: &Socket) -> bool {
        socket.port != 0 && (self.port == 0 || self.port == socket.port)
    }

    /// The message; every field that is not set means "any".
    pub fn encode(self) -> Vec<u8> {
        match self.family {
            None => message(EveryTcp {
                states: self.states,
                port: self.port,
            }),
            Some(family) => message(SockDiagMessage::InetRequest(InetRequest {
                family,
                protocol: IPPROTO_UDP,
                extensions: ExtensionFlags::empty(),
                states: StateFlags::from_bits_truncate(self.states),
                socket_id: SocketId {
                    source_port: self.port,
                    ..match family {
                        AF_INET => SocketId::new_v4(),
                        _ => SocketId::new_v6(),
                    }
                },
            })),
        }
    }
}

fn message<T: NetlinkSerializable>(question: T) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// The TCP sockets of both families: `struct inet_diag_req` in `linux/inet_diag.h`.
struct EveryTcp {
    states: u32,
    port: u16,
}

impl EveryTcp {
    /// The family, the lengths of two addresses and the extensions, a byte each. The kernel does not read the
    /// first three.
    const ID: usize = 4;
    const STATES: usize = Self::ID + SOCKET_ID_LEN;
    /// After the states there is a word that nothing reads.
    const LENGTH: usize = Self::STATES + 8;
}

impl NetlinkSerializable for EveryTcp {
    fn message_type(&self) -> u16 {
        EVERY_TCP
    }

    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
        let mut id = SocketIdBuffer::new(&mut buffer[Self::ID..Self::STATES]);
        id.source_port_mut()
            .copy_from_slice(&self.port.to_be_bytes());
        buffer[Self::STATES..Self::STATES + 4].copy_from_slice(&self.states.to_ne_bytes());
    }
}

/// One message of the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A socket; its owner is not filled in.
    Socket(Socket),
    /// The end of the list.
    Done,
    /// The kernel's refusal, or the failure that ended the list early.
    Refused(Errno),
    /// Nothing of interest.
    Other,
}

/// Reads the first message and returns what follows it; `None` when the bytes are not messages.
pub(super) fn decode(bytes: &[u8], protocol: Protocol) -> Option<(Message, &[u8])> {
    let packet = NetlinkBuffer::new_checked(bytes).ok()?;
    let body = packet.payload();
    let message = match packet.message_type() {
        SOCK_DIAG_BY_FAMILY | EVERY_TCP => Message::Socket(socket(body, protocol)?),
        // A list that ended well has the code 0, or none.
        NLMSG_DONE => ended(DoneBuffer::new_checked(body).map_or(0, |done| done.code())),
        NLMSG_ERROR => ended(ErrorBuffer::new_checked(body).ok()?.code()?.get()),
        // The kernel could not say everything.
        NLMSG_OVERRUN => Message::Refused(Errno::NOBUFS),
        _ => Message::Other,
    };
    let length = usize::try_from(packet.length()).ok()?;
    let next = length.next_multiple_of(4).min(bytes.len());
    Some((message, &bytes[next..]))
}

fn ended(code: i32) -> Message {
    match code {
        ..0 => Message::Refused(Errno::from_raw_os_error(-code)),
        _ => Message::Done,
    }
}

fn socket(body: &[u8], protocol: Protocol) -> Option<Socket> {
    let answer = InetResponseBuffer::new_checked(body).ok()?;
    let id = SocketIdBuffer::new_checked(answer.socket_id()).ok()?;
    let state = state(protocol, answer.state());
    let is_connection = matches!(state, SocketState::Connected | SocketState::TimeWait);
    let remote = SocketAddr::new(
        address(answer.family(), id.destination_address())?,
        port(id.destination_port())?,
    );
    let inode = answer.inode();
    Some(Socket {
        port: port(id.source_port())?,
        protocol,
        address: address(answer.family(), id.source_address())?,
        state,
        remote: is_connection.then_some(remote),
        owner: Owner::Denied,
        processes: Vec::new(),
        // The kernel does not remember whose a socket was that has no inode any more.
        uid: (inode != 0).then_some(answer.uid()),
        inode: u64::from(inode),
    })
}

/// A TCP socket that is asked for as `BOUND_INACTIVE` is answered as `CLOSE`.
fn state(protocol: Protocol, state: u8) -> SocketState {
    match (protocol, state) {
        (_, TCP_CLOSE | BOUND_INACTIVE) => SocketState::Bound,
        (Protocol::Tcp, TCP_LISTEN) => SocketState::Listen,
        (Protocol::Tcp, TCP_TIME_WAIT) => SocketState::TimeWait,
        _ => SocketState::Connected,
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().copied().map(u16::from_be_bytes)
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        AF_INET6 => Some(IpAddr::from(Ipv6Addr::from(*bytes.first_chunk::<16>()?)).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use netlink_packet_core::{NLMSG_DONE as DONE, NLMSG_ERROR as ERROR};

    use super::{Message, decode, requests};
    use crate::{host::Wanted, model::Protocol};

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(16 + body.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_refusal_is_told_from_the_end() {
        let refusal = |errno: Errno| (-errno.raw_os_error()).to_ne_bytes().to_vec();
        for (kind, body, expected) in [
            (DONE, vec![], Message::Done),
            (DONE, vec![0; 4], Message::Done),
            (DONE, refusal(Errno::NOMEM), Message::Refused(Errno::NOMEM)),
            (ERROR, refusal(Errno::NOENT), Message::Refused(Errno::NOENT)),
            (1, vec![], Message::Other),
        ] {
            let bytes = message(kind, &body);
            let (decoded, rest) = decode(&bytes, Protocol::Udp).unwrap();
            assert_eq!((decoded, rest), (expected, &[][..]), "{kind} {body:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        let short = message(20, &[2; 71]);
        let long = {
            let mut bytes = message(DONE, &[]);
            bytes[0] = 200;
            bytes
        };
        let endless = vec![0; 16];
        for bytes in [&short[..], &long, &endless, &short[..10], &[]] {
            assert_eq!(decode(bytes, Protocol::Tcp), None, "{bytes:?}");
        }
    }

    #[test]
    fn no_port_is_no_question() {
        for (wanted, lengths) in [
            (Wanted::Listeners, &[76, 72, 72][..]),
            (Wanted::Server(80), &[76, 72, 72]),
            (Wanted::Port(80), &[76, 72, 72]),
            (Wanted::Bound(80), &[76]),
            (Wanted::Server(0), &[]),
            (Wanted::Port(0), &[]),
            (Wanted::Bound(0), &[]),
        ] {
            let questions = requests(wanted).map(super::Request::encode);
            let found: Vec<_> = questions.map(|question| question.len()).collect();
            assert_eq!(found, lengths, "{wanted:?}");
        }
    }
}
