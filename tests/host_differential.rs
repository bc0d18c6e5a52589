//! The same sockets and the same owners as others see, while processes and sockets come and go.
//!
//! Nobody reads the machine in one moment, so that two lists taken one after the other differ. Each look of
//! another tool therefore stands between two of ours: what both of ours have was there all the time, and must be
//! in the other's list; what the other has must be in one of ours, unless it came and went in between. Each
//! difference is put down to a reason. One that has none is looked for again, and fails the test where it
//! stays.
#![cfg(target_os = "linux")]

#[path = "support/peers.rs"]
mod peers;
#[path = "support/host.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    net::IpAddr,
    process::{Child, ChildStdout, Command, Stdio},
};

use peers::{Key, Psutil, Seen};
use portkeeper_core::{
    Keeper, Protocol,
    host::{Earlier, Host, System, Wanted},
};
use support::{eventually, skipped};

/// How often each tool looks.
const LOOKS: usize = 8;
/// How often a difference without a reason is looked for again.
const TRIES: usize = 3;

#[test]
fn netstat2_sees_the_same() {
    let netstat2 = Tool {
        name: "netstat2",
        tells_inodes: true,
        names_everyone: true,
        reads_threads: false,
    };
    netstat2.compare(peers::netstat2);
}

#[test]
fn ss_sees_the_same() {
    if peers::ss().is_none() {
        return skipped("ss_sees_the_same: ss (iproute2) is not installed");
    }
    let ss = Tool {
        name: "ss",
        tells_inodes: true,
        names_everyone: true,
        reads_threads: false,
    };
    ss.compare(|| peers::ss().unwrap());
}

#[test]
fn psutil_sees_the_same() {
    let Some(mut process) = Psutil::start() else {
        return skipped("psutil_sees_the_same: no Python has psutil");
    };
    let psutil = Tool {
        name: "psutil",
        tells_inodes: false,
        names_everyone: false,
        reads_threads: false,
    };
    psutil.compare(|| process.look());
}

/// A scan of ours looks for one process of each socket only, and first where it was.
#[test]
fn a_scan_sees_the_same() {
    let scan = Tool {
        name: "scan",
        tells_inodes: true,
        names_everyone: false,
        reads_threads: true,
    };
    let keeper = Keeper::in_memory().unwrap();
    scan.compare(|| peers::ours(&keeper.scan().unwrap().listeners));
    let first = Tool {
        name: "first scan",
        ..scan
    };
    first.compare(|| {
        let look = System.look(Wanted::Listeners, &Earlier::default()).unwrap();
        peers::ours(&look.sockets)
    });
}

/// What somebody tells of a socket.
#[derive(Debug, Clone, Copy)]
struct Tool {
    name: &'static str,
    tells_inodes: bool,
    /// Whether it names every process of a socket, and not one alone.
    names_everyone: bool,
    /// Whether it finds the descriptors of a process whose main thread has ended.
    reads_threads: bool,
}

/// Why two lists differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    SocketCame,
    SocketWent,
    SocketCameAndWent,
    OwnerCame,
    OwnerWent,
    OwnerCameAndWent,
    /// The others do not look at a process's other threads.
    MainThreadEnded,
    /// netstat2 does not tell whether a UDP socket has one peer, and is none that listens.
    ConnectedUdp,
}

/// A difference that nothing explains; `pid` where it is about an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    what: &'static str,
    key: Key,
    pid: Option<u32>,
}

impl Tool {
    fn compare(self, mut look: impl FnMut() -> Seen) {
        let stay = Stay::start();
        let _changing = Changing::start();
        let mut reasons = BTreeMap::new();
        let mut compared = 0;
        for _ in 0..LOOKS {
            let mut left: Option<BTreeSet<Difference>> = None;
            for _ in 0..TRIES {
                let bracket = Bracket::new(self, &mut look);
                for ours in [&bracket.before, &bracket.after] {
                    assert_eq!(stay.missing(ours, self.tells_inodes), None, "{ours:#?}");
                }
                let (differences, common) = bracket.judge(&mut reasons);
                compared += common;
                let still = left.map_or_else(|| differences.clone(), |left| &left & &differences);
                let is_explained = still.is_empty();
                left = Some(still);
                if is_explained {
                    break;
                }
            }
            assert_eq!(left, Some(BTreeSet::new()), "{self:?}, {TRIES} times");
        }
        println!(
            "{}: {LOOKS} looks, {compared} sockets in both; {reasons:?}",
            self.name
        );
        assert!(compared >= LOOKS * stay.facts.len() / 2);
        let changes = [Reason::SocketCame, Reason::SocketWent];
        assert!(
            changes.iter().any(|reason| reasons.contains_key(reason)),
            "nothing changed meanwhile: {reasons:?}"
        );
        let misses_threads = reasons.contains_key(&Reason::MainThreadEnded);
        assert_eq!(misses_threads, !self.reads_threads);
    }
}

/// Two looks of another tool, each after one of ours.
struct Bracket {
    tool: Tool,
    before: Seen,
    theirs: Seen,
    after: Seen,
    again: Seen,
}

impl Bracket {
    fn new(tool: Tool, look: &mut impl FnMut() -> Seen) -> Self {
        let ours = || {
            let seen = peers::ours(&System.sockets(Wanted::Listeners).unwrap());
            if tool.tells_inodes {
                seen
            } else {
                peers::without_inodes(&seen)
            }
        };
        Self {
            tool,
            before: ours(),
            theirs: look(),
            after: ours(),
            again: look(),
        }
    }

    /// Counts the reasons, and returns what has none and how many sockets both have.
    fn judge(&self, reasons: &mut BTreeMap<Reason, usize>) -> (BTreeSet<Difference>, usize) {
        let mut differences = BTreeSet::new();
        let mut common = 0;
        let keys: BTreeSet<&Key> = [&self.before, &self.theirs, &self.after]
            .into_iter()
            .flat_map(Seen::keys)
            .collect();
        for key in keys {
            let mut explained = |reason| *reasons.entry(reason).or_default() += 1;
            let mut unexplained = |what, pid| {
                differences.insert(Difference {
                    what,
                    key: *key,
                    pid,
                });
            };
            match (
                self.before.get(key),
                self.theirs.get(key),
                self.after.get(key),
            ) {
                (Some(before), Some(theirs), Some(after)) => {
                    common += 1;
                    let again = self.again.get(key);
                    let owners = Owners {
                        before,
                        theirs,
                        after,
                        again,
                    };
                    owners.judge(self.tool, explained, unexplained);
                }
                (Some(_), None, Some(_)) => unexplained("not in their list", None),
                (Some(_), _, None) => explained(Reason::SocketWent),
                (None, _, Some(_)) => explained(Reason::SocketCame),
                (None, _, None) if !self.again.contains_key(key) => {
                    explained(Reason::SocketCameAndWent);
                }
                (None, _, None)
                    if key.protocol == Protocol::Udp && peers::is_connected_udp(key.inode) =>
                {
                    explained(Reason::ConnectedUdp);
                }
                (None, _, None) => unexplained("not in our list", None),
            }
        }
        (differences, common)
    }
}

/// The owners of one socket that was there all the time.
struct Owners<'a> {
    before: &'a BTreeSet<u32>,
    theirs: &'a BTreeSet<u32>,
    after: &'a BTreeSet<u32>,
    again: Option<&'a BTreeSet<u32>>,
}

impl Owners<'_> {
    fn judge(
        &self,
        tool: Tool,
        mut explained: impl FnMut(Reason),
        mut unexplained: impl FnMut(&'static str, Option<u32>),
    ) {
        let lasting = self.before & self.after;
        let missing = match self.theirs {
            theirs if tool.names_everyone || theirs.is_empty() => &lasting - theirs,
            _ => BTreeSet::new(),
        };
        for pid in missing {
            if !tool.reads_threads && peers::has_lost_its_main_thread(pid) {
                explained(Reason::MainThreadEnded);
            } else {
                unexplained("no owner in their list", Some(pid));
            }
        }
        for pid in self.theirs {
            match (self.before.contains(pid), self.after.contains(pid)) {
                (true, true) => {}
                (true, false) => explained(Reason::OwnerWent),
                (false, true) => explained(Reason::OwnerCame),
                // Whoever has it before and after a look of ours had it then, too.
                (false, false) if self.again.is_some_and(|again| again.contains(pid)) => {
                    unexplained("no owner in our list", Some(*pid));
                }
                (false, false) => explained(Reason::OwnerCameAndWent),
            }
        }
    }
}

/// Listeners that stay, each as it must be seen.
struct Stay {
    child: Child,
    facts: Vec<Fact>,
}

type Fact = (String, IpAddr, u16, BTreeSet<u32>);

impl Stay {
    fn start() -> Self {
        let mut child = python("stay");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let facts = serde_json::from_str(&line).unwrap();
        let stay = Self { child, facts };
        // Its processes close what they inherited a moment later, and one of them ends its main thread.
        eventually("the last of its processes is ready", || {
            let seen = peers::ours(&System.sockets(Wanted::Listeners).unwrap());
            stay.missing(&seen, true).is_none() && stay.pids().any(peers::has_lost_its_main_thread)
        });
        stay
    }

    fn pids(&self) -> impl Iterator<Item = u32> {
        self.facts.iter().flat_map(|fact| &fact.3).copied()
    }

    /// One of them that is not in our list, or not with exactly its processes.
    fn missing(&self, seen: &Seen, with_inodes: bool) -> Option<&Fact> {
        self.facts.iter().find(|(protocol, address, port, pids)| {
            let is_it = |key: &Key| {
                (key.protocol.as_str(), key.address, key.port) == (protocol, *address, *port)
            };
            let mut sockets = seen.iter().filter(|(key, _)| is_it(key));
            // Two sockets of one address are one entry without them.
            !sockets.any(|(_, owners)| owners == pids || !with_inodes && owners.is_superset(pids))
        })
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A process that starts and ends others until it is dropped.
struct Changing {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Changing {
    fn start() -> Self {
        let mut child = python("change");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        Self { child, output }
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Until the last of its processes has ended.
        while self.output.read_line(&mut String::new()).unwrap_or(0) > 0 {}
        let _ = self.child.wait();
    }
}

fn python(what: &str) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/churn.py");
    Command::new("python3")
        .args([script, what])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
