//! Questions and answers of `sock_diag` in bytes, after `linux/netlink.h` and `linux/inet_diag.h`.

use std::{
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::io::Errno;

use crate::{
    host::Wanted,
    model::{Owner, Protocol, Socket, SocketState},
};

const HEADER: usize = 16;
const QUESTION: usize = HEADER + 56;
const ANSWER: usize = 72;

/// `SOCK_DIAG_BY_FAMILY`, `NLMSG_ERROR` and `NLMSG_DONE`.
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// The kernel's numbers of TCP states, `net/tcp_states.h`; a state mask has one bit for each. An
/// unconnected UDP socket is `CLOSE`, a connected one `ESTABLISHED`.
const ESTABLISHED: u8 = 1;
const TIME_WAIT: u8 = 6;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;
/// Bound, neither listening nor connected. Linux 6.8 and later; older kernels list nothing for it.
const BOUND_INACTIVE: u8 = 13;
const EVERY_CONNECTION: u32 = 0b1_1111_0111_1110;

/// One question: the sockets of a family and protocol that are in one of some states.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    family: u8,
    pub protocol: Protocol,
    states: u32,
    /// The local port; 0 for any. The kernel passes over it where it lists `BOUND_INACTIVE`, so that
    /// the answer must be looked through.
    port: u16,
}

/// The questions that answer what is wanted.
pub(super) fn requests(wanted: Wanted) -> impl Iterator<Item = Request> {
    let udp = (1 << CLOSE, 1 << ESTABLISHED);
    let (tcp, udp, port) = match wanted {
        Wanted::Listeners => (1 << LISTEN, udp.0, 0),
        Wanted::Port(port) => (EVERY_CONNECTION, udp.0 | udp.1, port),
        Wanted::Bound(port) => (1 << BOUND_INACTIVE, 0, port),
    };
    // 0 would ask for every port.
    let is_none = matches!(wanted, Wanted::Port(0) | Wanted::Bound(0));
    [(Protocol::Tcp, tcp), (Protocol::Udp, udp)]
        .into_iter()
        .filter(move |(_, states)| !is_none && *states != 0)
        .flat_map(move |(protocol, states)| {
            [AF_INET, AF_INET6].map(|family| Request {
                family,
                protocol,
                states,
                port,
            })
        })
}

impl Request {
    /// Whether a socket is one that was asked for.
    pub fn covers(self, socket: &Socket) -> bool {
        socket.port != 0 && (self.port == 0 || self.port == socket.port)
    }

    /// The message; every field that is not set means "any".
    pub fn encode(self) -> Vec<u8> {
        let protocol: u8 = match self.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        };
        let mut bytes = Vec::with_capacity(QUESTION);
        bytes.extend(72_u32.to_ne_bytes());
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend(DUMP.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([self.family, protocol, 0, 0]);
        bytes.extend(self.states.to_ne_bytes());
        bytes.extend(self.port.to_be_bytes());
        bytes.extend(iter::repeat_n(0, QUESTION - bytes.len()));
        bytes
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
    let length = usize::try_from(u32::from_ne_bytes(array(bytes, 0)?)).ok()?;
    let kind = u16::from_ne_bytes(array(bytes, 4)?);
    let body = bytes.get(HEADER..length)?;
    let message = match kind {
        BY_FAMILY => socket(body, protocol)?,
        // A list that ended well has the code 0, or none.
        DONE | ERROR => match array(body, 0).map(i32::from_ne_bytes) {
            Some(code) if code < 0 => Message::Refused(Errno::from_raw_os_error(-code)),
            _ => Message::Done,
        },
        _ => Message::Other,
    };
    let next = length.next_multiple_of(4).min(bytes.len());
    Some((message, &bytes[next..]))
}

fn socket(body: &[u8], protocol: Protocol) -> Option<Message> {
    let body: &[u8; ANSWER] = body.first_chunk()?;
    let state = state(protocol, body[1]);
    let port = u16::from_be_bytes(array(body, 4)?);
    let remote_port = u16::from_be_bytes(array(body, 6)?);
    let inode = u32::from_ne_bytes(array(body, 68)?);
    let remote = address(body[0], array(body, 24)?)?;
    let is_connection = matches!(state, SocketState::Connected | SocketState::TimeWait);
    Some(Message::Socket(Socket {
        port,
        protocol,
        address: address(body[0], array(body, 8)?)?,
        state,
        remote: is_connection.then_some(SocketAddr::new(remote, remote_port)),
        owner: Owner::Denied,
        processes: Vec::new(),
        // The kernel does not remember whose a socket was that has no inode any more.
        uid: (inode != 0).then_some(u32::from_ne_bytes(array(body, 64)?)),
        inode: u64::from(inode),
    }))
}

/// A TCP socket that is asked for as `BOUND_INACTIVE` is answered as `CLOSE`.
fn state(protocol: Protocol, state: u8) -> SocketState {
    match (protocol, state) {
        (_, CLOSE | BOUND_INACTIVE) => SocketState::Bound,
        (Protocol::Tcp, LISTEN) => SocketState::Listen,
        (Protocol::Tcp, TIME_WAIT) => SocketState::TimeWait,
        _ => SocketState::Connected,
    }
}

fn address(family: u8, bytes: [u8; 16]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::from(array::<4>(&bytes, 0)?).into()),
        AF_INET6 => Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()),
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::{DONE, ERROR, Message, decode, requests};
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
        for (wanted, count) in [
            (Wanted::Listeners, 4),
            (Wanted::Port(80), 4),
            (Wanted::Bound(80), 2),
            (Wanted::Port(0), 0),
            (Wanted::Bound(0), 0),
        ] {
            let questions: Vec<_> = requests(wanted).map(super::Request::encode).collect();
            assert_eq!(questions.len(), count, "{wanted:?}");
            assert!(questions.iter().all(|question| question.len() == 72));
        }
    }
}
