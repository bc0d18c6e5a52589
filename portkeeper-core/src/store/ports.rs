//! The rows of `ports`, each with its lease.
//!
//! A row is read and written whole. Rows that another tool left with a number outside 1–65535 are
//! not ports and are never returned; JSON that does not parse counts as absent, and stays as it is for as
//! long as its claim is given nothing else.

use std::{collections::HashSet, ops::RangeInclusive};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, ToSql, params, types::ValueRef};
use serde_json::{Map, Value};

use super::column;
use crate::model::{
    LeaseTerms, ProcessIdentity, ProjectPorts, Reservation, StaleReservation, Status, Summary,
    timestamp,
};

/// The columns that [`reservation`] reads, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT p.number, p.projectName, p.description, p.status, p.pid, p.processName, \
             p.reservedAt, p.lastSeenAt, p.updatedAt, p.autoRelease, p.tags, p.metadata, \
             l.leaseId, l.role, l.ownerPid, l.ownerStart, l.ownerBoot, l.ownerNamespace, \
             l.ownerPidfd, l.held, l.expiresAt, l.borrowed \
             FROM ports p LEFT JOIN leases l ON l.port = p.number ",
            $rest
        )
    };
}

/// What `list` looks for, already checked.
#[derive(Debug, Default)]
pub(crate) struct Listed<'a> {
    pub(crate) status: Option<Status>,
    pub(crate) project: Option<&'a str>,
    pub(crate) tag: Option<&'a str>,
    pub(crate) range: Option<(u16, u16)>,
}

pub(crate) fn get(db: &Connection, port: u16) -> rusqlite::Result<Option<Reservation>> {
    const SQL: &str = select!("WHERE p.number = ?1");
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([port])?;
    rows.next()?.map(reservation).transpose()
}

/// All rows that match, by number.
pub(crate) fn list(db: &Connection, wanted: &Listed<'_>) -> rusqlite::Result<Vec<Reservation>> {
    const SQL: &str = select!("WHERE p.number BETWEEN ?1 AND ?2");
    let (first, last) = wanted.range.unwrap_or((1, u16::MAX));
    let mut sql = String::from(SQL);
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(first), Box::new(last)];
    let mut and = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace("?#", &format!("?{}", values.len())));
    };
    if let Some(status) = wanted.status {
        and("p.status = ?#", Box::new(status.as_str()));
    } else {
        and("p.status <> ?#", Box::new(Status::Free.as_str()));
    }
    if let Some(project) = wanted.project {
        and("p.projectName = ?#", Box::new(project.to_owned()));
    }
    if let Some(tag) = wanted.tag {
        and(
            "EXISTS (SELECT 1 FROM json_each(iif(json_valid(p.tags), p.tags, '[]')) AS t \
             WHERE t.value = ?#)",
            Box::new(tag.to_owned()),
        );
    }
    sql.push_str(" ORDER BY p.number");

    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), reservation)?;
    rows.collect()
}

/// The claims whose lease has an owner or an end.
pub(crate) fn conditional(db: &Connection) -> rusqlite::Result<Vec<Reservation>> {
    const SQL: &str = select!(
        "WHERE (l.ownerPid IS NOT NULL OR l.expiresAt IS NOT NULL) AND p.status <> 'free' \
         ORDER BY p.number"
    );
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map([], reservation)?;
    rows.collect()
}

/// Writes the whole row; its lease is [`leases`](super::leases)' affair. JSON of a claim that reads as what is
/// written stays as another program wrote it: there may be more in it than was read.
pub(crate) fn put(db: &Connection, row: &Reservation) -> rusqlite::Result<()> {
    const NEW: &str = "INSERT INTO ports (number, projectName, description, status, pid, \
         processName, reservedAt, lastSeenAt, updatedAt, autoRelease, tags, metadata) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (number) DO NOTHING";
    const OLD: &str = "UPDATE ports SET projectName = ?2, description = ?3, status = ?4, \
         pid = ?5, processName = ?6, reservedAt = ?7, lastSeenAt = ?8, updatedAt = ?9, \
         autoRelease = ?10, tags = iif(?13, tags, ?11), metadata = iif(?14, metadata, ?12) \
         WHERE number = ?1";
    let values = params![
        row.number,
        row.project_name,
        row.description,
        row.status.as_str(),
        row.pid,
        row.process_name,
        timestamp::format(row.reserved_at),
        row.last_seen_at.map(timestamp::format),
        timestamp::format(row.updated_at),
        row.auto_release,
        json(&row.tags, row.tags.is_empty()),
        json(&row.metadata, row.metadata.is_empty()),
    ];
    if db.prepare_cached(NEW)?.execute(values)? == 0 {
        let (keeps_tags, keeps_metadata) = reads_the_same(db, row)?;
        let values = [values, params![keeps_tags, keeps_metadata]].concat();
        db.prepare_cached(OLD)?.execute(&*values)?;
    }
    Ok(())
}

/// Whether the stored tags and metadata of the claim read as those of `row`.
fn reads_the_same(db: &Connection, row: &Reservation) -> rusqlite::Result<(bool, bool)> {
    const SQL: &str = "SELECT tags, metadata FROM ports WHERE number = ?1 AND projectName = ?2 \
         AND status <> 'free' AND (tags IS NOT NULL OR metadata IS NOT NULL)";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query(params![row.number, row.project_name])?;
    let Some(stored) = rows.next()? else {
        return Ok((false, false));
    };
    let (tags, metadata) = (column::text(stored, 0)?, column::text(stored, 1)?);
    Ok((
        tags.is_some_and(|text| labels(&text) == row.tags),
        metadata.is_some_and(|text| object(&text) == row.metadata),
    ))
}

/// Sets when something was last seen listening on a port; no change of the claim.
pub(crate) fn seen(db: &Connection, port: u16, time: DateTime<Utc>) -> rusqlite::Result<()> {
    const SQL: &str = "UPDATE ports SET lastSeenAt = ?2 WHERE number = ?1";
    db.prepare_cached(SQL)?
        .execute(params![port, timestamp::format(time)])?;
    Ok(())
}

/// The claimed ports of a range, ascending.
pub(crate) fn claimed(db: &Connection, range: &RangeInclusive<u16>) -> rusqlite::Result<Vec<u16>> {
    const SQL: &str = "SELECT number FROM ports WHERE number BETWEEN ?1 AND ?2 \
         AND status <> 'free' ORDER BY number";
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map([range.start(), range.end()], |row| row.get(0))?;
    rows.collect()
}

/// Reserved and not in use, and made before `before`; the oldest first.
pub(crate) fn stale(
    db: &Connection,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> rusqlite::Result<Vec<StaleReservation>> {
    const SQL: &str = select!(
        "WHERE p.status = 'reserved' AND julianday(p.reservedAt) < julianday(?1) \
         AND p.number BETWEEN 1 AND 65535 ORDER BY p.reservedAt, p.number"
    );
    const SECONDS_A_DAY: f64 = 86_400.0;
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map([timestamp::format(before)], |row| {
        let reservation = reservation(row)?;
        let age = now - reservation.reserved_at;
        Ok(StaleReservation {
            days_old: age.as_seconds_f64() / SECONDS_A_DAY,
            reservation,
        })
    })?;
    rows.collect()
}

/// The claims whose tags or metadata SQLite takes for JSON, and nothing here can read: `1e400`, or a
/// hundred brackets in each other.
pub(crate) fn unreadable(db: &Connection) -> rusqlite::Result<HashSet<u16>> {
    const SQL: &str = "SELECT number, iif(json_valid(tags), tags, NULL), \
         iif(json_valid(metadata), metadata, NULL) FROM ports WHERE number BETWEEN 1 AND 65535 \
         AND status <> 'free' AND (tags IS NOT NULL OR metadata IS NOT NULL)";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    let mut found = HashSet::new();
    while let Some(row) = rows.next()? {
        let is_read = |column| {
            let text = column::text(row, column)?.unwrap_or_else(|| "null".to_owned());
            Ok::<_, rusqlite::Error>(serde_json::from_str::<Value>(&text).is_ok())
        };
        if !(is_read(1)? && is_read(2)?) {
            found.insert(row.get(0)?);
        }
    }
    Ok(found)
}

pub(crate) fn summary(db: &Connection) -> rusqlite::Result<Summary> {
    const SQL: &str =
        "SELECT reserved_count, in_use_count, free_count, total_count FROM v_port_summary";
    db.prepare_cached(SQL)?.query_row([], |row| {
        Ok(Summary {
            reserved: row.get(0)?,
            in_use: row.get(1)?,
            free: row.get(2)?,
            total: row.get(3)?,
        })
    })
}

/// The claims of every project that has one, by name.
///
/// `v_project_ports` says the same, in an order of ports that SQLite leaves open.
pub(crate) fn projects(db: &Connection) -> rusqlite::Result<Vec<ProjectPorts>> {
    const SQL: &str = "SELECT projectName, number, status = 'in-use' FROM ports \
         WHERE status <> 'free' AND number BETWEEN 1 AND 65535 ORDER BY projectName, number";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    let mut projects: Vec<ProjectPorts> = Vec::new();
    while let Some(row) = rows.next()? {
        let name = column::text(row, 0)?.unwrap_or_default();
        if projects.last().is_none_or(|last| last.project_name != name) {
            projects.push(ProjectPorts {
                project_name: name,
                ports: Vec::new(),
                active_count: 0,
            });
        }
        if let Some(project) = projects.last_mut() {
            project.ports.push(row.get(1)?);
            project.active_count += u32::from(row.get::<_, bool>(2)?);
        }
    }
    Ok(projects)
}

fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    let tags = column::text(row, 10)?;
    let metadata = column::text(row, 11)?;
    Ok(Reservation {
        number: row.get(0)?,
        project_name: column::text(row, 1)?.unwrap_or_default(),
        description: column::text(row, 2)?,
        status: status(row, 3)?,
        pid: column::pid(row, 4)?,
        process_name: column::text(row, 5)?,
        reserved_at: time(row, 6)?.unwrap_or(DateTime::UNIX_EPOCH),
        last_seen_at: time(row, 7)?,
        updated_at: time(row, 8)?.unwrap_or(DateTime::UNIX_EPOCH),
        auto_release: column::flag(row, 9)?,
        tags: tags.map_or_else(Vec::new, |text| labels(&text)),
        metadata: metadata.map_or_else(Map::new, |text| object(&text)),
        lease: lease(row)?,
    })
}

fn lease(row: &Row<'_>) -> rusqlite::Result<Option<LeaseTerms>> {
    let Some(id) = column::text(row, 12)? else {
        return Ok(None);
    };
    let owner = match column::pid(row, 14)? {
        None => None,
        Some(pid) => Some(ProcessIdentity {
            pid,
            start: unsigned(row, 15)?,
            boot: column::text(row, 16)?.unwrap_or_default(),
            namespace: unsigned(row, 17)?,
            pidfd: unsigned(row, 18)?,
        }),
    };
    Ok(Some(LeaseTerms {
        id,
        role: column::text(row, 13)?,
        owner,
        held: column::flag(row, 19)?,
        borrowed: column::flag(row, 21)?,
        expires_at: time(row, 20)?,
    }))
}

/// SQLite's integers are signed; what is unsigned here is stored with the same bits.
fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => number.cast_unsigned(),
        _ => 0,
    })
}

/// A timestamp that does not parse counts as absent.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let text = row.get_ref(column)?.as_str_or_null();
    Ok(text.ok().flatten().and_then(timestamp::parse))
}

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    Ok(match column::text(row, column)?.as_deref() {
        Some("reserved") => Status::Reserved,
        Some("in-use") => Status::InUse,
        _ => Status::Free,
    })
}

/// The strings of a JSON array; another tool may have put other values between them.
pub(super) fn labels(text: &str) -> Vec<String> {
    let values: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let string = |value: Value| match value {
        Value::String(text) => Some(text),
        _ => None,
    };
    values.into_iter().filter_map(string).collect()
}

/// A JSON object; another tool may have put something else there.
pub(super) fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn json(value: &impl serde::Serialize, is_empty: bool) -> Option<String> {
    if is_empty {
        return None;
    }
    // Strings and maps of values always serialise.
    serde_json::to_string(value).ok()
}
