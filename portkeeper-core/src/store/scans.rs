//! What the last scan saw: `active_scans` as documented, and every socket in `active_sockets`.
//!
//! `active_scans` is unique by port and pid, so that several sockets of one process are one row
//! there; `active_sockets` holds a row for each socket and process.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use rusqlite::{
    Connection, params, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use super::column;
use crate::model::{Earlier, Known, Owner, Process, Socket, timestamp};

/// A table without its `scannedAt`, which alone changes from one scan to the next on most machines.
struct Table<const COLUMNS: usize> {
    name: &'static str,
    columns: &'static str,
    order: &'static str,
}

const SCANS: Table<6> = Table {
    name: "active_scans",
    columns: "port, pid, processName, state, address, protocol",
    order: "id",
};

const SOCKETS: Table<12> = Table {
    name: "active_sockets",
    columns: "port, position, protocol, address, state, inode, uid, owner, pid, fd, processName, scannedBy",
    order: "port, position",
};

/// So many rows are written by one statement, which opens every index once and not for each of them.
const BATCH: usize = 32;

/// A socket with one of its processes, or with none where it has none.
struct Seen<'a> {
    socket: &'a Socket,
    address: &'a str,
    process: Option<&'a Process>,
    fd: Option<u32>,
    /// Whether it is the first of its port and process.
    is_first: bool,
}

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
    let addresses: Vec<String> = listeners
        .iter()
        .map(|socket| socket.address.to_string())
        .collect();
    let mut firsts = HashSet::with_capacity(listeners.len());
    let mut every = Vec::with_capacity(listeners.len());
    for (socket, address) in listeners.iter().zip(&addresses) {
        for process in owners(socket) {
            let pid = process.map(|process| process.pid);
            every.push(Seen {
                socket,
                address,
                process,
                fd: pid.and_then(|pid| fds.get(&(socket.inode, pid)).copied()),
                is_first: firsts.insert((socket.port, pid)),
            });
        }
    }
    let time = timestamp::format(time);
    let firsts = every.iter().filter(|seen| seen.is_first);
    SCANS.put(db, firsts.map(Seen::scan), &time)?;
    let positions = (0..).zip(&every);
    let sockets = positions.map(|(position, seen)| seen.socket(position, user));
    SOCKETS.put(db, sockets, &time)
}

impl<'a> Seen<'a> {
    /// Its row in `active_scans`.
    fn scan(&self) -> [ValueRef<'a>; 6] {
        [
            number(Some(self.socket.port)),
            number(self.process.map(|process| process.pid)),
            self.name(),
            text(self.socket.state.as_str()),
            text(self.address),
            text(self.socket.protocol.as_str()),
        ]
    }

    /// Its row in `active_sockets`.
    fn socket(&self, position: i64, user: u32) -> [ValueRef<'a>; 12] {
        [
            number(Some(self.socket.port)),
            ValueRef::Integer(position),
            text(self.socket.protocol.as_str()),
            text(self.address),
            text(self.socket.state.as_str()),
            ValueRef::Integer(self.socket.inode.cast_signed()),
            number(self.socket.uid),
            text(self.socket.owner.as_str()),
            number(self.process.map(|process| process.pid)),
            number(self.fd),
            self.name(),
            number(Some(user)),
        ]
    }

    fn name(&self) -> ValueRef<'a> {
        self.process
            .map_or(ValueRef::Null, |process| text(&process.name))
    }
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Makes these the rows. Where they are already, only the time is written: that is five times as fast.
    fn put<'a>(
        &self,
        db: &Connection,
        mut rows: impl Iterator<Item = [ValueRef<'a>; COLUMNS]> + Clone,
        time: &'a str,
    ) -> rusqlite::Result<()> {
        let Self { name, .. } = self;
        if self.has(db, rows.clone())? {
            let touch = format!("UPDATE {name} SET scannedAt = ?1 WHERE scannedAt <> ?1");
            return db.prepare_cached(&touch)?.execute([time]).map(drop);
        }
        db.prepare_cached(&format!("DELETE FROM {name}"))?
            .execute([])?;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.extend(rows.by_ref().take(BATCH));
            let rows_a_time = if batch.len() == BATCH { BATCH } else { 1 };
            if batch.is_empty() {
                return Ok(());
            }
            let mut insert = db.prepare_cached(&self.insert(rows_a_time))?;
            for rows in batch.chunks(rows_a_time) {
                let values = std::iter::once(text(time)).chain(rows.iter().flatten().copied());
                insert.execute(params_from_iter(values.map(ToSqlOutput::Borrowed)))?;
            }
            batch.clear();
        }
    }

    /// Inserts so many rows; the first parameter is the time of all. A failure ends the transaction: not to take back
    /// what the statement did before spares a copy of every page.
    fn insert(&self, count: usize) -> String {
        let Self { name, columns, .. } = self;
        let row = format!("(?1{})", ", ?".repeat(COLUMNS));
        let rows = vec![row; count].join(", ");
        format!("INSERT OR FAIL INTO {name} (scannedAt, {columns}) VALUES {rows}")
    }

    fn has<'a>(
        &self,
        db: &Connection,
        mut rows: impl Iterator<Item = [ValueRef<'a>; COLUMNS]>,
    ) -> rusqlite::Result<bool> {
        let Self {
            name,
            columns,
            order,
        } = self;
        let mut select =
            db.prepare_cached(&format!("SELECT {columns} FROM {name} ORDER BY {order}"))?;
        let mut stored = select.query([])?;
        while let Some(stored) = stored.next()? {
            let Some(row) = rows.next() else {
                return Ok(false);
            };
            for (column, value) in row.iter().enumerate() {
                if stored.get_ref(column)? != *value {
                    return Ok(false);
                }
            }
        }
        Ok(rows.next().is_none())
    }
}

fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

fn number(number: Option<impl Into<i64>>) -> ValueRef<'static> {
    number.map_or(ValueRef::Null, |number| ValueRef::Integer(number.into()))
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
