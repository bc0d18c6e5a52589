//! What the last scan saw: `active_scans` as documented, and every socket in `active_sockets`.
//!
//! `active_scans` is unique by port and pid, so that several sockets of one process are one row
//! there; `active_sockets` holds a row for each socket and process.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::column;
use crate::model::{Known, Process, Socket, timestamp};

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

/// Which processes had the sockets on `port`, or on every port, when a scan last saw them.
pub(crate) fn known(db: &Connection, port: Option<u16>) -> rusqlite::Result<Vec<Known>> {
    const ALL: &str = "SELECT inode, pid FROM active_sockets WHERE pid IS NOT NULL";
    const PORT: &str = "SELECT inode, pid FROM active_sockets WHERE port = ?1 AND pid IS NOT NULL";
    let mut statement = db.prepare_cached(if port.is_some() { PORT } else { ALL })?;
    let mut rows = match port {
        Some(port) => statement.query([port])?,
        None => statement.query([])?,
    };
    let mut known = Vec::new();
    while let Some(row) = rows.next()? {
        if let (Ok(inode), Some(pid)) = (row.get::<_, i64>(0), column::pid(row, 1)?) {
            let inode = inode.cast_unsigned();
            known.push(Known { inode, pid });
        }
    }
    Ok(known)
}

/// The processes of a socket, or one absent one.
fn owners(socket: &Socket) -> Vec<Option<&Process>> {
    if socket.processes.is_empty() {
        vec![None]
    } else {
        socket.processes.iter().map(Some).collect()
    }
}
