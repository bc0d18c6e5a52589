//! What the last scan saw: `active_scans` as documented, and every socket in `active_sockets`.
//!
//! `active_scans` is unique by port and pid, so that several sockets of one process are one row
//! there; `active_sockets` holds a row for each socket and process.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rusqlite::{
    Connection, params, params_from_iter,
    types::{Value, ValueRef},
};

use super::column;
use crate::model::{Earlier, Known, Owner, Process, Socket, timestamp};

/// A table, and how its rows are written and compared. The last column is the time of the scan, which
/// alone changes from one scan to the next on most machines.
struct Table {
    delete: &'static str,
    insert: &'static str,
    select: &'static str,
    touch: &'static str,
}

const SCANS: Table = Table {
    delete: "DELETE FROM active_scans",
    insert: "INSERT INTO active_scans (port, pid, processName, state, address, protocol, scannedAt) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    select: "SELECT port, pid, processName, state, address, protocol FROM active_scans ORDER BY id",
    touch: "UPDATE active_scans SET scannedAt = ?1 WHERE scannedAt <> ?1",
};

const SOCKETS: Table = Table {
    delete: "DELETE FROM active_sockets",
    insert: "INSERT INTO active_sockets (port, position, protocol, address, state, inode, uid, owner, \
         pid, fd, processName, scannedBy, scannedAt) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    select: "SELECT port, position, protocol, address, state, inode, uid, owner, pid, fd, processName, \
         scannedBy FROM active_sockets ORDER BY port, position",
    touch: "UPDATE active_sockets SET scannedAt = ?1 WHERE scannedAt <> ?1",
};

/// Puts `listeners`, in their order, in the place of what an earlier scan saw. `holders` say where the
/// processes have them; the scan was at this time, by this user.
pub(crate) fn replace(
    db: &Connection,
    listeners: &[Socket],
    holders: &[Known],
    (time, user): (DateTime<Utc>, u32),
) -> rusqlite::Result<()> {
    let place = |known: &Known| ((known.inode, known.pid), known.fd);
    let fds: HashMap<(u64, u32), u32> = holders.iter().map(place).collect();
    let (mut scans, mut sockets) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for socket in listeners {
        let address = socket.address.to_string();
        for process in owners(socket) {
            let pid = process.map(|process| process.pid);
            let name: Value = process.map(|process| process.name.clone()).into();
            let fd = pid.and_then(|pid| fds.get(&(socket.inode, pid)).copied());
            if seen.insert((socket.port, pid)) {
                scans.push(vec![
                    socket.port.into(),
                    pid.into(),
                    name.clone(),
                    word(socket.state.as_str()),
                    address.clone().into(),
                    word(socket.protocol.as_str()),
                ]);
            }
            sockets.push(vec![
                socket.port.into(),
                i64::try_from(sockets.len()).unwrap_or(i64::MAX).into(),
                word(socket.protocol.as_str()),
                address.clone().into(),
                word(socket.state.as_str()),
                socket.inode.cast_signed().into(),
                socket.uid.into(),
                word(socket.owner.as_str()),
                pid.into(),
                fd.into(),
                name,
                user.into(),
            ]);
        }
    }
    let time = timestamp::format(time);
    SCANS.put(db, &scans, &time)?;
    SOCKETS.put(db, &sockets, &time)
}

impl Table {
    /// Makes these the rows. Where they are already, only the time is written: that is five times as fast.
    fn put(&self, db: &Connection, rows: &[Vec<Value>], time: &str) -> rusqlite::Result<()> {
        if self.has(db, rows)? {
            return db.prepare_cached(self.touch)?.execute([time]).map(drop);
        }
        db.prepare_cached(self.delete)?.execute([])?;
        let mut insert = db.prepare_cached(self.insert)?;
        let time = word(time);
        for row in rows {
            insert.execute(params_from_iter(row.iter().chain([&time])))?;
        }
        Ok(())
    }

    fn has(&self, db: &Connection, rows: &[Vec<Value>]) -> rusqlite::Result<bool> {
        let mut select = db.prepare_cached(self.select)?;
        let mut stored = select.query([])?;
        let mut rows = rows.iter();
        while let Some(stored) = stored.next()? {
            let Some(row) = rows.next() else {
                return Ok(false);
            };
            for (column, value) in row.iter().enumerate() {
                if stored.get_ref(column)? != ValueRef::from(value) {
                    return Ok(false);
                }
            }
        }
        Ok(rows.next().is_none())
    }
}

fn word(word: &str) -> Value {
    word.to_owned().into()
}

/// What the last scan saw on `port`, or on every port. What nobody had counts `since` then, and for that
/// user alone who looked.
pub(crate) fn earlier(
    db: &Connection,
    port: Option<u16>,
    since: DateTime<Utc>,
    user: u32,
) -> rusqlite::Result<Earlier> {
    const ALL: &str = "SELECT inode, owner, pid, fd, scannedAt >= ?1 AND scannedBy = ?2 \
         FROM active_sockets";
    const PORT: &str = "SELECT inode, owner, pid, fd, scannedAt >= ?1 AND scannedBy = ?2 \
         FROM active_sockets WHERE port = ?3";
    let since = timestamp::format(since);
    let mut statement = db.prepare_cached(if port.is_some() { PORT } else { ALL })?;
    let mut rows = match port {
        Some(port) => statement.query(params![since, user, port])?,
        None => statement.query(params![since, user])?,
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
