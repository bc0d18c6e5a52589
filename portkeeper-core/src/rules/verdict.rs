//! From what the machine and the registry say of a port to one verdict.

use crate::model::{
    Probe, Process, ProcessIdentity, Reservation, Socket, SocketState, Status, Verdict,
};

/// What a port is.
///
/// `sockets` are those whose local port it is; they need not be read when the probe said free.
/// The most telling socket decides: a listener before a connection, a connection before the rest
/// of a closed one. A port that is taken without any of them is bound and does not listen: not every
/// platform lists such sockets.
pub(crate) fn verdict(row: Option<&Reservation>, probe: Probe, sockets: &[Socket]) -> Verdict {
    let claim = row.filter(|row| row.status != Status::Free);
    let project = claim.map(|claim| claim.project_name.clone());
    let some = |wanted: fn(&Socket) -> bool| -> Vec<Socket> {
        sockets.iter().filter(|s| wanted(s)).cloned().collect()
    };

    let listeners = some(Socket::is_listener);
    if !listeners.is_empty() {
        return Verdict::Listening { project, listeners };
    }
    match probe {
        Probe::Free => match claim {
            Some(claim) => Verdict::Reserved {
                project: claim.project_name.clone(),
                since: claim.reserved_at,
            },
            None => Verdict::Free,
        },
        Probe::Privileged => Verdict::Privileged { project },
        Probe::Excluded => Verdict::Excluded { project },
        Probe::Taken => {
            let connections = some(|socket| socket.state == SocketState::Connected);
            if !connections.is_empty() {
                Verdict::OutgoingConnection {
                    project,
                    connections,
                }
            } else if sockets.iter().any(|s| s.state == SocketState::TimeWait) {
                Verdict::TimeWait { project }
            } else {
                let sockets = some(|socket| socket.state == SocketState::Bound);
                Verdict::Bound { project, sockets }
            }
        }
    }
}

/// Whether what the verdict found may be the hold of `owner`, who says that it has one.
///
/// A number means the same process only in the pid namespace where it was given. Elsewhere the kernel's own
/// name for a process decides, the inode of its pidfd, which `pidfd` tells of a process of this `namespace`; and
/// a socket that no process here is known to have may be that owner's.
pub(crate) fn may_be_hold(
    verdict: &Verdict,
    owner: &ProcessIdentity,
    namespace: u64,
    pidfd: impl Fn(u32) -> u64,
) -> bool {
    let sockets = match verdict {
        // A hold is no obstacle to the probe,
        Verdict::Reserved { .. } | Verdict::TimeWait { .. } => return true,
        // unless it is exclusive. Not every kernel tells whose such a socket is.
        Verdict::Bound { sockets, .. } if sockets.is_empty() => return true,
        Verdict::Bound { sockets, .. } => sockets,
        _ => return false,
    };
    let is_near = owner.namespace == namespace || owner.namespace == 0 || namespace == 0;
    let is_owner = |process: &Process| {
        if is_near {
            process.pid == owner.pid
        } else {
            owner.pidfd != 0 && owner.pidfd == pidfd(process.pid)
        }
    };
    sockets.iter().any(|socket| {
        let is_nobodys = socket.processes.is_empty();
        is_nobodys && !is_near || socket.processes.iter().any(is_owner)
    })
}

/// What remains of a verdict when the sockets of the caller's own processes are left out; `None`
/// when nothing of it stands in the caller's way.
///
/// A socket counts as the caller's when one of its processes is. Privileges are the server's
/// affair, not the registry's: it may run with other rights than the caller does.
pub(crate) fn strangers(verdict: Verdict, is_own: impl Fn(u32) -> bool) -> Option<Verdict> {
    let foreign = |sockets: Vec<Socket>| -> Vec<Socket> {
        let own = |socket: &Socket| socket.processes.iter().any(|process| is_own(process.pid));
        sockets.into_iter().filter(|socket| !own(socket)).collect()
    };
    match verdict {
        Verdict::Free
        | Verdict::Reserved { .. }
        | Verdict::Held { .. }
        | Verdict::Privileged { .. } => None,
        Verdict::Listening { project, listeners } => {
            let listeners = foreign(listeners);
            (!listeners.is_empty()).then_some(Verdict::Listening { project, listeners })
        }
        Verdict::OutgoingConnection {
            project,
            connections,
        } => {
            let connections = foreign(connections);
            (!connections.is_empty()).then_some(Verdict::OutgoingConnection {
                project,
                connections,
            })
        }
        // Without a list nobody knows whose it is, and the caller's it may not be.
        Verdict::Bound { project, sockets } if !sockets.is_empty() => {
            let sockets = foreign(sockets);
            (!sockets.is_empty()).then_some(Verdict::Bound { project, sockets })
        }
        verdict @ (Verdict::Bound { .. } | Verdict::TimeWait { .. } | Verdict::Excluded { .. }) => {
            Some(verdict)
        }
    }
}
