//! Writers that know the documentation alone: triggers on, and any setting of the two pragmas that
//! change what triggers and foreign keys do. Once with the SQLite of this build and once with that of
//! the system's Python, which is years older.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
    named_params,
};
use serde_json::{Value, json};

#[path = "size.rs"]
mod size;
use size::size;

/// What a writer set before it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub foreign_keys: bool,
    pub recursive_triggers: bool,
}

impl Settings {
    pub const ALL: [Self; 4] = [
        Self::new(false, false),
        Self::new(false, true),
        Self::new(true, false),
        Self::new(true, true),
    ];

    const fn new(foreign_keys: bool, recursive_triggers: bool) -> Self {
        Self {
            foreign_keys,
            recursive_triggers,
        }
    }

    fn pragmas(self) -> [String; 2] {
        [
            format!("PRAGMA foreign_keys = {};", self.foreign_keys),
            format!("PRAGMA recursive_triggers = {};", self.recursive_triggers),
        ]
    }
}

/// One script, and what to ask afterwards. A query sees `:mark`, the last history id before `act`.
#[derive(Debug, Clone)]
pub struct Run {
    pub name: String,
    pub setup: String,
    pub act: String,
    pub ask: Vec<&'static str>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub error: Option<String>,
    pub answers: Vec<String>,
}

/// Runs everything with each setting (`cargo test`: all off, all on) and each SQLite, and hands each outcome to `check`.
pub fn each(runs: &[Run], check: impl Fn(&Run, Settings, &Outcome, &str)) {
    let schema = database();
    for settings in Settings::ALL.into_iter().step_by(size(3, 1)) {
        for (run, outcome) in runs.iter().zip(with_python(runs, settings)) {
            let context = format!("{} ({settings:?}, Python's SQLite)", run.name);
            check(run, settings, &outcome, &context);
        }
        for run in runs {
            let context = format!("{} ({settings:?}, bundled SQLite)", run.name);
            let outcome = with_rusqlite(&schema, run, settings);
            check(run, settings, &outcome, &context);
        }
    }
}

/// A database in memory with the present schema, as the foreign writer opens it.
pub fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for migration in portkeeper_migrations::ALL {
        connection.execute_batch(migration.sql).unwrap();
    }
    connection
}

/// On a copy of `schema`: to run the migrations takes most of a run's time.
fn with_rusqlite(schema: &Connection, run: &Run, settings: Settings) -> Outcome {
    let mut connection = Connection::open_in_memory().unwrap();
    let copy = Backup::new(schema, &mut connection).unwrap();
    assert_eq!(copy.step(-1).unwrap(), StepResult::Done);
    drop(copy);
    for script in settings.pragmas().iter().chain([&run.setup]) {
        connection.execute_batch(script).unwrap();
    }
    let mark: i64 = connection
        .query_row(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence",
            (),
            |row| row.get(0),
        )
        .unwrap();
    let error = connection.execute_batch(&run.act).err();
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").unwrap();
    }
    let ask = |query: &&str| {
        let answer = if query.contains(":mark") {
            connection.query_row(query, named_params! {":mark": mark}, |row| row.get(0))
        } else {
            connection.query_row(query, (), |row| row.get(0))
        };
        answer.unwrap_or_else(|error| panic!("{}: {query}: {error}", run.name))
    };
    Outcome {
        error: error.map(|error| match error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message,
            // `execute_batch` fails to prepare what a validating trigger of a constant refuses.
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        }),
        answers: run.ask.iter().map(ask).collect(),
    }
}

fn with_python(runs: &[Run], settings: Settings) -> Vec<Outcome> {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/support/store_foreign.py"
    );
    let schema: Vec<&str> = portkeeper_migrations::ALL
        .iter()
        .map(|migration| migration.sql)
        .collect();
    let runs: Vec<Value> = runs
        .iter()
        .map(|run| {
            json!({"pragmas": settings.pragmas(), "setup": run.setup, "act": run.act, "ask": run.ask})
        })
        .collect();
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let work = json!({"schema": schema, "runs": runs}).to_string();
    let mut input = python.stdin.take().unwrap();
    // Python reads all of its input before it writes.
    input.write_all(work.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    let outcomes: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcomes.len(), runs.len());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    outcomes
        .iter()
        .map(|outcome| Outcome {
            error: text(&outcome["error"]),
            answers: outcome["answers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|answer| text(answer).unwrap())
                .collect(),
        })
        .collect()
}
