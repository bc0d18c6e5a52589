//! Columns of rows that another program may have written.
//!
//! SQLite stores any value in any column, so that one row of another program would keep the engine
//! from reading every other one. What is not of the column's type counts as absent.

use rusqlite::{Row, types::ValueRef};

use crate::model::Action;

/// A text, with a replacement character for each byte that is not UTF-8. A blob is read as text.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    })
}

/// What an entry of the history says happened; the table knows no other word.
pub(super) fn action(row: &Row<'_>, column: usize) -> rusqlite::Result<Action> {
    Ok(match text(row, column)?.as_deref() {
        Some("released") => Action::Released,
        Some("in-use") => Action::InUse,
        Some("killed") => Action::Killed,
        _ => Action::Reserved,
    })
}

pub(super) fn pid(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u32>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => u32::try_from(number).ok(),
        _ => None,
    })
}

pub(super) fn flag(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(matches!(row.get_ref(column)?, ValueRef::Integer(number) if number != 0))
}
