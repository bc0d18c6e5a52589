//! Processes that write at full speed what anybody can predict: the `n`th write of each is known, and so
//! is all that a registry holds after so many writes of each.
//!
//! A writer is the test program once more: a test that begins with `if numbered::write() { return; }` is
//! the process that [`Writer::start`] starts with that test's name.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    ops::Range,
    path::Path,
    process::{Child, ChildStdin, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::{
    Action, Durability, ErrorKind, HistoryQuery, Keeper, Options, ReserveRequest, Status,
};

use crate::support::{child, child_argument};

const PORTS: u16 = 40;

/// The ports of a writer.
pub fn ports(writer: u16) -> Range<u16> {
    let first = 26_000 + 100 * writer;
    first..first + PORTS
}

/// What the `n`th write, from 0, does to which port: claims it anew, alters the claim, or ends it.
fn write_of(writer: u16, n: u64) -> (u16, Option<Claim>) {
    let turn = n / 3;
    let port = ports(writer).start + u16::try_from(turn % u64::from(PORTS)).unwrap();
    if n % 3 == 2 && turn.is_multiple_of(2) {
        return (port, None);
    }
    let claim = Claim {
        description: format!("writer {writer}, write {n}: it's \"ünïcode\""),
        tags: vec![format!("w{writer}"), format!("n{n}")],
        metadata: format!(r#"{{"n":{n}}}"#),
    };
    (port, Some(claim))
}

fn project(writer: u16) -> String {
    format!("project {writer}")
}

pub fn actor(writer: u16) -> String {
    format!("writer {writer}")
}

#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub description: String,
    pub tags: Vec<String>,
    pub metadata: String,
}

/// An entry of the history: port, action, project, description and actor.
pub type Told = (u16, Action, String, String, String);

/// What a registry holds of one writer: of each port the claim and whether it has ended, and the
/// history from the first entry on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub rows: BTreeMap<u16, (Status, Claim)>,
    pub history: Vec<Told>,
}

impl State {
    /// After the first `n` writes.
    pub fn after(writer: u16, n: u64) -> Self {
        let mut state = Self::default();
        (0..n).for_each(|n| state.write(writer, n));
        state
    }

    /// The `n`th write. Each has one entry, unless it ends what is free already.
    pub fn write(&mut self, writer: u16, n: u64) {
        let (port, claim) = write_of(writer, n);
        let (action, description) = match claim {
            Some(claim) => {
                let description = claim.description.clone();
                self.rows.insert(port, (Status::Reserved, claim));
                (Action::Reserved, description)
            }
            None => match self.rows.get_mut(&port) {
                Some((status, claim)) if *status != Status::Free => {
                    *status = Status::Free;
                    (Action::Released, claim.description.clone())
                }
                _ => return,
            },
        };
        let told = (port, action, project(writer), description, actor(writer));
        self.history.push(told);
    }

    /// What `keeper` has of the writer.
    pub fn of(keeper: &Keeper, writer: u16) -> Self {
        let mut state = Self::default();
        let mut entries = keeper.history(HistoryQuery::all().limit(u32::MAX)).unwrap();
        entries.retain(|entry| ports(writer).contains(&entry.port));
        entries.sort_by_key(|entry| entry.id);
        for port in ports(writer) {
            let Some(row) = keeper.get(port).unwrap() else {
                continue;
            };
            assert_eq!(row.project_name, project(writer));
            let claim = Claim {
                description: row.description.unwrap(),
                tags: row.tags,
                metadata: serde_json::to_string(&row.metadata).unwrap(),
            };
            state.rows.insert(port, (row.status, claim));
        }
        for entry in entries {
            let text = |text: Option<String>| text.unwrap_or_default();
            let told = (
                text(entry.project_name),
                text(entry.description),
                text(entry.performed_by),
            );
            state
                .history
                .push((entry.port, entry.action, told.0, told.1, told.2));
        }
        state
    }

    /// How many writes a registry holds, which must be the writer's first ones, each whole.
    pub fn writes(keeper: &Keeper, writer: u16) -> u64 {
        let found = Self::of(keeper, writer);
        let n = u64::try_from(found.history.len()).unwrap();
        let expected = Self::after(writer, n);
        assert_eq!(found.history, expected.history, "writer {writer} after {n}");
        assert_eq!(found.rows, expected.rows, "writer {writer} after {n}");
        // A row has the time of its last entry.
        for port in ports(writer) {
            let entries = HistoryQuery::port(port).limit(1);
            let last = keeper.history(entries).unwrap().pop();
            let row = keeper.get(port).unwrap();
            let times = (
                row.map(|row| row.updated_at),
                last.map(|last| last.performed_at),
            );
            assert_eq!(times.0, times.1, "{port}");
        }
        n
    }
}

/// A process that writes without a pause.
pub struct Writer {
    pub number: u16,
    process: Child,
    stdin: Option<ChildStdin>,
    acknowledged: Arc<AtomicU64>,
    reader: Option<thread::JoinHandle<String>>,
}

impl Writer {
    pub fn start(test: &str, path: &Path, number: u16) -> Self {
        let mut process = child(test, &format!("{}\n{number}", path.display()))
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&acknowledged);
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let reader = thread::spawn(move || {
            let mut other = String::new();
            for line in stdout.lines() {
                // The last line of a process that was killed may be a part of one.
                let line = line.unwrap();
                match line
                    .strip_prefix("ack ")
                    .and_then(|line| line.strip_suffix('.'))
                {
                    Some(n) => count.store(n.parse::<u64>().unwrap() + 1, Ordering::SeqCst),
                    None => other.push_str(&line),
                }
            }
            other
        });
        Self {
            number,
            stdin: process.stdin.take(),
            process,
            acknowledged,
            reader: Some(reader),
        }
    }

    /// Two of them.
    pub fn pair(test: &str, path: &Path) -> [Self; 2] {
        [1, 2].map(|number| Self::start(test, path, number))
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until so many more writes than now are acknowledged.
    pub fn wait_for(&mut self, more: u64) {
        let enough = self.acknowledged() + more;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.acknowledged() < enough {
            assert!(self.process.try_wait().unwrap().is_none(), "a writer ended");
            assert!(Instant::now() < deadline, "a writer is stuck");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it in the middle. Returns how many writes were acknowledged.
    pub fn kill(mut self) -> u64 {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.acknowledged()
    }

    /// Ends it; every write has succeeded. Returns how many there were.
    pub fn stop(mut self) -> u64 {
        drop(self.stdin.take());
        let output = self.reader.take().unwrap().join().unwrap();
        assert!(self.process.wait().unwrap().success(), "{output}");
        self.acknowledged()
    }
}

/// Writes until its input ends, if this is a writer's process.
pub fn write() -> bool {
    let Some(argument) = child_argument() else {
        return false;
    };
    let (path, writer) = argument.split_once('\n').unwrap();
    let writer = writer.parse().unwrap();
    let options = Options::new().path(path).durability(Durability::Normal);
    let keeper = options.actor(actor(writer)).open().unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.store(true, Ordering::SeqCst);
    });
    println!();
    for n in 0.. {
        if ended.load(Ordering::SeqCst) {
            break;
        }
        perform(&keeper, writer, n);
        println!("ack {n}.");
    }
    true
}

/// The `n`th write.
pub fn perform(keeper: &Keeper, writer: u16, n: u64) {
    let (port, claim) = write_of(writer, n);
    match claim {
        Some(claim) => {
            let request = ReserveRequest::new(project(writer))
                .description(claim.description)
                .tags(claim.tags)
                .metadata(claim.metadata)
                .adopt(true);
            drop(keeper.reserve(port, request).unwrap());
        }
        None => match keeper.release(port) {
            Err(error) if error.kind() == ErrorKind::PortNotFound => {}
            released => drop(released.unwrap()),
        },
    }
}
