//! The power fails at some moment: of what was written and not yet synced, any part is on the disk, in any
//! order, and sectors may be torn. From what SQLite did to its files the possible disks are made, and each
//! is opened.
//!
//! `PORTKEEPER_POWER_CUTS` says how many disks are made for each durability.
#![cfg(target_os = "linux")]

#[path = "support/numbered.rs"]
mod numbered;
mod support;
#[path = "support/syscalls.rs"]
mod syscalls;

use std::{
    collections::HashMap,
    fs,
    io::{Write, stderr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use numbered::State;
use portkeeper_core::{Durability, ErrorKind, Keeper, Options, ReserveRequest, Watch};
use syscalls::{Call, Change, Fault, Observer};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
const WRITER: u16 = 1;

/// One thing that happened.
#[derive(Debug)]
enum Step {
    Write(PathBuf, usize, Vec<u8>),
    Truncate(PathBuf, usize),
    Sync(PathBuf),
    /// The file and its name are gone. A name is taken for durable at once.
    Unlink(PathBuf),
    /// So many operations were acknowledged.
    Acknowledged(u64),
}

type Steps = Arc<Mutex<Vec<Step>>>;

/// Writes down what is done to the registry's files.
struct Recorder {
    database: PathBuf,
    steps: Steps,
}

impl Observer for Recorder {
    fn before(&mut self, call: &Call<'_>) -> Option<Fault> {
        let path = |fd| syscalls::path_of(fd);
        let (path, step): (_, fn(PathBuf, &Change<'_>) -> Step) = match &call.change {
            Change::Write(fd, ..) => (path(*fd), |path, change| match change {
                Change::Write(_, at, bytes) => {
                    Step::Write(path, usize::try_from(*at).unwrap(), bytes.to_vec())
                }
                _ => unreachable!(),
            }),
            Change::Truncate(fd, _) => (path(*fd), |path, change| match change {
                Change::Truncate(_, length) => {
                    Step::Truncate(path, usize::try_from(*length).unwrap())
                }
                _ => unreachable!(),
            }),
            Change::Sync(fd) => (path(*fd), |path, _| Step::Sync(path)),
            Change::Unlink(path) => (Some(path.clone()), |path, _| Step::Unlink(path)),
            Change::None => return None,
        };
        if let Some(path) = path
            && path
                .to_string_lossy()
                .starts_with(&*self.database.to_string_lossy())
            && !path.to_string_lossy().ends_with("-shm")
        {
            self.steps.lock().unwrap().push(step(path, &call.change));
        }
        None
    }
}

/// A file as it may be on the disk: what was synced, and what was done since then.
#[derive(Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Pending {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Pending {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
            Self::Truncate(length) => content.resize(*length, 0),
        }
    }

    /// The part of it that reached the disk, sector by sector.
    fn torn(&self) -> Vec<Self> {
        match self {
            Self::Write(at, bytes) => bytes
                .chunks(SECTOR)
                .enumerate()
                .filter(|_| fastrand::bool())
                .map(|(sector, bytes)| Self::Write(at + sector * SECTOR, bytes.to_vec()))
                .collect(),
            Self::Truncate(_) => vec![self.clone()],
        }
    }
}

impl File {
    fn sync(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            pending.apply(&mut self.durable);
        }
    }

    /// One of the contents that the disk may have.
    fn after_the_cut(&self) -> Vec<u8> {
        // From nothing over parts to everything, whatever the order.
        let kept = fastrand::u32(0..=4) * 25;
        let mut reached: Vec<Pending> = Vec::new();
        for pending in &self.pending {
            match fastrand::u32(0..100) {
                n if n >= kept => {}
                n if n % 3 == 0 => reached.extend(pending.torn()),
                _ => reached.push(pending.clone()),
            }
        }
        if fastrand::bool() {
            fastrand::shuffle(&mut reached);
        }
        let mut content = self.durable.clone();
        for pending in &reached {
            pending.apply(&mut content);
        }
        content
    }
}

/// The disk after so many steps, and how many operations were acknowledged then.
fn replay(start: &HashMap<PathBuf, Vec<u8>>, steps: &[Step]) -> (HashMap<PathBuf, File>, u64) {
    let durable = |content: &Vec<u8>| File {
        durable: content.clone(),
        pending: Vec::new(),
    };
    let mut files: HashMap<PathBuf, File> = start
        .iter()
        .map(|(path, content)| (path.clone(), durable(content)))
        .collect();
    let mut acknowledged = 0;
    for step in steps {
        match step {
            Step::Write(path, at, bytes) => {
                let file = files.entry(path.clone()).or_default();
                file.pending.push(Pending::Write(*at, bytes.clone()));
            }
            Step::Truncate(path, length) => {
                let file = files.entry(path.clone()).or_default();
                file.pending.push(Pending::Truncate(*length));
            }
            Step::Sync(path) => files.entry(path.clone()).or_default().sync(),
            Step::Unlink(path) => drop(files.remove(path)),
            Step::Acknowledged(n) => acknowledged = *n,
        }
    }
    (files, acknowledged)
}

/// What became of the cuts.
#[derive(Default)]
struct Found {
    cuts: usize,
    refused: usize,
    /// Acknowledged operations that are gone, in all, and the cuts that lost any.
    lost: u64,
    losing: usize,
    unacknowledged: u64,
}

/// Makes `operations`, and then disks as they may be after a cut in the middle of it.
fn cut(durability: Durability, operations: u64, cuts: usize) -> Found {
    let folder = syscalls::folder();
    let path = folder.path().canonicalize().unwrap().join("database.db");
    let open = |path: &Path| {
        let options = Options::new().path(path).actor(numbered::actor(WRITER));
        options.durability(durability).open()
    };
    drop(open(&path).unwrap());
    let start = HashMap::from([(path.clone(), fs::read(&path).unwrap())]);
    let steps = Steps::default();
    syscalls::watch(Recorder {
        database: path.clone(),
        steps: Arc::clone(&steps),
    });
    let keeper = open(&path).unwrap();
    for n in 0..operations {
        numbered::perform(&keeper, WRITER, n);
        steps.lock().unwrap().push(Step::Acknowledged(n + 1));
    }
    drop(keeper);
    syscalls::leave();
    let steps = steps.lock().unwrap();

    // The log was copied into the database meanwhile, and begun anew.
    let last = steps
        .iter()
        .rposition(|step| matches!(step, Step::Acknowledged(_)));
    let checkpointed = |step: &Step| matches!(step, Step::Write(to, ..) if *to == path);
    assert!(steps[..last.unwrap()].iter().any(checkpointed));

    let mut found = Found::default();
    // Entries of the history by the number of acknowledged operations, since an idle release has none.
    let mut state = State::default();
    let entries: Vec<u64> = std::iter::once(0)
        .chain((0..operations).map(|n| {
            state.write(WRITER, n);
            u64::try_from(state.history.len()).unwrap()
        }))
        .collect();
    while found.cuts < cuts {
        let moment = fastrand::usize(0..=steps.len());
        let (files, acknowledged) = replay(&start, &steps[..moment]);
        let disk = syscalls::folder();
        for (path, file) in &files {
            fs::write(
                disk.path().join(path.file_name().unwrap()),
                file.after_the_cut(),
            )
            .unwrap();
        }
        found.cuts += 1;
        let keeper = match Keeper::open_at(disk.path().join("database.db")) {
            Ok(keeper) => keeper,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::DatabaseCorrupt, "{error}");
                assert_eq!(
                    durability,
                    Durability::Normal,
                    "after {moment} steps: {error}"
                );
                found.refused += 1;
                continue;
            }
        };
        assert_eq!(
            keeper.verify(Watch::none()).unwrap(),
            [],
            "after {moment} steps"
        );
        // Fails unless what is there is a prefix of what was done, each operation whole.
        let there = State::writes(&keeper, WRITER);
        let promised = entries[usize::try_from(acknowledged).unwrap()];
        found.lost += promised.saturating_sub(there);
        found.losing += usize::from(there < promised);
        found.unacknowledged += there.saturating_sub(promised);
        // And it goes on.
        let request = ReserveRequest::new("afterwards").adopt(true);
        keeper.reserve(29_000, request).unwrap();
    }
    found
}

#[test]
fn a_power_cut_loses_nothing_that_is_full_and_of_normal_the_newest() {
    let cuts = std::env::var("PORTKEEPER_POWER_CUTS").map_or(10, |text| text.parse().unwrap());
    // So many that the log is copied into the database in between.
    let operations = 600;
    for durability in [Durability::Full, Durability::Normal] {
        let Found {
            cuts,
            refused,
            lost,
            losing,
            unacknowledged,
        } = cut(durability, operations, cuts);
        let text = format!(
            "\npower cut, {}: {cuts} disks of {operations} operations, {refused} refused, {lost} acknowledged \
             operations lost by {losing} of them, {unacknowledged} unacknowledged ones there\n",
            durability.as_str()
        );
        stderr().write_all(text.as_bytes()).unwrap();
        match durability {
            Durability::Full => assert_eq!((lost, refused), (0, 0)),
            // Otherwise nothing was cut off.
            Durability::Normal => assert!(lost > 0 && refused == 0),
        }
    }
}
