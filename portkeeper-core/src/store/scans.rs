//! What the last scan saw: `active_scans` as documented, and every socket in `active_sockets`.
//!
//! `active_scans` is unique by port and pid, so that several sockets of one process are one row
//! there; `active_sockets` holds a row for each socket and process.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use crate::model::{Process, Socket, timestamp};

/// Puts `listeners` in the place of what an earlier scan saw.
pub(crate) fn replace(
    db: &Connection,
    listeners: &[Socket],
    time: DateTime<Utc>,
) -> rusqlite::Result<()> {
    const SCAN: &str = "INSERT INTO active_scans (port, pid, processName, state, address, \
         protocol, scannedAt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    const SOCKET: &str = "INSERT INTO active_sockets (port, protocol, address, state, inode, uid, \
         owner, pid, processName, scannedAt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    db.prepare_cached("DELETE FROM active_scans")?.execute([])?;
    db.prepare_cached("DELETE FROM active_sockets")?
        .execute([])?;

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
                name,
                time,
            ])?;
        }
    }
    Ok(())
}

/// The processes of a socket, or one absent one.
fn owners(socket: &Socket) -> Vec<Option<&Process>> {
    if socket.processes.is_empty() {
        vec![None]
    } else {
        socket.processes.iter().map(Some).collect()
    }
}
