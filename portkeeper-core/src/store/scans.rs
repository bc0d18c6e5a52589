//! What the last scan saw: `active_scans` as documented, and every socket in `active_sockets`.
//!
//! `active_scans` is unique by port and pid, so that several sockets of one process are one row
//! there; `active_sockets` holds a row for each socket and process.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::column;
use crate::model::{Earlier, Known, Owner, Process, Socket, timestamp};

/// Puts `listeners` in the place of what an earlier scan saw. `holders` say where the processes have them.
pub(crate) fn replace(
    db: &Connection,
    listeners: &[Socket],
    holders: &[Known],
    time: DateTime<Utc>,
) -> rusqlite::Result<()> {
    const SCAN: &str = "INSERT INTO active_scans (port, pid, processName, state, address, \
         protocol, scannedAt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    const SOCKET: &str = "INSERT INTO active_sockets (port, protocol, address, state, inode, uid, \
         owner, pid, fd, processName, scannedAt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    db.prepare_cached("DELETE FROM active_scans")?.execute([])?;
    db.prepare_cached("DELETE FROM active_sockets")?
        .execute([])?;

    let place = |known: &Known| ((known.inode, known.pid), known.fd);
    let fds: HashMap<(u64, u32), u32> = holders.iter().map(place).collect();
    let time = timestamp::format(time);
    let mut scan = db.prepare_cached(SCAN)?;
    let mut row = db.prepare_cached(SOCKET)?;
    let mut seen = HashSet::new();
    for socket in listeners {
        let address = socket.address.to_string();
        for process in owners(socket) {
            let pid = process.map(|process| process.pid);
            let name = process.map(|process| process.name.as_str());
            if seen.insert((socket.port, pid)) {
                scan.execute(params![
                    socket.port,
                    pid,
                    name,
                    socket.state.as_str(),
                    address,
                    socket.protocol.as_str(),
                    time,
                ])?;
            }
            row.execute(params![
                socket.port,
                socket.protocol.as_str(),
                address,
                socket.state.as_str(),
                socket.inode.cast_signed(),
                socket.uid,
                socket.owner.as_str(),
                pid,
                pid.and_then(|pid| fds.get(&(socket.inode, pid))),
                name,
                time,
            ])?;
        }
    }
    Ok(())
}

/// What the last scan saw on `port`, or on every port. Who was not found counts `since` then.
pub(crate) fn earlier(
    db: &Connection,
    port: Option<u16>,
    since: DateTime<Utc>,
) -> rusqlite::Result<Earlier> {
    const ALL: &str = "SELECT inode, owner, pid, fd, scannedAt >= ?1 FROM active_sockets";
    const PORT: &str =
        "SELECT inode, owner, pid, fd, scannedAt >= ?1 FROM active_sockets WHERE port = ?2";
    let since = timestamp::format(since);
    let mut statement = db.prepare_cached(if port.is_some() { PORT } else { ALL })?;
    let mut rows = match port {
        Some(port) => statement.query(params![since, port])?,
        None => statement.query([since])?,
    };
    let mut earlier = Earlier::default();
    while let Some(row) = rows.next()? {
        let Ok(inode) = row.get::<_, i64>(0).map(i64::cast_unsigned) else {
            continue;
        };
        let owner = column::text(row, 1)?;
        match (owner.as_deref(), column::pid(row, 2)?, column::pid(row, 3)?) {
            (_, Some(pid), Some(fd)) => earlier.holders.push(Known { inode, pid, fd }),
            (Some("other-namespace"), None, _) if column::flag(row, 4)? => {
                earlier.unowned.push((inode, Owner::OtherNamespace));
            }
            (Some("denied"), None, _) if column::flag(row, 4)? => {
                earlier.unowned.push((inode, Owner::Denied));
            }
            _ => {}
        }
    }
    Ok(earlier)
}

/// The processes of a socket, or one absent one.
fn owners(socket: &Socket) -> Vec<Option<&Process>> {
    if socket.processes.is_empty() {
        vec![None]
    } else {
        socket.processes.iter().map(Some).collect()
    }
}
