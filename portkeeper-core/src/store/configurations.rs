//! The rows of `configurations`: every export and import, with its document.
//!
//! Another tool may have put rows there too, with any type in any column.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params, types::ValueRef};

use super::sha256;
use crate::model::{Configuration, timestamp};

/// Rows of one name that [`forget_old`] keeps, and bytes of their documents.
const KEPT: u32 = 100;
const KEPT_BYTES: i64 = 256 << 20;

/// The columns that [`configuration`] reads, in its order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, description, version, createdAt, createdBy, checksum, \
             octet_length(data) ",
            $rest
        )
    };
}

/// A row that is to be written.
#[derive(Debug)]
pub(crate) struct NewConfiguration<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) data: &'a str,
    pub(crate) version: &'a str,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) created_by: &'a str,
    pub(crate) checksum: &'a str,
}

/// Writes a row and returns its id.
pub(crate) fn add(db: &Connection, new: &NewConfiguration<'_>) -> rusqlite::Result<i64> {
    const SQL: &str = "INSERT INTO configurations (name, description, data, version, createdAt, \
         createdBy, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    db.prepare_cached(SQL)?.insert(params![
        new.name,
        new.description,
        new.data,
        new.version,
        timestamp::format(new.created_at),
        new.created_by,
        new.checksum,
    ])
}

/// Removes what is beyond the newest rows of this name, of those that are, by their checksum, what
/// [`add`] wrote.
pub(crate) fn forget_old(db: &Connection, name: &str) -> rusqlite::Result<()> {
    const OLD: &str = "SELECT id FROM (SELECT id, row_number() OVER newest AS number, \
             sum(octet_length(data)) OVER newest AS bytes FROM configurations \
             WHERE name = ?1 AND typeof(checksum) = 'text' AND typeof(createdBy) = 'text' \
             WINDOW newest AS (ORDER BY id DESC)) \
         WHERE number > ?2 OR (number > 1 AND bytes > ?3)";
    let mut old = db.prepare_cached(OLD)?;
    let ids = old.query_map(params![name, KEPT, KEPT_BYTES], |row| row.get(0))?;
    for id in ids.collect::<rusqlite::Result<Vec<i64>>>()? {
        if get(db, id)?.is_some_and(|(row, data)| is_whole(&row, &data) == Some(true)) {
            remove(db, id)?;
        }
    }
    Ok(())
}

/// Whether a document is the one that its checksum was made of; `None` where it has none.
pub(crate) fn is_whole(row: &Configuration, data: &[u8]) -> Option<bool> {
    let checksum = row.checksum.as_ref()?;
    Some(checksum.eq_ignore_ascii_case(&sha256(data)))
}

/// The rows whose document is not the one that its checksum was made of.
pub(crate) fn altered(db: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = db.prepare("SELECT id FROM configurations ORDER BY id")?;
    let ids = statement.query_map((), |row| row.get(0))?;
    let mut altered = Vec::new();
    for id in ids {
        let id = id?;
        if get(db, id)?.is_some_and(|(row, data)| is_whole(&row, &data) == Some(false)) {
            altered.push(id);
        }
    }
    Ok(altered)
}

/// All rows without their documents, newest first.
pub(crate) fn list(db: &Connection) -> rusqlite::Result<Vec<Configuration>> {
    const SQL: &str = select!("FROM configurations ORDER BY id DESC");
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map([], configuration)?;
    rows.collect()
}

/// One row, and the bytes of its document.
pub(crate) fn get(db: &Connection, id: i64) -> rusqlite::Result<Option<(Configuration, Vec<u8>)>> {
    const SQL: &str = select!(", data FROM configurations WHERE id = ?1");
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let data = match row.get_ref(8)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    };
    Ok(Some((configuration(row)?, data)))
}

/// Removes a row; `false` when there is none.
pub(crate) fn remove(db: &Connection, id: i64) -> rusqlite::Result<bool> {
    const SQL: &str = "DELETE FROM configurations WHERE id = ?1";
    Ok(db.prepare_cached(SQL)?.execute([id])? > 0)
}

fn configuration(row: &Row<'_>) -> rusqlite::Result<Configuration> {
    let created_at = text(row, 4)?.and_then(|text| timestamp::parse(&text));
    let checksum = text(row, 6)?.filter(|checksum| !checksum.is_empty());
    Ok(Configuration {
        id: row.get(0)?,
        name: text(row, 1)?.unwrap_or_default(),
        description: text(row, 2)?,
        version: text(row, 3)?.unwrap_or_default(),
        created_at: created_at.unwrap_or(DateTime::UNIX_EPOCH),
        created_by: text(row, 5)?,
        checksum,
        bytes: row.get::<_, Option<i64>>(7)?.map_or(0, i64::unsigned_abs),
    })
}

/// A column as text, whatever its type.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    })
}
