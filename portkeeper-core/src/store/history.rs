//! The rows of `port_history`. Nothing here alters or removes one.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, ToSql, params};

use super::column;
use crate::model::{Action, Details, HistoryEntry, timestamp};

/// The unary plus keeps SQLite from taking the bounds of a port for a reason to walk its index. The
/// type is asked for because an adopted history may have an entry of port 3000.5.
const SELECT: &str = "SELECT id, port, action, projectName, description, performedBy, \
     performedAt, details FROM port_history WHERE +port BETWEEN 1 AND 65535 \
     AND typeof(port) = 'integer'";

/// An entry that is to be written.
#[derive(Debug)]
pub(crate) struct NewEntry<'a> {
    pub(crate) port: u16,
    pub(crate) action: Action,
    /// Whose claim it is; `None` for a port that nobody has claimed.
    pub(crate) project: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) performed_by: &'a str,
    pub(crate) performed_at: DateTime<Utc>,
    pub(crate) details: &'a Details,
}

/// What `history` looks for, already checked.
#[derive(Debug)]
pub(crate) struct Sought<'a> {
    pub(crate) port: Option<u16>,
    pub(crate) project: Option<&'a str>,
    pub(crate) action: Option<Action>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) before: Option<(DateTime<Utc>, i64)>,
    pub(crate) limit: u32,
}

/// Adds an entry. It is never older than the last one of its port, whatever the clock says: order is
/// by time, and the newest entry must be the last that was made.
pub(crate) fn append(db: &Connection, entry: &NewEntry<'_>) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO port_history (port, action, projectName, description, \
         performedBy, performedAt, details) VALUES (?1, ?2, ?3, ?4, ?5, max(?6, coalesce(( \
         SELECT performedAt FROM port_history WHERE port = ?1 \
         ORDER BY performedAt DESC, id DESC LIMIT 1), '')), ?7)";
    db.prepare_cached(SQL)?.execute(params![
        entry.port,
        entry.action.as_str(),
        entry.project,
        entry.description,
        entry.performed_by,
        timestamp::format(entry.performed_at),
        // A map of JSON values always serialises.
        serde_json::to_string(entry.details).ok(),
    ])?;
    Ok(())
}

/// The entries that match, newest first. Each condition that is absent is absent from the
/// statement too, so that SQLite chooses the index of those that are there.
pub(crate) fn page(db: &Connection, sought: &Sought<'_>) -> rusqlite::Result<Vec<HistoryEntry>> {
    let mut sql = String::from(SELECT);
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut and = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        sql.push_str(condition);
    };
    if let Some(port) = sought.port {
        and(" AND port = ?", Box::new(port));
    }
    if let Some(project) = sought.project {
        and(" AND projectName = ?", Box::new(project.to_owned()));
    }
    if let Some(action) = sought.action {
        // The unary plus keeps SQLite from walking all entries of one action instead of the newest.
        and(" AND +action = ?", Box::new(action.as_str()));
    }
    if let Some(since) = sought.since {
        and(" AND performedAt >= ?", Box::new(timestamp::format(since)));
    }
    if let Some(until) = sought.until {
        and(" AND performedAt <= ?", Box::new(timestamp::format(until)));
    }
    if let Some((time, id)) = sought.before {
        and(
            " AND (performedAt, id) < (?",
            Box::new(timestamp::format(time)),
        );
        and(", ?)", Box::new(id));
    }
    and(
        " ORDER BY performedAt DESC, id DESC LIMIT ?",
        Box::new(sought.limit),
    );

    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), entry)?;
    rows.collect()
}

/// The id of the newest entry of all ports; 0 when there is none.
pub(crate) fn newest(db: &Connection) -> rusqlite::Result<i64> {
    const SQL: &str = "SELECT coalesce(max(id), 0) FROM port_history";
    db.prepare_cached(SQL)?.query_row([], |row| row.get(0))
}

/// The ports that have an entry newer than `id`.
pub(crate) fn changed_since(db: &Connection, id: i64) -> rusqlite::Result<Vec<u16>> {
    const SQL: &str =
        "SELECT DISTINCT port FROM port_history WHERE id > ?1 AND port BETWEEN 1 AND 65535";
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map([id], |row| row.get(0))?;
    rows.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
    let performed_at = row.get_ref(6)?.as_str().ok();
    let details = column::text(row, 7)?;
    Ok(HistoryEntry {
        id: row.get(0)?,
        port: row.get(1)?,
        action: column::action(row, 2)?,
        project_name: column::text(row, 3)?,
        description: column::text(row, 4)?,
        performed_by: column::text(row, 5)?,
        performed_at: performed_at
            .and_then(timestamp::parse)
            .unwrap_or(DateTime::UNIX_EPOCH),
        details: details
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
    })
}
