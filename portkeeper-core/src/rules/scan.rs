//! What a look at the machine changes in the registry.

use std::collections::HashMap;

use crate::model::{Process, Protocol, Reservation, Socket, Status};

/// What a claim becomes.
#[derive(Debug)]
pub(crate) struct Transition<'a> {
    pub(crate) claim: &'a Reservation,
    pub(crate) to: Status,
    pub(crate) process: Option<Process>,
}

/// The transitions of all claims whose state the listeners contradict, in the order of `claims`.
///
/// A claim whose process changed stays in use and is still a transition: who used the port when is
/// what the history is for. A claim whose process is not known any more keeps the one it has, as
/// long as something listens: not being allowed to look is no news.
pub(crate) fn scan_changes<'a>(
    claims: &'a [Reservation],
    listeners: &[Socket],
) -> Vec<Transition<'a>> {
    let mut by_port: HashMap<u16, Vec<&Socket>> = HashMap::new();
    for socket in listeners.iter().filter(|socket| socket.is_listener()) {
        by_port.entry(socket.port).or_default().push(socket);
    }
    claims
        .iter()
        .filter_map(|claim| transition(claim, by_port.get(&claim.number).map(Vec::as_slice)))
        .collect()
}

fn transition<'a>(claim: &'a Reservation, sockets: Option<&[&Socket]>) -> Option<Transition<'a>> {
    let to = |to, process| Some(Transition { claim, to, process });
    match (claim.status, sockets) {
        (Status::Free, _) | (Status::Reserved, None) => None,
        (Status::InUse, None) => to(Status::Reserved, None),
        (Status::Reserved, Some(sockets)) => to(Status::InUse, main_process(sockets)),
        (Status::InUse, Some(sockets)) => {
            let mut processes = sockets.iter().flat_map(|socket| &socket.processes);
            let same = processes.any(|process| {
                Some(process.pid) == claim.pid
                    && Some(process.name.as_str()) == claim.process_name.as_deref()
            });
            match main_process(sockets) {
                Some(process) if !same => to(Status::InUse, Some(process)),
                _ => None,
            }
        }
    }
}

/// The process that a person would call the server: the first one of a TCP listener, else of a UDP
/// socket.
pub(crate) fn main_process(sockets: &[&Socket]) -> Option<Process> {
    let of = |protocol| {
        let mut wanted = sockets.iter().filter(move |s| s.protocol == protocol);
        wanted.find_map(|socket| socket.processes.first())
    };
    of(Protocol::Tcp).or_else(|| of(Protocol::Udp)).cloned()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use chrono::DateTime;

    use super::{Transition, scan_changes};
    use crate::model::{Owner, Process, Protocol, Reservation, Socket, SocketState, Status};

    fn claim(status: Status, process: Option<(u32, &str)>) -> Reservation {
        Reservation {
            number: 3000,
            project_name: "shop".to_owned(),
            description: None,
            status,
            pid: process.map(|(pid, _)| pid),
            process_name: process.map(|(_, name)| name.to_owned()),
            reserved_at: DateTime::UNIX_EPOCH,
            last_seen_at: None,
            updated_at: DateTime::UNIX_EPOCH,
            auto_release: false,
            tags: Vec::new(),
            metadata: serde_json::Map::new(),
            lease: None,
        }
    }

    fn socket(port: u16, protocol: Protocol, processes: &[(u32, &str)]) -> Socket {
        Socket {
            port,
            protocol,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            state: match protocol {
                Protocol::Tcp => SocketState::Listen,
                Protocol::Udp => SocketState::Bound,
            },
            remote: None,
            owner: if processes.is_empty() {
                Owner::Denied
            } else {
                Owner::Known
            },
            processes: processes
                .iter()
                .map(|(pid, name)| Process {
                    pid: *pid,
                    name: (*name).to_owned(),
                })
                .collect(),
            uid: None,
            inode: 1,
        }
    }

    /// `None` for no transition, else the status and the pid after it.
    fn check(
        status: Status,
        process: Option<(u32, &str)>,
        listeners: &[Socket],
        expected: Option<(Status, Option<u32>)>,
    ) {
        let claims = [claim(status, process)];
        let changes = scan_changes(&claims, listeners);
        let found = changes.first().map(|Transition { to, process, .. }| {
            (*to, process.as_ref().map(|process| process.pid))
        });
        assert_eq!(found, expected, "{status} {process:?} {listeners:?}");
    }

    #[test]
    fn a_claim_follows_its_listeners() {
        use Protocol::{Tcp, Udp};
        use Status::{Free, InUse, Reserved};
        let node = (7, "node");

        check(Reserved, None, &[], None);
        check(Reserved, None, &[socket(3001, Tcp, &[node])], None);
        check(
            Reserved,
            None,
            &[socket(3000, Tcp, &[node])],
            Some((InUse, Some(7))),
        );
        check(
            Reserved,
            None,
            &[socket(3000, Tcp, &[])],
            Some((InUse, None)),
        );
        check(
            Reserved,
            None,
            &[socket(3000, Udp, &[node])],
            Some((InUse, Some(7))),
        );
        let both = [socket(3000, Udp, &[(9, "dns")]), socket(3000, Tcp, &[node])];
        check(Reserved, None, &both, Some((InUse, Some(7))));

        check(InUse, Some(node), &[], Some((Reserved, None)));
        check(InUse, Some(node), &[socket(3000, Tcp, &[node])], None);
        check(
            InUse,
            Some(node),
            &[socket(3000, Tcp, &[(5, "sh"), node])],
            None,
        );
        check(
            InUse,
            Some(node),
            &[socket(3000, Tcp, &[(8, "node")])],
            Some((InUse, Some(8))),
        );
        check(
            InUse,
            Some(node),
            &[socket(3000, Tcp, &[(7, "ruby")])],
            Some((InUse, Some(7))),
        );
        check(InUse, Some(node), &[socket(3000, Tcp, &[])], None);
        check(
            InUse,
            None,
            &[socket(3000, Tcp, &[node])],
            Some((InUse, Some(7))),
        );

        check(Free, None, &[socket(3000, Tcp, &[node])], None);
    }
}
