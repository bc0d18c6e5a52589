//! From the predecessor's rows to entries of a document.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, types::ValueRef};

use crate::{
    model::{Document, DocumentPort, Status, shown, timestamp},
    value,
};

/// The most rows of `ports`; there are no more ports.
const MAX_ROWS: usize = 65_535;
/// The most tags that are kept of a port, one more than are valid: the check of the document then
/// refuses them by the port's number.
const MAX_TAGS: usize = 101;

/// Why there is no document.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Invalid(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The columns of `ports` that are read. An older file may lack any of those after the first two.
const COLUMNS: [&str; 7] = [
    "number",
    "project_name",
    "description",
    "status",
    "reserved_at",
    "last_used",
    "auto_release",
];
const REQUIRED: usize = 2;

/// Reads one snapshot of both tables.
pub(super) fn document(db: &Connection, now: DateTime<Utc>) -> Result<Document, Failure> {
    db.execute_batch("BEGIN")?;
    let columns = stored_columns(db, "ports")?
        .ok_or_else(|| Failure::Invalid("it has no table ports".to_owned()))?;
    let mut wanted = Vec::with_capacity(COLUMNS.len());
    for (position, column) in COLUMNS.iter().enumerate() {
        if columns.iter().any(|name| name.eq_ignore_ascii_case(column)) {
            wanted.push(format!("\"{column}\""));
        } else if position < REQUIRED {
            let reason = format!("its table ports has no column {column}");
            return Err(Failure::Invalid(reason));
        } else {
            wanted.push("NULL".to_owned());
        }
    }
    let mut tags = tags(db)?;
    let mut ports = Vec::new();
    let mut statement = db.prepare(&format!("SELECT {} FROM main.ports", wanted.join(", ")))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if ports.len() == MAX_ROWS {
            let reason = format!("it has more than {MAX_ROWS} ports");
            return Err(Failure::Invalid(reason));
        }
        let number = number(row)?;
        let mut port = port(row, number)
            .map_err(|reason| Failure::Invalid(format!("port {number}: {reason}")))?;
        port.tags = tags.remove(&number).unwrap_or_default();
        ports.push(port);
    }
    ports.sort_by_key(|port| port.number);
    Ok(Document {
        version: Document::VERSION.to_owned(),
        export_date: Some(now),
        ports,
    })
}

/// The columns of a real table that are stored and not computed; `None` where there is no such table.
fn stored_columns(db: &Connection, table: &str) -> Result<Option<Vec<String>>, Failure> {
    // Views and virtual tables have no page of their own.
    const TABLE: &str = "SELECT type = 'table' AND rootpage > 0 FROM main.sqlite_schema \
         WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    const COLUMNS: &str = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0";
    let found = db
        .query_row(TABLE, [table], |row| row.get::<_, bool>(0))
        .optional()?;
    match found {
        None => return Ok(None),
        Some(true) => {}
        Some(false) => {
            let reason = format!("its {table} is not a table");
            return Err(Failure::Invalid(reason));
        }
    }
    let mut statement = db.prepare(COLUMNS)?;
    let names = statement.query_map([table], |row| row.get(0))?;
    Ok(Some(names.collect::<rusqlite::Result<_>>()?))
}

/// The tags of each port, in the order of their rows. Those of a port without a row belong to nothing.
fn tags(db: &Connection) -> Result<HashMap<u16, Vec<String>>, Failure> {
    let mut tags: HashMap<u16, Vec<String>> = HashMap::new();
    let Some(columns) = stored_columns(db, "tags")? else {
        return Ok(tags);
    };
    for column in ["port_number", "tag"] {
        if !columns.iter().any(|name| name.eq_ignore_ascii_case(column)) {
            let reason = format!("its table tags has no column {column}");
            return Err(Failure::Invalid(reason));
        }
    }
    let mut statement = db.prepare("SELECT \"port_number\", \"tag\" FROM main.tags")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = number(row)?;
        let Some(tag) = text(row, 1, "tag")
            .map_err(|reason| Failure::Invalid(format!("port {number}: {reason}")))?
        else {
            return Err(Failure::Invalid(format!("port {number}: a tag is NULL")));
        };
        let list = tags.entry(number).or_default();
        if list.len() < MAX_TAGS && !list.contains(&tag) {
            list.push(tag);
        }
    }
    Ok(tags)
}

fn number(row: &Row<'_>) -> Result<u16, Failure> {
    match row.get_ref(0)? {
        ValueRef::Integer(number) => {
            value::port(number).map_err(|error| Failure::Invalid(error.to_string()))
        }
        other => Err(Failure::Invalid(format!(
            "port number {} is not an integer",
            display(other)
        ))),
    }
}

fn port(row: &Row<'_>, number: u16) -> Result<DocumentPort, String> {
    let status = match text(row, 3, "status")?.as_deref() {
        Some("free") => Status::Free,
        None | Some("reserved") => Status::Reserved,
        Some("in-use" | "in_use" | "active") => Status::InUse,
        Some(other) => return Err(format!("status {} is not known", shown(other))),
    };
    let project_name = text(row, 1, "project_name")?;
    Ok(DocumentPort {
        number,
        project_name: match project_name {
            Some(name) => name,
            None if status == Status::Free => String::new(),
            None => return Err("it has no project_name".to_owned()),
        },
        description: text(row, 2, "description")?,
        status,
        // The process of another time says nothing of this one.
        pid: None,
        process_name: None,
        reserved_at: time(row, 4, "reserved_at")?,
        last_seen_at: time(row, 5, "last_used")?,
        updated_at: None,
        auto_release: match row.get_ref(6).map_err(|error| error.to_string())? {
            ValueRef::Null | ValueRef::Integer(0) => false,
            ValueRef::Integer(1) => true,
            other => return Err(format!("auto_release {} is not 0 or 1", display(other))),
        },
        tags: Vec::new(),
        metadata: serde_json::Map::new(),
        role: None,
    })
}

fn text(row: &Row<'_>, column: usize, name: &str) -> Result<Option<String>, String> {
    match row.get_ref(column).map_err(|error| error.to_string())? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(format!("{name} is not UTF-8")),
        },
        other => Err(format!("{name} {} is not a text", display(other))),
    }
}

fn time(row: &Row<'_>, column: usize, name: &str) -> Result<Option<DateTime<Utc>>, String> {
    match text(row, column, name)? {
        None => Ok(None),
        Some(text) => timestamp::parse(&text)
            .map(Some)
            .ok_or_else(|| format!("{name} {} is not a date and time", shown(&text))),
    }
}

fn display(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => shown(&String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => format!("(a blob of {} bytes)", bytes.len()),
    }
}
