//! Reads a dump: SQL text that may do nothing but build a database.

use std::{fs, path::Path};

use rusqlite::{
    Connection, ErrorCode,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::{Failure, dump::CHECKSUM, failure::refusal, file, sha256, untrusted, watched};
use crate::{
    error::{Error, ErrorKind},
    model::shown,
    watch::{Progress, Watch},
};

/// What defaults, constraints and indexes of a registry call, and what a dump writes texts with.
const FUNCTIONS: [&str; 14] = [
    "char",
    "coalesce",
    "date",
    "datetime",
    "iif",
    "json_object",
    "json_type",
    "json_valid",
    "julianday",
    "replace",
    "strftime",
    "time",
    "trim",
    "unistr",
];

/// The largest text that is read, and the largest database that one makes: 1 GiB, in bytes and pages.
const MOST_BYTES: u64 = 1 << 30;
const MOST_PAGES: u64 = MOST_BYTES / 4096;

const STEP: Progress = Progress {
    operation: "restore",
    done: 0,
    total: 0,
};

/// Runs the dump at `path` in a private database. `not_a_database` is what to say of a file whose
/// beginning is no SQL either.
///
/// Every statement is judged before it runs: tables, indexes, triggers and views may be created and
/// rows inserted. Nothing can be selected, attached or loaded, so that no text reaches another file,
/// or keeps SQLite busy for longer than its length explains.
pub(super) fn load(
    path: &Path,
    not_a_database: rusqlite::Error,
    watch: &mut Watch<'_>,
) -> Result<Connection, Failure> {
    let metadata = fs::metadata(path).map_err(|error| file::failed(path, error))?;
    if metadata.len() > MOST_BYTES {
        let reason = "is no database, and as a dump larger than 1 GiB";
        return Err(Error::invalid("source", path.display().to_string(), reason).into());
    }
    let bytes = fs::read(path).map_err(|error| file::failed(path, error))?;
    let Some(text) = String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
    else {
        return Err(not_a_database.into());
    };
    check_sum(path, &text)?;
    let mut private = untrusted::private()?;
    private.execute_batch(&format!("PRAGMA max_page_count = {MOST_PAGES}"))?;
    private.authorizer(Some(judge))?;
    let mut first = true;
    let mut not_a_database = Some(not_a_database);
    watched::run(&mut private, watch, STEP, |private| {
        let mut rest = text.as_str();
        while !rest.trim_start().is_empty() {
            let (statement, next) = split(rest);
            rest = next;
            match private.execute_batch(statement) {
                Ok(()) => first = false,
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) =>
                {
                    return Err(error.into());
                }
                Err(error) => {
                    return Err(match not_a_database.take().filter(|_| first) {
                        Some(error) => error.into(),
                        None => refused(path, statement, &error).into(),
                    });
                }
            }
        }
        if private.is_autocommit() {
            Ok(())
        } else {
            let reason = "it is a dump without its end: there is no COMMIT";
            Err(refusal(ErrorKind::DatabaseCorrupt, path, reason).into())
        }
    })?;
    private.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    Ok(private)
}

/// Refuses a text that is not the one that was written, wherever it was changed. One without a checksum
/// is another program's.
fn check_sum(path: &Path, text: &str) -> Result<(), Failure> {
    if !text.contains(CHECKSUM) {
        return Ok(());
    }
    let mut rest = text;
    while !rest.is_empty() {
        let before = text.len() - rest.len();
        let (statement, next) = split(rest);
        rest = next;
        // The checksum is a comment before the end of the transaction; within a row it would be
        // somebody's description.
        let command = skip_comments(statement);
        let comments = &statement[..statement.len() - command.len()];
        let Some(at) = comments.rfind(CHECKSUM) else {
            continue;
        };
        let word = command.split(|letter: char| !letter.is_ascii_alphabetic());
        let word = word.into_iter().next().unwrap_or_default();
        if !["COMMIT", "END"]
            .iter()
            .any(|end| end.eq_ignore_ascii_case(word))
        {
            continue;
        }
        let sum = comments[at + CHECKSUM.len()..].lines().next();
        if sum.map(str::trim) != Some(&sha256(&text.as_bytes()[..before + at])) {
            let reason = format!(
                "it is not what was written: this dump has changed since. Remove its line {:?} to \
                 restore it as it is",
                CHECKSUM.trim_end()
            );
            return Err(refusal(ErrorKind::DatabaseCorrupt, path, reason).into());
        }
        let added = skip_comments(rest);
        if !added.is_empty() {
            let reason = format!("something follows its end: {}", shown(added));
            return Err(refusal(ErrorKind::DatabaseCorrupt, path, reason).into());
        }
    }
    Ok(())
}

/// What comes after white space and comments.
fn skip_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let end = if text.starts_with("--") {
            text.find('\n').map(|end| end + 1)
        } else if text.starts_with("/*") {
            text.find("*/").map(|end| end + 2)
        } else {
            return text;
        };
        text = end.map_or("", |end| &text[end..]);
    }
}

fn refused(path: &Path, statement: &str, error: &rusqlite::Error) -> Error {
    let what = match error.sqlite_error_code() {
        Some(ErrorCode::AuthorizationForStatementDenied) => "no dump does this".to_owned(),
        Some(ErrorCode::DiskFull) => "the database becomes larger than 1 GiB".to_owned(),
        _ => error.to_string(),
    };
    let reason = format!("its statement {}: {what}", shown(statement.trim()));
    refusal(ErrorKind::DatabaseCorrupt, path, reason)
}

fn judge(context: AuthContext<'_>) -> Authorization {
    use AuthAction::{
        Analyze, CreateIndex, CreateTable, CreateTrigger, CreateView, Delete, Function, Insert,
        Pragma, Read, Reindex, Transaction, Update,
    };
    let allowed = match context.action {
        CreateTable { .. }
        | CreateIndex { .. }
        | CreateTrigger { .. }
        | CreateView { .. }
        | Insert { .. }
        | Read { .. }
        | Reindex { .. }
        | Analyze { .. }
        | Transaction { .. } => true,
        // SQLite's own bookkeeping; without writable_schema no text can do it.
        Update { table_name, .. } => table_name == "sqlite_master",
        Delete { table_name } => table_name == "sqlite_sequence",
        Pragma { pragma_name, .. } => {
            ["foreign_keys", "application_id", "user_version"].contains(&pragma_name)
        }
        Function { function_name } => FUNCTIONS.contains(&function_name),
        _ => false,
    };
    if allowed && context.database_name.is_none_or(|name| name == "main") {
        Authorization::Allow
    } else {
        Authorization::Deny
    }
}

/// The first statement with its semicolon, and the rest.
///
/// SQLite could split too, but copies the whole rest for each statement: a dump of a million rows
/// would take days.
fn split(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut words: Vec<&str> = Vec::new();
    // The last two things before a semicolon; a trigger ends with `; END ;`.
    let (mut before, mut last) = ("", "");
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &text[at..];
        let length = match byte {
            b'\'' | b'"' | b'`' => rest[1..].find(char::from(*byte)).map(|end| end + 2),
            b'[' => rest.find(']').map(|end| end + 1),
            b'-' if rest.starts_with("--") => rest.find('\n'),
            b'/' if rest.starts_with("/*") => rest.find("*/").map(|end| end + 2),
            b';' => {
                let trigger = words.first() == Some(&"CREATE") && words.contains(&"TRIGGER");
                if !trigger || (last == "END" && before == ";") {
                    return text.split_at(at + 1);
                }
                (before, last) = (last, ";");
                Some(1)
            }
            byte if byte.is_ascii_alphabetic() => {
                let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
                let word = &rest[..end.unwrap_or(rest.len())];
                let known = ["CREATE", "TEMP", "TEMPORARY", "TRIGGER", "END"];
                let known = known.iter().find(|known| known.eq_ignore_ascii_case(word));
                if words.len() < 3 {
                    words.push(known.copied().unwrap_or_default());
                }
                (before, last) = (last, known.copied().unwrap_or_default());
                end
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    (before, last) = (last, "");
                }
                // Whole characters: the next slice must begin with one.
                rest.chars().next().map(char::len_utf8)
            }
        };
        at = length.map_or(bytes.len(), |length| at + length);
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn statements_end_where_sqlite_ends_them() {
        for (text, first) in [
            ("a; b;", "a;"),
            (
                "a ';' \";\" `;` [;] -- ;\n /* ; */ é; b",
                "a ';' \";\" `;` [;] -- ;\n /* ; */ é;",
            ),
            ("a 'it''s;'; b;", "a 'it''s;';"),
            (
                "create trigger t begin select case when 1 then 2 end; end; b;",
                "create trigger t begin select case when 1 then 2 end; end;",
            ),
            (
                "CREATE TEMP TRIGGER t BEGIN a; END; b;",
                "CREATE TEMP TRIGGER t BEGIN a; END;",
            ),
            (
                "CREATE TABLE trigger1 (a); b;",
                "CREATE TABLE trigger1 (a);",
            ),
            ("a 'open; b;", "a 'open; b;"),
            ("a", "a"),
        ] {
            assert_eq!(split(text).0, first);
            assert_eq!(split(text).1, &text[first.len()..]);
        }
    }
}
