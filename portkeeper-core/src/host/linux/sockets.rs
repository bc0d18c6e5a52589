//! The kernel's sockets with their processes.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    proc_net,
    process::name,
    search::{Effort, holders},
    sock_diag,
};
use crate::{
    error::Result,
    host::{
        Look, Source, Wanted,
        owners::Holders,
        sockets::{Entry, finish},
        table,
    },
};

/// The wanted sockets. Owners are looked for only where a socket can have one.
pub(in crate::host) fn sockets(wanted: Wanted, effort: Effort<'_>) -> Result<Look> {
    let (mut entries, source) = read(wanted)?;
    let found = attach(&mut entries, effort, &HashMap::new())?;
    let (mut known, mut everything_was_seen) = (found.found, found.everything_was_seen);
    if entries.iter().any(is_orphan) {
        // To say that no process has a socket, or none that may be read, is to say that it still exists, and
        // that nobody was handed it while the processes were read. So look again at what is left, in the
        // processes that are new or have more or fewer descriptors than before.
        let still = still_there(wanted, source, &entries)?;
        entries.retain(|entry| !is_orphan(entry) || still.contains(&entry.socket.inode));
        let late = attach(&mut entries, effort, &found.read)?;
        everything_was_seen = late.everything_was_seen;
        known.extend(late.found);
    }
    let sockets = finish(entries, everything_was_seen, |pids| {
        pids.iter().map(|&pid| (pid, name(pid))).collect()
    });
    Ok(Look {
        sockets,
        source,
        holders: known,
    })
}

/// The inodes of the wanted sockets, those without an owner at least.
fn still_there(wanted: Wanted, source: Source, entries: &[Entry]) -> Result<HashSet<u64>> {
    let orphans = entries.iter().filter(|entry| is_orphan(entry));
    let ports: BTreeSet<u16> = orphans.map(|entry| entry.socket.port).collect();
    let mut still = HashSet::new();
    let mut ask = |wanted| {
        let (again, _) = read(wanted)?;
        still.extend(again.iter().map(|entry| entry.socket.inode));
        Ok(())
    };
    // The kernel takes as long to tell of eighty sockets as to look for a port's; its text has all of them anyway.
    let is_cheaper = source == Source::SockDiag && entries.len() > 80 * ports.len();
    if wanted == Wanted::Listeners && is_cheaper {
        ports
            .into_iter()
            .try_for_each(|port| ask(Wanted::Server(port)))?;
    } else {
        ask(wanted)?;
    }
    Ok(still)
}

/// The table, from the best source that answers. The first refusal is the one to report.
fn read(wanted: Wanted) -> Result<(Vec<Entry>, Source)> {
    let refusal = match sock_diag::read(wanted) {
        Ok(entries) => return Ok((entries, Source::SockDiag)),
        Err(error) => error,
    };
    if let Ok(entries) = proc_net::read(wanted) {
        return Ok((entries, Source::ProcNet));
    }
    match table::read(wanted, netstat2::iterate_sockets_info_without_pids) {
        Ok(entries) => Ok((entries, Source::Netstat2)),
        Err(_) => Err(refusal),
    }
}

/// Finds the owners of what has none yet.
fn attach(
    entries: &mut [Entry],
    effort: Effort<'_>,
    read: &HashMap<u32, usize>,
) -> Result<Holders> {
    let orphans = entries.iter().filter(|entry| is_orphan(entry));
    let found = holders(orphans.map(|entry| entry.socket.inode), effort, read)?;
    for entry in entries.iter_mut() {
        let inode = entry.socket.inode;
        let holders = found.of(inode);
        if !holders.is_empty() {
            entry.pids = holders.iter().map(|known| known.pid).collect();
        } else if let Some(owner) = found.given_up.get(&inode) {
            entry.verdict = Some(*owner);
        }
    }
    Ok(found)
}

fn is_orphan(entry: &Entry) -> bool {
    entry.socket.inode != 0 && entry.pids.is_empty() && entry.verdict.is_none()
}
