//! Every query of the documentation runs as it is printed, on a database that the engine made and
//! filled, and gives the right answer.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    ops::RangeInclusive,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use portkeeper_core::{
    Filter, Keeper, Options, ProcessIdentity, ReserveRequest, Result, Socket,
    host::{Fate, Host, Probe, System, Wanted},
};
use rusqlite::{Batch, Connection, fallible_iterator::FallibleIterator, types::Value};

const SPEC: &str = include_str!("spec/database-schema.md");

/// The sections with schema; `store_schema` compares it with what the migrations make.
const SCHEMA: [&str; 2] = ["Tables", "Triggers"];

struct Block {
    section: &'static str,
    title: &'static str,
    sql: String,
}

/// The `sql` blocks of the documentation, in its order.
fn blocks() -> Vec<Block> {
    // Headings begin with a picture.
    let text = |line: &'static str| line.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let (mut section, mut title) = ("", "");
    let mut open: Option<String> = None;
    let mut blocks = Vec::new();
    for line in SPEC.lines() {
        match &mut open {
            Some(sql) if line == "```" => {
                let sql = std::mem::take(sql);
                blocks.push(Block {
                    section,
                    title,
                    sql,
                });
                open = None;
            }
            Some(sql) => {
                sql.push_str(line);
                sql.push('\n');
            }
            None if line == "```sql" => open = Some(String::new()),
            None if line.starts_with("## ") => (section, title) = (text(line), ""),
            None if line.starts_with("### ") => title = text(line),
            None => {}
        }
    }
    blocks
}

/// The real machine, of which only one port is seen, and a clock that stands where it was set.
#[derive(Debug)]
struct OnePort {
    port: u16,
    start: DateTime<Utc>,
    days: AtomicI64,
}

impl Host for OnePort {
    fn now(&self) -> DateTime<Utc> {
        self.start + TimeDelta::days(self.days.load(Ordering::Relaxed))
    }

    fn probe(&self, port: u16) -> Result<Probe> {
        if port == self.port {
            System.probe(port)
        } else {
            Ok(Probe::Free)
        }
    }

    fn sockets(&self, wanted: Wanted) -> Result<Vec<Socket>> {
        let mut sockets = System.sockets(wanted)?;
        sockets.retain(|socket| socket.port == self.port);
        Ok(sockets)
    }

    fn ephemeral_ports(&self) -> Option<RangeInclusive<u16>> {
        System.ephemeral_ports()
    }

    fn reserved_ports(&self) -> Vec<RangeInclusive<u16>> {
        System.reserved_ports()
    }

    fn identity(&self, pid: u32) -> Result<Option<ProcessIdentity>> {
        System.identity(pid)
    }

    fn fate(&self, process: &ProcessIdentity) -> Fate {
        System.fate(process)
    }

    fn descends(&self, pid: u32, ancestor: u32) -> bool {
        System.descends(pid, ancestor)
    }
}

/// A database with a port in use, reserved and stale ones, and some that were given back lately and
/// long ago; and a reader that knows the documentation alone.
struct Filled {
    keeper: Keeper,
    reader: Connection,
    _server: TcpListener,
    port: u16,
}

impl Filled {
    fn new(path: &Path) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let host = Arc::new(OnePort {
            port,
            start: Utc::now().trunc_subsecs(0),
            days: AtomicI64::new(0),
        });
        let options = Options::new().path(path).actor("spec");
        let keeper = options.host(host.clone()).open().unwrap();
        let at = |days: i64, act: &dyn Fn() -> Result<()>| {
            host.days.store(days, Ordering::Relaxed);
            act().unwrap();
        };
        let reserve = |port: u16, project: &str| keeper.reserve(port, ReserveRequest::new(project));
        let lend = |port: u16| {
            reserve(port, "shop")?;
            keeper.release(port).map(drop)
        };
        at(-400, &|| lend(4000));
        at(-364, &|| lend(4001));
        at(-40, &|| reserve(3002, "blog").map(drop));
        at(-29, &|| reserve(3003, "blog").map(drop));
        at(0, &|| {
            reserve(3000, "intruder")?;
            keeper.release(3000)?;
            let web = ReserveRequest::new("my-app").description("React dev server");
            keeper.reserve(3000, web.tags(["frontend", "react"]))?;
            lend(3004)?;
            reserve(port, "my-app")?;
            keeper.scan().map(drop)
        });

        let reader = Connection::open(path).unwrap();
        // A scan of the engine takes the place of the one before; other tools add theirs.
        for (port, days) in [(9001, 8), (9002, 6)] {
            reader
                .execute(
                    "INSERT INTO active_scans (port, scannedAt) VALUES (?1, datetime('now', ?2))",
                    (port, format!("-{days} days")),
                )
                .unwrap();
        }
        Self {
            keeper,
            reader,
            _server: server,
            port,
        }
    }

    /// The rows that each statement of the text returns.
    fn answers(&self, sql: &str) -> Vec<Vec<Vec<Value>>> {
        let mut batch = Batch::new(&self.reader, sql);
        let mut answers = Vec::new();
        while let Some(mut statement) = batch.next().unwrap() {
            let width = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect();
            let rows = statement.query_map([], row).unwrap();
            answers.push(rows.collect::<rusqlite::Result<_>>().unwrap());
        }
        answers
    }

    /// The same as text, a statement's rows one a line.
    fn lines(&self, sql: &str) -> Vec<String> {
        let shown = |value: Value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => format!("{number:.1}"),
            Value::Text(text) => text,
            Value::Blob(_) => "a blob".to_owned(),
        };
        let answers = self.answers(sql).into_iter().flatten();
        answers
            .map(|row| row.into_iter().map(shown).collect::<Vec<_>>().join(" | "))
            .collect()
    }

    fn ids(&self, table: &str) -> BTreeSet<String> {
        self.lines(&format!("SELECT id FROM {table}"))
            .into_iter()
            .collect()
    }

    /// Runs one block and compares its answer; `false` for one that is not known here.
    fn check(&self, title: &str, sql: &str) -> bool {
        let port = self.port;
        match title {
            "Get All Reserved Ports" => {
                let rows = self.lines(sql);
                let begins = |row: &str, with: &str| assert!(row.starts_with(with), "{row}");
                assert_eq!(rows.len(), 4);
                begins(&rows[0], "3000 | my-app | React dev server | 20");
                assert!(rows[0].ends_with(r#"Z | ["frontend","react"]"#));
                begins(&rows[1], "3002 | blog | NULL | 20");
                begins(&rows[2], "3003 | blog | NULL | 20");
                begins(&rows[3], &format!("{port} | my-app | NULL | 20"));
            }
            "Find Ports by Project" => {
                let answers = self.answers(sql);
                let numbers: Vec<&Value> = answers[0].iter().map(|row| &row[0]).collect();
                assert_eq!(numbers, [&Value::Integer(3000), &i64::from(port).into()]);
                assert!(answers[0].iter().all(|row| row.len() == 12));
            }
            "Get Port History" => {
                let answers = self.answers(sql);
                let column = |at: usize| -> Vec<Value> {
                    answers[0].iter().map(|row| row[at].clone()).collect()
                };
                let text = |word: &str| Value::Text(word.to_owned());
                // All in one second, and the newest first.
                assert_eq!(column(0), ["reserved", "released", "reserved"].map(text));
                assert_eq!(column(2), ["my-app", "intruder", "intruder"].map(text));
                let seconds = column(1);
                assert!(seconds.iter().all(|second| *second == seconds[0]));
                assert_eq!(column(3)[0], text("React dev server"));
                assert_eq!(column(4)[0], text(r#"{"reason":"requested"}"#));
            }
            "Find Stale Reservations" => {
                let answers = self.answers(sql);
                let [row] = answers[0].as_slice() else {
                    panic!("one reservation is stale: {answers:?}");
                };
                assert_eq!(
                    row[..2],
                    [Value::Integer(3002), Value::Text("blog".to_owned())]
                );
                let Value::Real(days) = row[3] else {
                    panic!("{row:?}");
                };
                assert!((39.99..40.1).contains(&days), "{days} days");
            }
            "Active Port Summary" => {
                let name = self
                    .keeper
                    .get(port)
                    .unwrap()
                    .unwrap()
                    .process_name
                    .unwrap();
                let me = std::process::id();
                let expected = format!("{port} | my-app | in-use | {me} | {name} | listen");
                assert_eq!(self.lines(sql), [expected]);
            }
            "v_port_summary" => {
                self.is_in_the_schema(title, sql);
                assert_eq!(
                    self.lines("SELECT * FROM v_port_summary"),
                    ["3 | 1 | 3 | 7"]
                );
            }
            "v_project_ports" => {
                self.is_in_the_schema(title, sql);
                let mut rows = self.lines("SELECT * FROM v_project_ports ORDER BY projectName");
                // The order within a group is SQLite's affair.
                for (one, other) in [
                    ("3003,3002".to_owned(), "3002,3003".to_owned()),
                    (format!("{port},3000"), format!("3000,{port}")),
                ] {
                    rows.iter_mut()
                        .for_each(|row| *row = row.replace(&one, &other));
                }
                let app = format!("my-app | 3000,{port} | 2 | 1");
                assert_eq!(rows, ["blog | 3002,3003 | 2 | 0".to_owned(), app]);
            }
            "Vacuum Database" => {
                let before = self.keeper.list(Filter::claims()).unwrap();
                assert!(self.lines(sql).is_empty());
                assert_eq!(self.keeper.list(Filter::claims()).unwrap(), before);
                let counted = "SELECT stat FROM sqlite_stat1 WHERE idx = 'idx_ports_project'";
                assert!(self.lines(counted)[0].starts_with("7 "));
            }
            "Clean Old History" => {
                let old = "SELECT id FROM port_history WHERE port = 4000";
                let mut entries = self.ids("port_history");
                let mut scans = self.ids("active_scans");
                assert_eq!(self.lines(old).len(), 2);
                for id in self.lines(old) {
                    entries.remove(&id);
                }
                for id in self.lines("SELECT id FROM active_scans WHERE port = 9001") {
                    scans.remove(&id);
                }
                assert!(self.lines(sql).is_empty());
                assert_eq!(self.ids("port_history"), entries);
                assert_eq!(self.ids("active_scans"), scans);
                assert!(entries.len() == 11 && scans.len() == 2);
            }
            "Integrity Check" => {
                let ok = Value::Text("ok".to_owned());
                assert_eq!(self.answers(sql), [vec![vec![ok]], vec![]]);
            }
            "Query Optimization" => {
                let plan = self.lines(sql).join("\n");
                assert!(plan.contains("USING INDEX idx_ports_project"), "{plan}");
            }
            "Database Statistics" => {
                let answers = self.answers(sql);
                assert_eq!(answers.len(), 2);
                let Value::Real(megabytes) = answers[1][0][0] else {
                    panic!("{answers:?}");
                };
                assert!((0.01..10.0).contains(&megabytes), "{megabytes} MB");
            }
            _ => return false,
        }
        true
    }

    /// The database has the view already, in these words.
    fn is_in_the_schema(&self, name: &str, sql: &str) {
        let stored = self.lines(&format!(
            "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = '{name}'"
        ));
        let words = |text: &str| {
            let text = text.trim().trim_end_matches(';');
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(&stored[0]), words(sql));
    }
}

#[test]
fn every_documented_query_gives_the_right_answer() {
    let folder = tempfile::tempdir().unwrap();
    let filled = Filled::new(&folder.path().join("database.db"));
    let blocks = blocks();
    let (schema, queries): (Vec<&Block>, Vec<&Block>) = blocks
        .iter()
        .partition(|block| SCHEMA.contains(&block.section));
    assert_eq!((schema.len(), queries.len()), (7, 12));
    for Block {
        section,
        title,
        sql,
    } in queries
    {
        println!("{section}: {title}");
        assert!(filled.check(title, sql), "{section}: {title} is not known");
    }

    // The engine goes on with what the maintenance left.
    filled.keeper.release(filled.port).unwrap();
    assert_eq!(filled.keeper.summary().unwrap().in_use, 0);
}
