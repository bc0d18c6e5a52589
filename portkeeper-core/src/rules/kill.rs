//! Which processes may be ended to free a port, and what becomes of the claim.

use std::io;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{
    error::{Error, Result},
    model::{Details, KilledProcess, Owner, Process, Reservation, Socket, Status},
};

/// What is known of a process that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) pid: u32,
    /// It is the process that asks.
    pub(crate) is_self: bool,
    /// The process that asks descends from it.
    pub(crate) is_ancestor: bool,
    /// It is a part of the operating system's kernel.
    pub(crate) is_kernel: bool,
    /// It lives in the pid namespace of the process that asks; `None` where that cannot be told.
    pub(crate) same_namespace: Option<bool>,
}

/// Why a process must be left alone; `None` when it may be signalled.
pub(crate) fn spared(target: Target) -> Option<&'static str> {
    if target.pid <= 1 {
        Some("it is the first process, and the others end with it")
    } else if target.is_self {
        Some("it is the process that asks")
    } else if target.is_kernel {
        Some("it is a part of the kernel")
    } else if target.is_ancestor {
        Some("it is an ancestor of the process that asks")
    } else {
        match target.same_namespace {
            Some(true) => None,
            Some(false) => Some("it is in another pid namespace"),
            None => Some("its pid namespace cannot be told"),
        }
    }
}

/// Every process that listens on the port, each once.
///
/// Clients are none of them. A socket without an owner is about to vanish. One whose owner is not
/// known is an error, since it cannot be told who else would be hit, or what would be left.
pub(crate) fn listening_processes(port: u16, sockets: &[Socket]) -> Result<Vec<Process>> {
    let mut processes: Vec<Process> = Vec::new();
    for socket in sockets.iter().filter(|socket| socket.is_listener()) {
        match socket.owner {
            Owner::Known => {
                for process in &socket.processes {
                    if processes.iter().all(|known| known.pid != process.pid) {
                        processes.push(process.clone());
                    }
                }
            }
            Owner::Denied => {
                let whose = socket.uid.map_or_else(String::new, |uid| {
                    format!(", whose socket belongs to user {uid}")
                });
                return Err(Error::PermissionDenied {
                    what: format!("ending the process on port {port}{whose}"),
                    source: io::ErrorKind::PermissionDenied.into(),
                });
            }
            Owner::OtherNamespace => {
                return Err(Error::ProcessKill {
                    port,
                    process: None,
                    reason: "it is outside this pid namespace, where it has no pid".to_owned(),
                });
            }
            Owner::None => {}
        }
    }
    Ok(processes)
}

/// The row of a port whose listeners were ended: a claim goes on, unused, and a port that nobody has
/// claimed keeps its row, or gets one without a project, to which the history can refer.
pub(crate) fn after_kill(port: u16, row: Option<&Reservation>, now: DateTime<Utc>) -> Reservation {
    match row {
        Some(claim) if claim.status != Status::Free => Reservation {
            status: Status::Reserved,
            pid: None,
            process_name: None,
            updated_at: now,
            ..claim.clone()
        },
        Some(row) => row.clone(),
        None => Reservation {
            number: port,
            project_name: String::new(),
            description: None,
            status: Status::Free,
            pid: None,
            process_name: None,
            reserved_at: now,
            last_seen_at: None,
            updated_at: now,
            auto_release: false,
            tags: Vec::new(),
            metadata: serde_json::Map::new(),
            lease: None,
        },
    }
}

/// Whether the row belongs to a port that somebody has, or had, and not to one that is only in the
/// history because its listeners were ended.
pub(crate) fn was_claimed(row: &Reservation) -> bool {
    row.status != Status::Free || !row.project_name.is_empty()
}

/// What the history says of a killing; `failure` where something still listens.
pub(crate) fn kill_details(
    killed: &[KilledProcess],
    claimed: bool,
    failure: Option<&Error>,
) -> Details {
    let pids: Vec<u32> = killed.iter().map(|process| process.pid).collect();
    let names: Vec<&str> = killed.iter().map(|process| process.name.as_str()).collect();
    let mut details = Details::from_iter([
        ("reason".to_owned(), json!("killed")),
        ("pids".to_owned(), json!(pids)),
        ("processNames".to_owned(), json!(names)),
        (
            "forced".to_owned(),
            json!(killed.iter().any(|process| process.forced)),
        ),
    ]);
    if !claimed {
        details.insert("claimed".to_owned(), json!(false));
    }
    if let Some(failure) = failure {
        details.insert("failure".to_owned(), json!(failure.to_string()));
    }
    details
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Target, listening_processes, spared};
    use crate::{
        error::ErrorKind,
        model::{Owner, Process, Protocol, Socket, SocketState},
    };

    #[test]
    fn only_other_processes_of_this_namespace_are_ended() {
        let plain = Target {
            pid: 7,
            is_self: false,
            is_ancestor: false,
            is_kernel: false,
            same_namespace: Some(true),
        };
        #[rustfmt::skip]
        let cases = [
            (plain, None),
            (Target { pid: 2, ..plain }, None),
            (Target { pid: u32::MAX, ..plain }, None),
            (Target { pid: 0, ..plain }, Some("first process")),
            (Target { pid: 1, ..plain }, Some("first process")),
            (Target { pid: 1, is_ancestor: true, ..plain }, Some("first process")),
            (Target { is_self: true, ..plain }, Some("process that asks")),
            (Target { is_self: true, is_ancestor: true, ..plain }, Some("is the process that asks")),
            (Target { is_ancestor: true, ..plain }, Some("an ancestor of")),
            (Target { is_kernel: true, ..plain }, Some("the kernel")),
            (Target { same_namespace: Some(false), ..plain }, Some("another pid namespace")),
            (Target { same_namespace: None, ..plain }, Some("cannot be told")),
        ];
        for (target, reason) in cases {
            let found = spared(target);
            assert_eq!(found.is_some(), reason.is_some(), "{target:?}: {found:?}");
            assert!(
                found
                    .unwrap_or_default()
                    .contains(reason.unwrap_or_default()),
                "{target:?}: {found:?}"
            );
        }
    }

    fn socket(state: SocketState, owner: Owner, pids: &[u32]) -> Socket {
        Socket {
            port: 3000,
            protocol: Protocol::Tcp,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            state,
            remote: None,
            owner,
            processes: pids
                .iter()
                .map(|&pid| Process {
                    pid,
                    name: "node".to_owned(),
                })
                .collect(),
            uid: Some(33),
            inode: 1,
        }
    }

    fn udp(socket: Socket) -> Socket {
        Socket {
            protocol: Protocol::Udp,
            ..socket
        }
    }

    #[test]
    fn whoever_listens_is_found_and_no_client() {
        use Owner::{Denied, Known, None, OtherNamespace};
        use SocketState::{Bound, Connected, Listen, TimeWait};
        let pids = |sockets: &[Socket]| -> Result<Vec<u32>, ErrorKind> {
            match listening_processes(3000, sockets) {
                Ok(processes) => Ok(processes.iter().map(|process| process.pid).collect()),
                Err(error) => Err(error.kind()),
            }
        };
        assert_eq!(pids(&[]), Ok(vec![]));
        assert_eq!(
            pids(&[
                socket(Listen, Known, &[7, 8]),
                udp(socket(Bound, Known, &[8, 9])),
                socket(Bound, Known, &[11]),
                socket(Connected, Known, &[10]),
                socket(TimeWait, None, &[]),
                socket(Connected, Denied, &[]),
                socket(Connected, OtherNamespace, &[]),
                socket(Listen, None, &[]),
            ]),
            Ok(vec![7, 8, 9])
        );
        let known = socket(Listen, Known, &[7]);
        assert_eq!(
            pids(&[known.clone(), socket(Listen, Denied, &[])]),
            Err(ErrorKind::PermissionDenied)
        );
        assert_eq!(
            pids(&[known, udp(socket(Bound, OtherNamespace, &[]))]),
            Err(ErrorKind::ProcessKillError)
        );
        let message = |owner| {
            let sockets = [socket(Listen, owner, &[])];
            listening_processes(3000, &sockets).unwrap_err().to_string()
        };
        assert_eq!(
            message(Denied),
            "no permission for ending the process on port 3000, whose socket belongs to user 33: \
             permission denied"
        );
        assert_eq!(
            message(OtherNamespace),
            "a process on port 3000 was not ended: it is outside this pid namespace, where it has \
             no pid"
        );
    }
}
