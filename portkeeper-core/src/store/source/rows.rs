//! The rows of a source, each checked by the rules of the tables, which hold for every writer.
//!
//! Callers of the engine have narrower ones. A backup may hold what another program stored through
//! SQL, such as a description with Windows line ends, and must be restorable nevertheless; lengths
//! are bounded.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, types::ValueRef};
use serde_json::Map;

use super::Source;
use crate::{
    error::{Error, ErrorKind, Result},
    model::{LeaseTerms, ProcessIdentity, Reservation, Status, shown, timestamp},
    store::{
        Failure,
        failure::refusal,
        ports::{labels, object},
        restore::{Stored, Texts},
    },
    value,
};

/// The longest text of a column that has no bound of its own, in bytes.
const TEXT_BYTES: usize = 16 * 1024;
/// The longest description or JSON text, in bytes.
const JSON_BYTES: usize = 1 << 20;

const PORTS: &str = "SELECT p.number, p.projectName, p.description, p.status, p.pid, \
    p.processName, p.reservedAt, p.lastSeenAt, p.updatedAt, p.autoRelease, p.tags, \
    p.metadata, l.leaseId, l.role, l.ownerPid, l.ownerStart, l.ownerBoot, \
    l.ownerNamespace, l.ownerPidfd, l.held, l.expiresAt, \
    iif(json_valid(p.tags), json_type(p.tags), ''), \
    iif(json_valid(p.metadata), json_type(p.metadata), '') \
    FROM ports p LEFT JOIN leases l ON l.port = p.number ORDER BY p.number";
const HISTORY: &str = "SELECT id, port, action, projectName, description, performedBy, \
    performedAt, details, iif(json_valid(details), json_type(details), '') \
    FROM port_history NOT INDEXED ORDER BY id";
const CONFIGURATIONS: &str = "SELECT id, name, description, data, version, createdAt, createdBy, \
    checksum FROM configurations NOT INDEXED ORDER BY id";

/// An entry of the history, its texts as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) port: u16,
    pub(crate) action: String,
    pub(crate) project: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) performed_by: Option<String>,
    pub(crate) performed_at: String,
    pub(crate) details: Option<String>,
}

/// A row of `configurations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) id: i64,
    /// Name, description, data, version, createdAt, createdBy and checksum.
    pub(crate) texts: [Option<String>; 7],
}

impl Source {
    /// Every port, by number, with its lease.
    pub(crate) fn ports(&self) -> Result<Vec<Stored>> {
        let mut ports = Vec::new();
        self.each("ports", PORTS, |row| {
            ports.push(port(row)?);
            Ok(())
        })?;
        Ok(ports)
    }

    /// Calls `body` with every entry of the history, in the order of their numbers.
    pub(crate) fn history(&self, mut body: impl FnMut(Entry) -> Result<(), Failure>) -> Result<()> {
        let mut stopped = None;
        let walked = self.each("port_history", HISTORY, |row| {
            let entry = entry(row)?;
            body(entry).map_err(|failure| {
                stopped = Some(failure);
                Wrong::Stopped
            })
        });
        match stopped {
            Some(failure) => Err(failure.at(&self.path)),
            None => walked,
        }
    }

    /// Every configuration.
    pub(crate) fn configurations(&self) -> Result<Vec<Configuration>> {
        let mut configurations = Vec::new();
        self.each("configurations", CONFIGURATIONS, |row| {
            configurations.push(configuration(row)?);
            Ok(())
        })?;
        Ok(configurations)
    }

    /// How many entries the history has.
    pub(crate) fn entries(&self) -> Result<u64> {
        const SQL: &str = "SELECT count(*) FROM port_history NOT INDEXED";
        let count = self.connection.query_row(SQL, (), |row| row.get(0));
        count.map_err(|error| Failure::from(error).at(&self.path))
    }

    /// Calls `body` with each row; an error of a value names the row.
    fn each(
        &self,
        table: &str,
        sql: &str,
        mut body: impl FnMut(&Row<'_>) -> Result<(), Wrong>,
    ) -> Result<()> {
        let failed = |error: rusqlite::Error| Failure::from(error).at(&self.path);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(()).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            body(row).map_err(|wrong| {
                let id: i64 = row.get(0).unwrap_or_default();
                let what = match wrong {
                    Wrong::Value(error) => error.to_string(),
                    Wrong::Row(what) => what,
                    Wrong::Stopped => String::new(),
                };
                let reason = format!("row {id} of its table {table}: {what}");
                refusal(ErrorKind::DatabaseCorrupt, &self.path, reason)
            })?;
        }
        Ok(())
    }
}

/// The rows of a database that [`Source`] would refuse: table, row, the port where it is about one, and
/// what is wrong.
pub(crate) fn refused(db: &Connection, most: usize) -> Result<Vec<Refused>, Failure> {
    let mut found = Vec::new();
    let mut look = |table, sql, is_read: fn(&Row<'_>) -> Result<(), Wrong>| {
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query(())?;
        let mut left = most;
        while let Some(row) = rows.next()?.filter(|_| left > 0) {
            let what = match is_read(row) {
                Ok(()) => continue,
                Err(Wrong::Value(error)) => error.to_string(),
                Err(Wrong::Row(what)) => what,
                Err(Wrong::Stopped) => String::new(),
            };
            left -= 1;
            found.push(Refused {
                table,
                id: row.get(0)?,
                port: match table {
                    "ports" => row.get(0).ok(),
                    "port_history" => row.get(1).ok(),
                    _ => None,
                },
                what,
            });
        }
        Ok::<(), Failure>(())
    };
    look("ports", PORTS, |row| port(row).map(drop))?;
    look("port_history", HISTORY, |row| entry(row).map(drop))?;
    look("configurations", CONFIGURATIONS, |row| {
        configuration(row).map(drop)
    })?;
    Ok(found)
}

/// A row that [`Source`] would refuse.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) table: &'static str,
    pub(crate) id: i64,
    pub(crate) port: Option<i64>,
    pub(crate) what: String,
}

/// What is wrong with a row.
enum Wrong {
    /// A rule for every caller says so.
    Value(Error),
    /// A rule of the table says so.
    Row(String),
    /// Nothing: the reader wants no more.
    Stopped,
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Value(error)
    }
}

fn port(row: &Row<'_>) -> Result<Stored, Wrong> {
    let number = value::port(integer(row, 0)?.unwrap_or_default())?;
    let project_name = text(row, 1, TEXT_BYTES)?.unwrap_or_default();
    let status = match text(row, 3, TEXT_BYTES)?.as_deref() {
        Some("free") => Status::Free,
        Some("reserved") => Status::Reserved,
        Some("in-use") => Status::InUse,
        other => return Err(wrong(row, 3, &format!("is {other:?}"))),
    };
    // A row that exists for its history alone has no project.
    if status != Status::Free && project_name.trim().is_empty() {
        return Err(Error::ProjectRequired.into());
    }
    let description = text(row, 2, JSON_BYTES)?;
    let texts = Texts {
        tags: text(row, 10, JSON_BYTES)?,
        metadata: text(row, 11, JSON_BYTES)?,
    };
    json(row, (10, &texts.tags), (21, "array"))?;
    json(row, (11, &texts.metadata), (22, "object"))?;
    let row = Reservation {
        number,
        project_name,
        description,
        status,
        pid: unsigned(row, 4)?,
        process_name: text(row, 5, TEXT_BYTES)?,
        reserved_at: time(row, 6)?.ok_or_else(|| wrong(row, 6, "is missing"))?,
        last_seen_at: time(row, 7)?,
        updated_at: time(row, 8)?.ok_or_else(|| wrong(row, 8, "is missing"))?,
        auto_release: flag(row, 9)?,
        tags: texts.tags.as_deref().map_or_else(Vec::new, labels),
        metadata: texts.metadata.as_deref().map_or_else(Map::new, object),
        lease: lease(row)?,
    };
    Ok(Stored { row, texts })
}

/// SQLite judges what is JSON, as it did when the value was stored: it knows numbers, such as 1e400, and
/// depths that nothing here can read. Those texts are kept as they are.
fn json(
    row: &Row<'_>,
    (column, text): (usize, &Option<String>),
    (found, wanted): (usize, &str),
) -> Result<(), Wrong> {
    if text.is_none()
        || row
            .get_ref(found)
            .is_ok_and(|kind| kind.as_str() == Ok(wanted))
    {
        return Ok(());
    }
    Err(wrong(row, column, &format!("is not a JSON {wanted}")))
}

fn lease(row: &Row<'_>) -> Result<Option<LeaseTerms>, Wrong> {
    let Some(id) = text(row, 12, TEXT_BYTES)? else {
        return Ok(None);
    };
    let role = text(row, 13, TEXT_BYTES)?;
    let bits = |column| Ok::<u64, Wrong>(integer(row, column)?.unwrap_or_default().cast_unsigned());
    let owner = match unsigned(row, 14)? {
        None => None,
        Some(pid) => Some(ProcessIdentity {
            pid,
            start: bits(15)?,
            boot: text(row, 16, TEXT_BYTES)?.unwrap_or_default(),
            namespace: bits(17)?,
            pidfd: bits(18)?,
        }),
    };
    Ok(Some(LeaseTerms {
        id,
        role,
        owner,
        held: flag(row, 19)?,
        borrowed: false,
        expires_at: time(row, 20)?,
    }))
}

fn entry(row: &Row<'_>) -> Result<Entry, Wrong> {
    let action = text(row, 2, TEXT_BYTES)?.unwrap_or_default();
    if !["reserved", "released", "in-use", "killed"].contains(&action.as_str()) {
        return Err(wrong(row, 2, &format!("is {}", shown(&action))));
    }
    let project = text(row, 3, TEXT_BYTES)?;
    let description = text(row, 4, TEXT_BYTES)?;
    let details = text(row, 7, JSON_BYTES)?;
    json(row, (7, &details), (8, "object"))?;
    Ok(Entry {
        id: integer(row, 0)?.unwrap_or_default(),
        port: value::port(integer(row, 1)?.unwrap_or_default())?,
        action,
        project,
        description,
        performed_by: text(row, 5, TEXT_BYTES)?,
        performed_at: time(row, 6)?
            .map(timestamp::format)
            .ok_or_else(|| wrong(row, 6, "is missing"))?,
        details,
    })
}

fn configuration(row: &Row<'_>) -> Result<Configuration, Wrong> {
    let mut texts: [Option<String>; 7] = Default::default();
    for (column, place) in (1..).zip(&mut texts) {
        let most = if column == 3 { usize::MAX } else { TEXT_BYTES };
        *place = text(row, column, most)?;
    }
    for column in [1, 3, 4] {
        if texts[column - 1].is_none() {
            return Err(wrong(row, column, "is missing"));
        }
    }
    texts[4] = Some(timestamp::format(
        time(row, 5)?.ok_or_else(|| wrong(row, 5, "is missing"))?,
    ));
    Ok(Configuration {
        id: integer(row, 0)?.unwrap_or_default(),
        texts,
    })
}

fn wrong(row: &Row<'_>, column: usize, what: &str) -> Wrong {
    let name = row.as_ref().column_name(column).unwrap_or("a column");
    Wrong::Row(format!("{name} {what}"))
}

fn integer(row: &Row<'_>, column: usize) -> Result<Option<i64>, Wrong> {
    match row.get_ref(column) {
        Ok(ValueRef::Null) => Ok(None),
        Ok(ValueRef::Integer(number)) => Ok(Some(number)),
        _ => Err(wrong(row, column, "is not an integer")),
    }
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<Option<u32>, Wrong> {
    integer(row, column)?
        .map(|number| {
            u32::try_from(number).map_err(|_| wrong(row, column, &format!("is {number}")))
        })
        .transpose()
}

fn flag(row: &Row<'_>, column: usize) -> Result<bool, Wrong> {
    match integer(row, column)? {
        None | Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(number) => Err(wrong(row, column, &format!("is {number}"))),
    }
}

fn text(row: &Row<'_>, column: usize, most: usize) -> Result<Option<String>, Wrong> {
    match row.get_ref(column) {
        Ok(ValueRef::Null) => Ok(None),
        Ok(ValueRef::Text(bytes)) if bytes.len() > most => {
            Err(wrong(row, column, &format!("has {} bytes", bytes.len())))
        }
        Ok(ValueRef::Text(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(wrong(row, column, "is not valid UTF-8")),
        },
        _ => Err(wrong(row, column, "is not a text")),
    }
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<DateTime<Utc>>, Wrong> {
    match text(row, column, TEXT_BYTES)? {
        None => Ok(None),
        Some(text) => match timestamp::parse(&text) {
            Some(time) => Ok(Some(time)),
            None => Err(wrong(row, column, &format!("is {}", shown(&text)))),
        },
    }
}
