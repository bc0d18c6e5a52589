//! Sockets with their owners, in their order.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
};

use super::owners::classify;
use crate::model::{Owner, Process, Socket, SocketState};

/// A socket whose owner is not filled in yet.
#[derive(Debug)]
pub(super) struct Entry {
    pub socket: Socket,
    /// The owners, as far as they are found.
    pub pids: Vec<u32>,
    /// What is known where none was found; decided by [`classify`] where nothing is.
    pub verdict: Option<Owner>,
}

/// Fills in the owners and sorts by port, protocol, address and inode.
///
/// `names` is asked once, for every process that appears.
pub(super) fn finish(
    entries: Vec<Entry>,
    everything_was_seen: bool,
    names: impl FnOnce(&BTreeSet<u32>) -> HashMap<u32, String>,
) -> Vec<Socket> {
    let pids: BTreeSet<u32> = entries
        .iter()
        .flat_map(|entry| &entry.pids)
        .copied()
        .collect();
    let names = names(&pids);
    let mut sockets: Vec<Socket> = entries
        .into_iter()
        .map(|entry| with_owner(entry, everything_was_seen, &names))
        .collect();
    sockets.sort_by(order);
    // The kernel hands the table over in pieces; what moves meanwhile may come twice.
    sockets.dedup();
    sockets
}

fn with_owner(entry: Entry, everything_was_seen: bool, names: &HashMap<u32, String>) -> Socket {
    let Entry {
        mut socket,
        mut pids,
        verdict,
    } = entry;
    pids.sort_unstable();
    pids.dedup();
    let may_be_owned = if cfg!(any(target_os = "linux", target_os = "android")) {
        socket.inode != 0
    } else {
        socket.state != SocketState::TimeWait
    };
    socket.owner = match verdict {
        Some(owner) if pids.is_empty() => owner,
        _ => classify(may_be_owned, pids.len(), everything_was_seen),
    };
    socket.processes = pids
        .into_iter()
        .map(|pid| Process {
            pid,
            name: names.get(&pid).cloned().unwrap_or_default(),
        })
        .collect();
    socket
}

fn order(a: &Socket, b: &Socket) -> Ordering {
    let rest = |socket: &Socket| (socket.protocol, socket.address, socket.inode, socket.remote);
    a.port.cmp(&b.port).then_with(|| rest(a).cmp(&rest(b)))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::{Entry, finish};
    use crate::model::{Owner, Protocol, Socket, SocketState};

    fn entry(port: u16, protocol: Protocol, address: IpAddr, inode: u64, pids: &[u32]) -> Entry {
        Entry {
            socket: Socket {
                port,
                protocol,
                address,
                state: SocketState::Listen,
                remote: None,
                owner: Owner::Denied,
                processes: Vec::new(),
                uid: None,
                inode,
            },
            pids: pids.to_vec(),
            verdict: None,
        }
    }

    #[test]
    fn sockets_come_in_order_with_every_owner_once() {
        let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let entries = vec![
            entry(80, Protocol::Udp, v4, 5, &[]),
            entry(80, Protocol::Tcp, v6, 4, &[9, 3, 9]),
            entry(80, Protocol::Tcp, v4, 3, &[3]),
            entry(80, Protocol::Tcp, v4, 2, &[4]),
            entry(80, Protocol::Tcp, v4, 2, &[4]),
            entry(70, Protocol::Udp, v6, 9, &[]),
        ];
        let sockets = finish(entries, true, |pids| {
            assert_eq!(pids.iter().copied().collect::<Vec<_>>(), [3, 4, 9]);
            [(3, "three".to_owned()), (9, "nine".to_owned())].into()
        });
        let seen: Vec<_> = sockets
            .iter()
            .map(|socket| {
                let names: Vec<String> = socket.processes.iter().map(ToString::to_string).collect();
                (socket.port, socket.inode, socket.owner, names.join(" "))
            })
            .collect();
        assert_eq!(
            seen,
            [
                (70, 9, Owner::OtherNamespace, String::new()),
                (80, 2, Owner::Known, "pid 4".to_owned()),
                (80, 3, Owner::Known, "three (pid 3)".to_owned()),
                (80, 4, Owner::Known, "three (pid 3) nine (pid 9)".to_owned()),
                (80, 5, Owner::OtherNamespace, String::new()),
            ]
        );
    }
}
