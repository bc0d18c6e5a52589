use std::collections::HashSet;

use super::{datagrams, descriptors::holders, process::name};
use crate::{
    error::Result,
    host::{
        Wanted,
        sockets::finish,
        table::{self, Entry},
    },
    model::{Protocol, Socket, SocketState},
};

/// The wanted sockets. Owners are looked for only where a socket can have one.
pub(in crate::host) fn sockets(wanted: Wanted) -> Result<Vec<Socket>> {
    let mut entries = read(wanted)?;
    let everything_was_seen = attach(&mut entries)?;
    if everything_was_seen && entries.iter().any(is_orphan) {
        // To say that no process has a socket is to say that it still exists, and that nobody was
        // handed it while the processes were read. So look again at what is left.
        let still: HashSet<u64> = read(wanted)?
            .iter()
            .map(|entry| entry.socket.inode)
            .collect();
        entries.retain(|entry| !is_orphan(entry) || still.contains(&entry.socket.inode));
        let everything_was_seen = attach(&mut entries)?;
        return Ok(named(entries, everything_was_seen));
    }
    Ok(named(entries, everything_was_seen))
}

fn read(wanted: Wanted) -> Result<Vec<Entry>> {
    let mut entries = table::read(wanted, netstat2::iterate_sockets_info_without_pids)?;
    let is_udp = |entry: &Entry| entry.socket.protocol == Protocol::Udp;
    if matches!(wanted, Wanted::Port(_)) && entries.iter().any(is_udp) {
        let peers = datagrams::peers();
        for entry in entries.iter_mut().filter(|entry| is_udp(entry)) {
            if let Some(peer) = peers.get(&entry.socket.inode) {
                entry.socket.state = SocketState::Connected;
                entry.socket.remote = Some(*peer);
            }
        }
    }
    Ok(entries)
}

/// Finds the owners of what has none yet; returns whether no process was kept from view.
fn attach(entries: &mut [Entry]) -> Result<bool> {
    let orphans = entries.iter().filter(|entry| is_orphan(entry));
    let found = holders(orphans.map(|entry| entry.socket.inode))?;
    for entry in entries.iter_mut() {
        if let Some(pids) = found.by_inode.get(&entry.socket.inode) {
            entry.pids.clone_from(pids);
        }
    }
    Ok(found.everything_was_seen)
}

fn is_orphan(entry: &Entry) -> bool {
    entry.socket.inode != 0 && entry.pids.is_empty()
}

fn named(entries: Vec<Entry>, everything_was_seen: bool) -> Vec<Socket> {
    finish(entries, everything_was_seen, |pids| {
        pids.iter().map(|&pid| (pid, name(pid))).collect()
    })
}
