//! Every other platform: sockets and their owners by netstat2, processes by sysinfo.
//!
//! It is built into the tests on Linux as well, where its answers can be compared.

mod handle;

use std::collections::{BTreeSet, HashMap};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

#[cfg(not(target_os = "linux"))]
pub(super) use handle::handle;

#[cfg(not(target_os = "linux"))]
use super::{Earlier, Look};
use super::{
    Wanted,
    fate::{Here, Present},
    lineage::Kin,
    sockets::finish,
    table,
};
#[cfg(not(target_os = "linux"))]
use crate::model::Source;
use crate::{
    error::{Error, Result},
    model::{ProcessIdentity, Socket},
};

/// Nothing here names a boot or a namespace.
///
/// The time of boot is no name: macOS moves it with the clock and Windows computes it anew each time.
/// Start times are dates on these platforms, so that a boot in between shows in them anyway.
pub(super) fn here() -> Here {
    Here {
        boot: String::new(),
        namespace: 0,
    }
}

pub(super) fn identity(pid: u32) -> Result<Option<ProcessIdentity>> {
    match present(pid) {
        Present::Gone => Ok(None),
        Present::Running { start, pidfd } => Ok(Some(ProcessIdentity {
            pid,
            start,
            boot: String::new(),
            namespace: 0,
            pidfd,
        })),
        Present::Hidden { .. } => Err(Error::PermissionDenied {
            what: format!("looking at process {pid}"),
            source: std::io::ErrorKind::PermissionDenied.into(),
        }),
    }
}

/// A process whose start the platform keeps to itself has the start 0.
pub(super) fn present(pid: u32) -> Present {
    let Some(system) = read(&[pid]) else {
        return Present::Hidden { pidfd: 0 };
    };
    match system.process(Pid::from_u32(pid)) {
        None => Present::Gone,
        Some(process) if process.start_time() == 0 => Present::Hidden { pidfd: 0 },
        Some(process) => Present::Running {
            start: process.start_time(),
            pidfd: 0,
        },
    }
}

pub(super) fn kin(pid: u32) -> Option<Kin> {
    let system = read(&[pid])?;
    let process = system.process(Pid::from_u32(pid))?;
    Some(Kin {
        parent: process.parent().map_or(0, Pid::as_u32),
        start: process.start_time(),
    })
}

/// Windows gives the connections that nobody owns any more to pid 0.
pub(super) fn sockets(wanted: Wanted) -> Result<Vec<Socket>> {
    let mut entries = table::read(wanted, netstat2::iterate_sockets_info)?;
    for entry in &mut entries {
        entry.pids.retain(|&pid| pid != 0);
    }
    Ok(finish(entries, false, names))
}

/// Nothing here is cheaper than to ask for every owner.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(wanted: Wanted, _: &Earlier) -> Result<Look> {
    Ok(Look {
        sockets: sockets(wanted)?,
        source: Source::Netstat2,
        holders: Vec::new(),
    })
}

fn names(pids: &BTreeSet<u32>) -> HashMap<u32, String> {
    let pids: Vec<u32> = pids.iter().copied().collect();
    let Some(system) = read(&pids) else {
        return HashMap::new();
    };
    pids.into_iter()
        .filter_map(|pid| {
            let process = system.process(Pid::from_u32(pid))?;
            Some((pid, process.name().to_string_lossy().into_owned()))
        })
        .collect()
}

fn read(pids: &[u32]) -> Option<System> {
    let mut system = System::new().ok()?;
    let pids: Vec<Pid> = pids.iter().copied().map(Pid::from_u32).collect();
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&pids),
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    Some(system)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, process};

    use super::{identity, kin, sockets};
    use crate::{
        host::{Wanted, fate::judge, portable},
        model::{Owner, SocketState},
    };

    #[test]
    fn a_listener_of_this_process_is_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sockets = sockets(Wanted::Port(port)).unwrap();
        let socket = sockets
            .iter()
            .find(|socket| socket.state == SocketState::Listen)
            .unwrap();
        assert_eq!(socket.owner, Owner::Known);
        let us = socket
            .processes
            .iter()
            .find(|process| process.pid == process::id())
            .unwrap();
        assert!(!us.name.is_empty());
    }

    #[test]
    fn this_process_lives_and_a_later_one_on_its_pid_is_another() {
        let mut us = identity(process::id()).unwrap().unwrap();
        let now = portable::present(process::id());
        assert_eq!(judge(&us, &portable::here(), now), crate::host::Fate::Alive);
        us.start -= 1;
        assert_eq!(judge(&us, &portable::here(), now), crate::host::Fate::Dead);
        assert_eq!(identity(u32::MAX).unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_parent_is_older() {
        let parent = std::os::unix::process::parent_id();
        let us = kin(process::id()).unwrap();
        assert_eq!(us.parent, parent);
        assert!(kin(parent).unwrap().start <= us.start);
    }
}
