//! Brings the rows of a [`Source`] into the registry, next to what is there.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::column;
use super::{Failure, Store, source::Configuration, source::Entry, source::Source};
use crate::{
    error::Result,
    model::{Action, Reservation},
    watch::Watch,
};

/// Entries of a transaction of the private table, and between two looks at the watch.
const BATCH: u64 = 1_000;

/// The entries of a source that the registry lacks, in a table that only this connection sees.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The newest entry that the registry had when they were compared.
    newest: i64,
}

/// An entry by everything but its number.
type Key = [u8; 16];

/// Compares the histories before anybody has to wait. Equal entries are counted: whichever of the two
/// has more of them says how many there are afterwards, so that restoring twice changes nothing.
pub(crate) fn stage(
    store: &Store,
    source: &Source,
    watch: &mut Watch<'_>,
    total: u64,
) -> Result<Staged> {
    store.with_connection(|db| {
        db.execute_batch(
            "DROP TABLE IF EXISTS temp.restored; CREATE TEMP TABLE restored (id INTEGER PRIMARY KEY, \
             port, action, projectName, description, performedBy, performedAt, details, key)",
        )?;
        let (newest, mut known) = known(db, 0)?;
        let mut insert = db.prepare(
            "INSERT INTO temp.restored (id, port, action, projectName, description, performedBy, \
             performedAt, details, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        db.execute_batch("SAVEPOINT stage")?;
        let mut done = 0;
        let staged = source.history(|entry| {
            done += 1;
            if done % BATCH == 0 {
                watch.report("restore", done, total)?;
            }
            let key = key(&entry);
            if let Some(count) = known.get_mut(&key).filter(|count| **count > 0) {
                *count -= 1;
                return Ok(());
            }
            insert.execute(params![
                entry.id,
                entry.port,
                entry.action,
                entry.project,
                entry.description,
                entry.performed_by,
                entry.performed_at,
                entry.details,
                key
            ])?;
            Ok(())
        });
        db.execute_batch("RELEASE stage")?;
        staged?;
        Ok(Staged { newest })
    })
}

/// The ports that only the history of the source knows.
pub(crate) fn orphans(db: &Connection) -> rusqlite::Result<Vec<u16>> {
    const SQL: &str = "SELECT DISTINCT port FROM temp.restored \
         WHERE port NOT IN (SELECT number FROM ports) ORDER BY port";
    let mut statement = db.prepare(SQL)?;
    let rows = statement.query_map((), |row| row.get(0))?;
    rows.collect()
}

impl Staged {
    /// Adds the entries, and returns how many. They keep their numbers where those are free; where one
    /// is not, all of them get new ones, so that their order stays. Every port must have its row.
    pub(crate) fn add(&self, db: &Connection) -> Result<u64, Failure> {
        const COLUMNS: &str =
            "port, action, projectName, description, performedBy, performedAt, details";
        // Another process may have restored the same meanwhile.
        let (_, newer) = known(db, self.newest)?;
        let mut forget = db.prepare("DELETE FROM temp.restored WHERE key = ?1")?;
        for key in newer.keys() {
            forget.execute([key])?;
        }
        db.execute(
            "DELETE FROM temp.restored AS r WHERE EXISTS (SELECT 1 FROM port_history h \
             WHERE h.id = r.id AND (h.port, h.action, h.projectName, h.description, h.performedBy, \
                 h.performedAt, h.details) IS (r.port, r.action, r.projectName, r.description, \
                 r.performedBy, r.performedAt, r.details))",
            (),
        )?;
        let taken: bool = db.query_row(
            "SELECT EXISTS (SELECT 1 FROM temp.restored r JOIN port_history h ON h.id = r.id)",
            (),
            |row| row.get(0),
        )?;
        let newest = super::history::newest(db)?;
        let id = if taken { "" } else { "id, " };
        let added = db.execute(
            &format!(
                "INSERT INTO port_history ({id}{COLUMNS}) SELECT {id}{COLUMNS} \
                 FROM temp.restored ORDER BY id"
            ),
            (),
        )?;
        if taken {
            db.execute("DELETE FROM temp.restored", ())?;
            db.execute(
                "INSERT INTO temp.restored (id) SELECT id FROM port_history WHERE id > ?1",
                [newest],
            )?;
        }
        Ok(added as u64)
    }
}

/// The last entry of a port, and whether it is one that was added.
pub(crate) fn last(db: &Connection, port: u16) -> rusqlite::Result<Option<Last>> {
    const SQL: &str = "SELECT action, projectName, performedAt, \
         id IN (SELECT id FROM temp.restored) FROM port_history \
         WHERE port = ?1 ORDER BY performedAt DESC, id DESC LIMIT 1";
    let mut statement = db.prepare_cached(SQL)?;
    let last = statement.query_row([port], |row| {
        Ok(Last {
            action: column::action(row, 0)?,
            project: column::text(row, 1)?,
            performed_at: column::text(row, 2)?.unwrap_or_default(),
            is_new: row.get(3)?,
        })
    });
    last.optional()
}
/// The last entry of a port.
#[derive(Debug)]
pub(crate) struct Last {
    pub(crate) action: Action,
    pub(crate) project: Option<String>,
    pub(crate) performed_at: String,
    pub(crate) is_new: bool,
}

/// Adds the configurations that the registry lacks, and returns how many.
pub(crate) fn add_configurations(
    db: &Connection,
    configurations: &[Configuration],
) -> rusqlite::Result<u64> {
    const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM configurations WHERE name = ?1 \
         AND description IS ?2 AND data = ?3 AND version = ?4 AND createdAt = ?5 \
         AND createdBy IS ?6 AND checksum IS ?7)";
    const ADD: &str = "INSERT INTO configurations (name, description, data, version, createdAt, \
         createdBy, checksum, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
         iif(EXISTS (SELECT 1 FROM configurations WHERE id = ?8), NULL, ?8))";
    let mut added = 0;
    for Configuration { id, texts } in configurations {
        let [
            name,
            description,
            data,
            version,
            created_at,
            created_by,
            checksum,
        ] = texts;
        let known: bool = db.prepare_cached(KNOWN)?.query_row(
            params![
                name,
                description,
                data,
                version,
                created_at,
                created_by,
                checksum
            ],
            |row| row.get(0),
        )?;
        if !known {
            db.prepare_cached(ADD)?.execute(params![
                name,
                description,
                data,
                version,
                created_at,
                created_by,
                checksum,
                id
            ])?;
            added += 1;
        }
    }
    Ok(added)
}

/// A row of `ports`, and its JSON as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) row: Reservation,
    pub(crate) texts: Texts,
}

/// The JSON texts of a row. Another program's may have what nothing here can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) tags: Option<String>,
    pub(crate) metadata: Option<String>,
}

impl Texts {
    /// Whether equal rows are equal in these texts too: in what no row has, such as a number among the
    /// tags, and in what nothing here can read.
    pub(crate) fn are_like(&self, other: &Self) -> bool {
        use serde_json::Value;
        // Nothing is written in more than one way.
        let value = |text: &Option<String>| match text.as_deref().map(serde_json::from_str) {
            None => Some(Value::Null),
            Some(Ok(Value::Array(values))) if values.is_empty() => Some(Value::Null),
            Some(Ok(Value::Object(values))) if values.is_empty() => Some(Value::Null),
            Some(value) => value.ok(),
        };
        let alike = |left, right| {
            left == right || value(left).is_some_and(|left| Some(left) == value(right))
        };
        alike(&self.tags, &other.tags) && alike(&self.metadata, &other.metadata)
    }

    /// Writes them as they are over what the row was written with.
    pub(crate) fn put(&self, db: &Connection, port: u16) -> rusqlite::Result<()> {
        const SQL: &str = "UPDATE ports SET tags = ?2, metadata = ?3 WHERE number = ?1";
        db.prepare_cached(SQL)?
            .execute(params![port, self.tags, self.metadata])?;
        Ok(())
    }
}

/// Every row with a port's number, also of one that is free.
pub(crate) fn rows(db: &Connection) -> rusqlite::Result<HashMap<u16, Stored>> {
    const SQL: &str = "SELECT number, tags, metadata FROM ports WHERE number BETWEEN 1 AND 65535";
    let mut statement = db.prepare_cached(SQL)?;
    let texts = statement.query_map((), |row| {
        let texts = Texts {
            tags: column::text(row, 1)?,
            metadata: column::text(row, 2)?,
        };
        Ok((row.get::<_, u16>(0)?, texts))
    })?;
    let mut rows = HashMap::new();
    for found in texts {
        let (number, texts) = found?;
        if let Some(row) = super::ports::get(db, number)? {
            rows.insert(number, Stored { row, texts });
        }
    }
    Ok(rows)
}

/// How often the registry has each entry after number `newest`, and its newest one.
fn known(db: &Connection, newest: i64) -> Result<(i64, HashMap<Key, u32>), Failure> {
    let mut statement = db.prepare(
        "SELECT id, port, action, projectName, description, performedBy, performedAt, details \
         FROM port_history WHERE id > ?1 AND port BETWEEN 1 AND 65535 ORDER BY id",
    )?;
    let entries = statement.query_map([newest], |row| {
        Ok(Entry {
            id: row.get(0)?,
            port: row.get(1)?,
            action: row.get(2)?,
            project: row.get(3)?,
            description: row.get(4)?,
            performed_by: row.get(5)?,
            performed_at: row.get(6)?,
            details: row.get(7)?,
        })
    })?;
    let mut known = HashMap::new();
    let mut last = newest;
    for entry in entries {
        let entry = match entry {
            // A value of a wrong type, which equals nothing that is restored.
            Err(error) if error.sqlite_error_code().is_none() => continue,
            entry => entry?,
        };
        last = entry.id;
        *known.entry(key(&entry)).or_default() += 1;
    }
    Ok((last, known))
}

fn key(entry: &Entry) -> Key {
    let texts = [
        Some(&entry.action),
        entry.project.as_ref(),
        entry.description.as_ref(),
        entry.performed_by.as_ref(),
        Some(&entry.performed_at),
        entry.details.as_ref(),
    ];
    let mut hash = Sha256::new();
    hash.update(entry.port.to_le_bytes());
    for text in texts {
        // Lengths keep two texts from being taken for one; an absent text has none.
        hash.update(
            text.map_or(u64::MAX, |text| text.len() as u64)
                .to_le_bytes(),
        );
        hash.update(text.map_or(&[][..], |text| text.as_bytes()));
    }
    let mut key = Key::default();
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}
