//! Looks for damage: by SQLite, by another writer, by hand.

use std::collections::HashSet;

use rusqlite::Connection;

use super::{
    Failure, Store, configurations,
    failure::unread,
    ports::{self, Listed},
    schema, source, watched,
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::{DocumentPort, Finding, FindingKind, Severity},
    watch::{Progress, Watch},
};

mod checks;

use checks::{CHECKS, Check};

const OPERATION: &str = "verify";

/// Findings of each check that are told; a broken table would have millions.
const MOST: usize = 100;

/// What there is to find. Nothing is changed, and others go on writing.
pub(crate) fn run(store: &Store, watch: &mut Watch<'_>) -> Result<Vec<Finding>> {
    let apart = store.unchecked()?;
    apart.enlarge_cache()?;
    let path = store.path();
    let total = 6 + CHECKS.len() as u64;
    let mut done = 0;
    let mut look = |body: &(dyn Fn(&Connection) -> Result<Vec<Finding>, Failure> + Sync)| {
        let progress = Progress {
            operation: OPERATION,
            done,
            total,
        };
        done += 1;
        apart.with_connection(|db| {
            watched::run(db, watch, progress, |db| match body(db) {
                Err(Failure::Sqlite(error)) => damage(error),
                found => found,
            })
        })
    };
    let mut findings = look(&integrity)?;
    findings.extend(look(&foreign_keys)?);
    findings.extend(look(&|db| match schema::verify(db, path) {
        Err(Failure::Refused(Error::Database {
            kind: ErrorKind::SchemaMismatch,
            reason,
            ..
        })) => Ok(vec![finding(FindingKind::Schema, None, reason)]),
        Err(failure) => Err(failure),
        Ok(()) => Ok(Vec::new()),
    })?);
    for check in CHECKS {
        findings.extend(look(&|db| rows(db, check))?);
    }
    findings.extend(look(&altered)?);
    let mut following = look(&unrestorable)?;
    following.extend(look(&unexportable)?);
    watch.report(OPERATION, total, total)?;
    findings.dedup();
    // A row that breaks a rule can be neither restored nor exported: that is told once.
    let row = |finding: &Finding| Some(finding.message.split_once(": ")?.0.to_owned());
    let mut told: HashSet<_> = findings.iter().filter_map(row).collect();
    following.retain(|finding| row(finding).is_none_or(|row| told.insert(row)));
    findings.extend(following);
    Ok(findings)
}

fn integrity(db: &Connection) -> Result<Vec<Finding>, Failure> {
    let mut statement = db.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
    let lines = statement.query_map((), |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
    if let Some(error) = lines.iter().find_map(|line| unread(line)) {
        return Err(error.into());
    }
    let told = lines.into_iter().filter(|line| line != "ok");
    Ok(told
        .map(|line| {
            finding(
                FindingKind::Integrity,
                None,
                line.trim().replace('\n', "; "),
            )
        })
        .collect())
}

fn foreign_keys(db: &Connection) -> Result<Vec<Finding>, Failure> {
    let mut statement = db.prepare("PRAGMA foreign_key_check")?;
    let rows = statement.query_map((), |row| {
        let (table, id): (String, Option<i64>) = (row.get(0)?, row.get(1)?);
        let id = id.map_or_else(String::new, |id| format!(" {id}"));
        let message = format!("row{id} of {table} refers to a port without a row");
        Ok(finding(FindingKind::ForeignKey, None, message))
    })?;
    Ok(rows.take(MOST).collect::<rusqlite::Result<_>>()?)
}

/// The rows that a check returns: a port or NULL, and a sentence.
fn rows(db: &Connection, check: &Check) -> Result<Vec<Finding>, Failure> {
    let mut statement = db.prepare(check.sql)?;
    let rows = statement.query_map((), |row| {
        Ok(Finding {
            severity: check.severity,
            kind: check.kind,
            port: row.get(0).unwrap_or_default(),
            message: String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?).into_owned(),
        })
    })?;
    let found = rows.take(MOST).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(found)
}

/// Saved documents that are not what was saved.
fn altered(db: &Connection) -> Result<Vec<Finding>, Failure> {
    let altered = configurations::altered(db)?.into_iter().take(MOST);
    let told = altered.map(|id| {
        let message =
            format!("configurations {id}: its document is not what its checksum was made of");
        finding(FindingKind::Value, None, message)
    });
    Ok(told.collect())
}

/// Rows that a restore of a backup would refuse.
fn unrestorable(db: &Connection) -> Result<Vec<Finding>, Failure> {
    let told = source::refused(db, MOST)?.into_iter().map(|row| {
        let message = format!(
            "{} {}: it cannot be restored: {}",
            row.table, row.id, row.what
        );
        finding(FindingKind::Value, row.port, message)
    });
    Ok(told.collect())
}

/// Claims that no document may have, which other programs can make.
fn unexportable(db: &Connection) -> Result<Vec<Finding>, Failure> {
    let unreadable = ports::unreadable(db)?;
    let mut told = Vec::new();
    for row in ports::list(db, &Listed::default())? {
        let what = match DocumentPort::from(&row).checked() {
            Err(error) => error.to_string(),
            Ok(_) if unreadable.contains(&row.number) => {
                "its JSON is beyond what can be read here".to_owned()
            }
            Ok(_) => continue,
        };
        told.push(Finding {
            severity: Severity::Warning,
            kind: FindingKind::Value,
            port: Some(i64::from(row.number)),
            message: format!("ports {}: it cannot be exported: {what}", row.number),
        });
    }
    told.truncate(MOST);
    Ok(told)
}

/// Damage that keeps a check from its end is a finding too; a lack of locks or memory is none.
fn damage(error: rusqlite::Error) -> Result<Vec<Finding>, Failure> {
    use rusqlite::{Error as Rusqlite, ErrorCode};
    let kind = match error.sqlite_error_code() {
        None if matches!(
            error,
            Rusqlite::InvalidColumnType(..)
                | Rusqlite::FromSqlConversionFailure(..)
                | Rusqlite::IntegralValueOutOfRange(..)
                | Rusqlite::Utf8Error(..)
        ) =>
        {
            FindingKind::Value
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => FindingKind::Integrity,
        // A table or column that is missing.
        Some(ErrorCode::Unknown) => FindingKind::Schema,
        _ => return Err(error.into()),
    };
    Ok(vec![finding(kind, None, error.to_string())])
}

fn finding(kind: FindingKind, port: Option<i64>, message: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        kind,
        port,
        message: message.into(),
    }
}
