//! The power fails while files are made, renamed and removed: by a first open, by a backup over an earlier one,
//! and by a restore, which makes a safety backup. A file system that has a journal keeps the order in which
//! names change, and may lose those that changed after the folder was last synced; of a file there is what was
//! synced, and any part of what was written since.
//!
//! `PORTKEEPER_POWER_CUTS` says how many disks are made of each.
#![cfg(target_os = "linux")]

#[path = "support/syscalls.rs"]
mod syscalls;

use std::{
    collections::BTreeMap,
    fs,
    io::{Write, stderr},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use portkeeper_core::{Filter, Keeper, ReserveRequest, Watch};
use portkeeper_locks::Locks;
use syscalls::{Call, Change, Fault, Observer};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Below the ephemeral range, and used by no other test.
const FIRST: u16 = 19_550;

/// Which file has a name, by its inode.
type Names = BTreeMap<String, u64>;
type Contents = BTreeMap<u64, Arc<Vec<u8>>>;

/// What the disk may have at some moment.
#[derive(Clone, Default)]
struct Moment {
    /// The names when the folder was last synced, and all that came after.
    names: Vec<Names>,
    synced: Contents,
    /// Also of those whose last name is gone.
    written: Contents,
    acknowledged: bool,
}

impl Moment {
    /// Looks at the folder.
    fn look(&mut self, folder: &Path) {
        let mut names = Names::new();
        for entry in fs::read_dir(folder).unwrap().flatten() {
            // A temporary file may have gone meanwhile.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let name = entry.file_name().into_string().unwrap();
            let content = fs::read(entry.path()).unwrap();
            let known = self.written.get(&metadata.ino());
            if known.is_none_or(|known| **known != content) {
                self.written.insert(metadata.ino(), Arc::new(content));
            }
            names.insert(name, metadata.ino());
        }
        if self.names.last() != Some(&names) {
            self.names.push(names);
        }
    }

    fn sync(&mut self, folder: &Path, fd: i32) {
        let through = PathBuf::from(format!("/proc/self/fd/{fd}"));
        let inode = fs::metadata(&through).unwrap().ino();
        if syscalls::path_of(fd).as_deref() == Some(folder) {
            self.names.drain(..self.names.len() - 1);
        } else if let Some(content) = self.written.get(&inode) {
            self.synced.insert(inode, Arc::clone(content));
        }
    }

    /// Makes one of the disks.
    fn make(&self, folder: &Path) {
        for (name, inode) in &self.names[fastrand::usize(..self.names.len())] {
            let synced = self.synced.get(inode).map_or(&[][..], |content| content);
            let written = &self.written[inode];
            let content = match fastrand::u8(..3) {
                0 => synced.to_vec(),
                1 => written.to_vec(),
                _ => torn(synced, written),
            };
            fs::write(folder.join(name), content).unwrap();
        }
    }
}

/// Each sector from either, and as long as either.
fn torn(before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut content = after.to_vec();
    if fastrand::bool() {
        content.resize(before.len(), 0);
    }
    for (number, sector) in content.chunks_mut(SECTOR).enumerate() {
        let old = before.get(number * SECTOR..).unwrap_or_default();
        let length = old.len().min(sector.len());
        if fastrand::bool() {
            sector[..length].copy_from_slice(&old[..length]);
            sector[length..].fill(0);
        }
    }
    content
}

/// Looks at each call that may have changed something, or may follow what did.
struct Recorder {
    folder: PathBuf,
    moments: Arc<Mutex<Vec<Moment>>>,
}

impl Observer for Recorder {
    fn before(&mut self, call: &Call<'_>) -> Option<Fault> {
        if matches!(call.change, Change::None) && !matches!(call.name, "open" | "close") {
            return None;
        }
        let mut moments = self.moments.lock().unwrap();
        let mut now = moments.last().unwrap().clone();
        now.look(&self.folder);
        moments.push(now.clone());
        if let Change::Sync(fd) = call.change {
            now.sync(&self.folder, fd);
            moments.push(now);
        }
        None
    }
}

/// The claims of a registry, as ports.
type Claims = Vec<u16>;

fn claims(keeper: &Keeper) -> Claims {
    assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
    let rows = keeper.list(Filter::claims()).unwrap();
    rows.iter().map(|row| row.number).collect()
}

fn reserve(keeper: &Keeper, port: u16) {
    let request = ReserveRequest::new("shop").adopt(true);
    keeper.reserve(port, request).unwrap();
}

/// What a backup brings back, into a registry of its own.
fn restored(backup: &Path) -> Claims {
    let keeper = Keeper::in_memory().unwrap();
    keeper.restore(backup, Watch::none()).unwrap();
    claims(&keeper)
}

struct Scenario {
    name: &'static str,
    prepare: fn(&Path),
    act: fn(&Path),
    /// Whether a disk has what it may have; the second says that the operation was acknowledged.
    is_right: fn(&Path, bool) -> bool,
}

fn open(folder: &Path) -> Keeper {
    Keeper::open_at(folder.join("database.db")).unwrap()
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "first open",
        prepare: |_| {},
        act: |folder| reserve(&open(folder), FIRST),
        is_right: |folder, acknowledged| match claims(&open(folder))[..] {
            [] => !acknowledged,
            [FIRST] => true,
            _ => false,
        },
    },
    Scenario {
        name: "backup",
        prepare: |folder| {
            let keeper = open(folder);
            reserve(&keeper, FIRST);
            keeper
                .backup(folder.join("backup.db"), Watch::none())
                .unwrap();
            reserve(&keeper, FIRST + 1);
        },
        act: |folder| {
            let backup = folder.join("backup.db");
            open(folder).backup(backup, Watch::none()).unwrap();
        },
        is_right: |folder, acknowledged| {
            assert_eq!(claims(&open(folder)), [FIRST, FIRST + 1]);
            match restored(&folder.join("backup.db"))[..] {
                [FIRST] => !acknowledged,
                ref all => *all == [FIRST, FIRST + 1],
            }
        },
    },
    Scenario {
        name: "restore",
        prepare: |folder| {
            let keeper = open(folder);
            reserve(&keeper, FIRST);
            keeper
                .backup(folder.join("backup.db"), Watch::none())
                .unwrap();
            keeper.release(FIRST).unwrap();
            reserve(&keeper, FIRST + 1);
        },
        act: |folder| {
            let backup = folder.join("backup.db");
            open(folder).restore(backup, Watch::none()).unwrap();
        },
        is_right: |folder, acknowledged| match claims(&open(folder))[..] {
            // The state before it can be had back once it is another one.
            [FIRST] => {
                let safety = fs::read_dir(folder).unwrap().flatten().find(|entry| {
                    let name = entry.file_name().into_string().unwrap();
                    name.starts_with("database.db.before-restore-")
                });
                safety.is_some_and(|safety| restored(&safety.path()) == [FIRST + 1])
            }
            ref before => !acknowledged && *before == [FIRST + 1],
        },
    },
];

#[test]
fn a_power_cut_leaves_the_old_file_or_the_new_one_under_each_name() {
    let cuts: usize =
        std::env::var("PORTKEEPER_POWER_CUTS").map_or(20, |text| text.parse().unwrap());
    // Before the engine's own replacements, which let the files be looked at without a lock being lost.
    syscalls::install();
    assert_eq!(portkeeper_locks::install(), Locks::Description);
    for Scenario {
        name,
        prepare,
        act,
        is_right,
    } in SCENARIOS
    {
        let folder = syscalls::folder();
        let path = folder.path().canonicalize().unwrap();
        prepare(&path);
        let mut start = Moment::default();
        start.look(&path);
        start.synced = start.written.clone();
        let moments = Arc::new(Mutex::new(vec![start]));
        syscalls::watch(Recorder {
            folder: path.clone(),
            moments: Arc::clone(&moments),
        });
        act(&path);
        syscalls::leave();
        let mut moments = moments.lock().unwrap();
        let mut last = moments.last().unwrap().clone();
        last.look(&path);
        last.acknowledged = true;
        moments.push(last);
        let states: usize = moments.iter().map(|moment| moment.names.len()).sum();
        assert!(states > moments.len(), "{name}: no name was ever in doubt");
        for cut in 0..cuts {
            // The end is one of many moments, and the one that promises most.
            let at = if cut % 5 == 0 {
                moments.len() - 1
            } else {
                fastrand::usize(..moments.len())
            };
            let disk = syscalls::folder();
            moments[at].make(disk.path());
            let mut left: Vec<_> = fs::read_dir(disk.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            left.sort();
            assert!(
                is_right(disk.path(), moments[at].acknowledged),
                "{name}: moment {at} of {}, {left:?}",
                moments.len()
            );
        }
        let text = format!(
            "\npower cut, names: {name}: {cuts} disks of {} moments, each the old file or the new one\n",
            moments.len()
        );
        stderr().write_all(text.as_bytes()).unwrap();
    }
}
