//! The registry as SQL text.

use std::io::{self, Write};

use rusqlite::{Connection, Row, types::ValueRef};
use sha2::{Digest, Sha256};

use super::{
    Failure, Store,
    checksum::hexadecimal,
    failure::refusal,
    migrate::{APPLICATION_ID, LATEST},
    schema,
    stats::rows,
};
use crate::{
    error::{Error, ErrorKind, Result},
    watch::Watch,
};

const OPERATION: &str = "dump";

/// Begins the line before the last, which has the SHA-256 of all the text above it.
pub(super) const CHECKSUM: &str = "-- sha256 ";

/// Rows between two looks at the watch.
const BATCH: u64 = 1_000;

/// Writes one snapshot as statements that build it anew.
///
/// Triggers come after the rows, or reading the text back would double the history, and the number of
/// the version last, so that a text that was cut off makes no database. Tables that are not the
/// engine's are not its business.
pub(crate) fn write(store: &Store, out: &mut dyn Write, watch: &mut Watch<'_>) -> Result<()> {
    watch.report(OPERATION, 0, 0)?;
    let apart = store.apart()?;
    let mut begun = false;
    apart.read(|db| {
        // Begins the snapshot, and may have to wait; from here on nothing is busy.
        db.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
        // Half a text cannot be taken back.
        if std::mem::replace(&mut begun, true) {
            let reason = "it became busy while it was dumped";
            return Err(refusal(ErrorKind::DatabaseBusy, store.path(), reason).into());
        }
        let mut out = Hashing {
            out: &mut *out,
            hash: Sha256::new(),
        };
        script(store, db, &mut out, watch)
    })
}

fn script(
    store: &Store,
    db: &Connection,
    out: &mut Hashing<'_>,
    watch: &mut Watch<'_>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let kind = if error.kind() == io::ErrorKind::StorageFull {
            ErrorKind::DatabaseFull
        } else {
            ErrorKind::DatabaseError
        };
        Error::Database {
            kind,
            path: store.path().to_owned(),
            reason: format!("its dump could not be written: {error}"),
            source: Some(Box::new(error)),
        }
    };
    let objects = schema::after(LATEST);
    let (tables, others): (Vec<_>, Vec<_>) = objects
        .iter()
        .partition(|object| object.key.starts_with("table "));
    let total = rows(db)?.values().sum();
    let mut done = 0;
    writeln!(out, "PRAGMA foreign_keys = OFF;\nBEGIN TRANSACTION;").map_err(failed)?;
    for table in tables {
        writeln!(out, "{};", table.sql).map_err(failed)?;
        let name = table.key.trim_start_matches("table ");
        let mut statement = db.prepare(&format!("SELECT * FROM {name} NOT INDEXED"))?;
        let columns = statement.column_count();
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            insert(out, name, row, columns)?.map_err(failed)?;
            done += 1;
            if done % BATCH == 0 {
                watch.report(OPERATION, done, total)?;
            }
        }
    }
    // Numbers of the history that were given once are never given again.
    writeln!(out, "DELETE FROM sqlite_sequence;").map_err(failed)?;
    let mut statement = db.prepare("SELECT name, seq FROM sqlite_sequence ORDER BY name")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        insert(out, "sqlite_sequence", row, 2)?.map_err(failed)?;
    }
    for object in others {
        writeln!(out, "{};", object.sql).map_err(failed)?;
    }
    watch.report(OPERATION, total, total)?;
    writeln!(
        out,
        "PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {LATEST};"
    )
    .map_err(failed)?;
    let sum = hexadecimal(&out.hash.finalize_reset());
    writeln!(out, "{CHECKSUM}{sum}\nCOMMIT;")
        .and_then(|()| out.flush())
        .map_err(failed)?;
    Ok(())
}

/// Sums up what goes through it.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn insert(
    out: &mut dyn Write,
    table: &str,
    row: &Row<'_>,
    columns: usize,
) -> rusqlite::Result<io::Result<()>> {
    let mut line = format!("INSERT INTO {table} VALUES(");
    for column in 0..columns {
        if column > 0 {
            line.push(',');
        }
        literal(&mut line, row.get_ref(column)?);
    }
    line.push_str(");\n");
    Ok(out.write_all(line.as_bytes()))
}

/// Appends a value as SQL that gives the very same value.
fn literal(line: &mut String, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => line.push_str("NULL"),
        ValueRef::Integer(number) => line.push_str(&number.to_string()),
        ValueRef::Real(number) if number.is_infinite() => {
            line.push_str(if number > 0.0 { "9e999" } else { "-9e999" });
        }
        // The shortest digits that are read back as this number.
        ValueRef::Real(number) => {
            // Writing to a string cannot fail.
            let _ = std::fmt::Write::write_fmt(line, format_args!("{number:?}"));
        }
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            // `sqlite3` reads lines, so that a carriage return at the end of one is lost.
            Ok(text) if !text.contains(['\r', '\0']) => {
                line.push('\'');
                line.push_str(&text.replace('\'', "''"));
                line.push('\'');
            }
            _ => {
                line.push_str("CAST(");
                blob(line, bytes);
                line.push_str(" AS TEXT)");
            }
        },
        ValueRef::Blob(bytes) => blob(line, bytes),
    }
}

fn blob(line: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    line.push_str("X'");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            line.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    line.push('\'');
}
