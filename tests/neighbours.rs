//! Many processes ask for ports of one range, half of them are killed in the middle of it, and
//! neighbours who know no registry take and leave ports of the same range at full speed.
//!
//! `PORTKEEPER_NEIGHBOURS=PROCESSESxREQUESTS` says how many; `tests/run` asks for 32x200.
#![cfg(target_os = "linux")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/granted.rs"]
mod granted;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    collections::VecDeque,
    env,
    io::{BufRead, BufReader, Read, Write, stderr, stdin, stdout},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::RangeInclusive,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use apart::NETWORK;
use granted::{Report, fold, leases_ended_with_their_processes, never_twice, same_as_history};
use kill_support::{child_within, works};
use portkeeper_core::{
    Durability, Filter, HistoryEntry, HistoryQuery, Keeper, Lease, Options, PortRequest, Release,
    Reservation, Strategy,
};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, SockRef, Socket, Type};
use support::{child, child_argument, succeeds};

const TEST: &str = "no_port_is_given_twice";
const RANGE: RangeInclusive<u16> = 11_000..=17_999;
/// Where outgoing connections go.
const ELSEWHERE: u16 = 18_999;
/// How many claims of its own a process keeps at most.
const KEPT: usize = 12;
/// How many sockets a neighbour has at a time.
const CROWD: usize = 200;

#[test]
fn no_port_is_given_twice() {
    let Some(argument) = child_argument() else {
        if works(TEST, &NETWORK) {
            let mut inside = child_within(&NETWORK, TEST, "inside");
            // The figures are for whoever runs the tests.
            succeeds(inside.stderr(Stdio::inherit()).spawn().unwrap());
        }
        return;
    };
    let words: Vec<&str> = argument.split('\n').collect();
    match *words {
        ["inside"] => inside(),
        ["worker", database, number, requests] => {
            work(database, number, requests.parse().unwrap());
        }
        ["neighbour", "bind"] => bind_any(),
        ["neighbour", "connect"] => connect(),
        _ => panic!("{words:?}"),
    }
}

/// Nanoseconds on a clock that all processes share.
fn clock() -> i128 {
    let now = clock_gettime(ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

/// What a worker says, one line each, so that nothing is lost when it is killed.
fn say(line: &str) {
    let mut out = stdout().lock();
    out.write_all(format!("\nSAYS {line}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

enum Kept {
    Lease(Lease),
    Claims(Vec<u16>),
}

/// Asks, keeps for a while, and gives back.
fn work(database: &str, number: &str, requests: usize) {
    const STRATEGIES: [Strategy; 4] = [
        Strategy::Lowest,
        Strategy::Contiguous,
        Strategy::Random,
        Strategy::Stable,
    ];
    // A process that is killed loses nothing without waiting for the disk either, and how fast that is
    // today is not the question.
    let options = Options::new().path(database);
    let keeper = options.durability(Durability::Normal).open().unwrap();
    let project = format!("worker {number}");
    let mut kept: VecDeque<Kept> = VecDeque::new();
    say("opened");
    // All begin at once.
    stdin().read_exact(&mut [0]).unwrap();
    for turn in 0..requests {
        let strategy = fastrand::choice(STRATEGIES).unwrap();
        let request = PortRequest::new(&project).range(RANGE).strategy(strategy);
        let request = match fastrand::u8(..4) {
            0 => request.role(format!("role {turn}")),
            1 => request.count(fastrand::usize(1..=3)),
            _ => request,
        };
        let begin = Instant::now();
        let (kind, rows, claim) = if fastrand::bool() {
            let lease = keeper.lease(request).unwrap();
            ("lease", lease.reservations().to_vec(), Kept::Lease(lease))
        } else {
            let rows = keeper.request(request).unwrap();
            let ports = rows.iter().map(|row| row.number).collect();
            ("claim", rows, Kept::Claims(ports))
        };
        let took = begin.elapsed().as_micros();
        let ports: Vec<String> = rows.iter().map(name).collect();
        say(&format!(
            "got {} {kind} {took} {}",
            clock(),
            ports.join(" ")
        ));
        kept.push_back(claim);
        if kept.len() > fastrand::usize(1..=KEPT) {
            let oldest = kept.pop_front().unwrap();
            let ports = match &oldest {
                Kept::Lease(lease) => lease.ports(),
                Kept::Claims(ports) => ports.clone(),
            };
            let numbers: Vec<String> = ports.iter().map(u16::to_string).collect();
            say(&format!("gives {} {}", clock(), numbers.join(" ")));
            match oldest {
                Kept::Lease(lease) => lease.release().unwrap(),
                Kept::Claims(ports) => {
                    let release = Release::ports(ports).only_of(&project);
                    keeper.release(release).unwrap();
                }
            }
            say(&format!("gave {}", numbers.join(" ")));
        }
    }
    say("done");
    // The rest is kept until everything has been looked at.
    stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A port and its lease.
fn name(row: &Reservation) -> String {
    let lease = row.lease.as_ref().map_or("-", |lease| lease.id.as_str());
    format!("{}:{lease}", row.number)
}

fn crowd<T>(mut next: impl FnMut() -> T) {
    let mut all = VecDeque::with_capacity(CROWD);
    for count in 1_u64.. {
        all.push_back(next());
        if all.len() == CROWD {
            all.pop_front();
        }
        if count % 1000 == 0 {
            say("1000");
        }
    }
}

/// Takes any port, over and over. It does not listen: who listens on a port of a process that was
/// killed inherits the claim.
fn bind_any() {
    crowd(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        socket
    });
}

/// Connects to elsewhere, over and over.
fn connect() {
    let server = TcpListener::bind(("127.0.0.1", ELSEWHERE)).unwrap();
    crowd(|| {
        let client = TcpStream::connect(("127.0.0.1", ELSEWHERE)).unwrap();
        // Without this closed connections would use up the range.
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        (client, server.accept().unwrap())
    });
}

/// A process and what it says.
struct Spoken {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Spoken {
    fn start(argument: &str) -> Self {
        let mut command = child(TEST, argument);
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line; `None` when it has ended.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // A line without its end was being written when the process was killed.
            if let Some(text) = line.strip_prefix("SAYS ")
                && let Some(text) = text.strip_suffix('\n')
            {
                return Some(text.to_owned());
            }
        }
    }

    /// Hears a worker out: until it is done or, where `fatal` is a number of requests, until some
    /// moment after the answer to that one, when it is killed.
    fn follow(mut self, worker: usize, fatal: Option<usize>) -> (Self, Report) {
        let mut report = Report::default();
        while let Some(line) = self.line() {
            if line == "done" {
                // It may have said so before the kill.
                if report.killed.is_some() {
                    continue;
                }
                assert_eq!(fatal, None, "worker {worker} was done before its time");
                return (self, report);
            }
            report.hear(worker, &line);
            if fatal == Some(report.requests) && report.killed.is_none() {
                // At any step of what it does next, for which it has some milliseconds.
                let moment = Duration::from_micros(fastrand::u64(..5_000));
                let begin = Instant::now();
                while begin.elapsed() < moment {
                    thread::yield_now();
                }
                report.killed = Some(clock());
                self.child.kill().unwrap();
            }
        }
        assert!(report.killed.is_some(), "worker {worker} failed");
        self.child.wait().unwrap();
        (self, report)
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many processes there are, and how often each asks.
fn size() -> (usize, usize) {
    let text = env::var("PORTKEEPER_NEIGHBOURS").unwrap_or_else(|_| "8x100".to_owned());
    let (processes, requests) = text.split_once('x').unwrap();
    (processes.parse().unwrap(), requests.parse().unwrap())
}

fn inside() {
    apart::prepare(&RANGE);
    let (processes, requests) = size();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("database.db");
    let begin = Instant::now();

    let neighbours: Vec<_> = if env::var_os("NONE").is_some() {
        vec![]
    } else {
        vec!["bind", "connect"]
    }
    .iter()
    .map(|what| Neighbour::start(what))
    .collect();
    let mut workers: Vec<Spoken> = (0..processes)
        .map(|number| {
            let place = database.display();
            Spoken::start(&format!("worker\n{place}\n{number}\n{requests}"))
        })
        .collect();
    for worker in &mut workers {
        assert_eq!(worker.line().as_deref(), Some("opened"));
    }
    for worker in &mut workers {
        let stdin = worker.child.stdin.as_mut().unwrap();
        stdin.write_all(b"!").unwrap();
    }
    let followers: Vec<_> = workers
        .into_iter()
        .enumerate()
        .map(|(number, worker)| {
            // Every other one, and none so late that it could be done before.
            let fatal = (number % 2 == 0).then(|| fastrand::usize(1..=requests * 9 / 10));
            thread::spawn(move || worker.follow(number, fatal))
        })
        .collect();
    let (alive, reports): (Vec<Spoken>, Vec<Report>) = followers
        .into_iter()
        .map(|follower| follower.join().unwrap())
        .unzip();
    let taken: Vec<u64> = neighbours.into_iter().map(Neighbour::end).collect();
    let busy = begin.elapsed();

    let keeper = Keeper::open_at(&database).unwrap();
    keeper.scan().unwrap();
    let rows = keeper.list(Filter::claims()).unwrap();
    let history = history(&keeper);
    let pids: Vec<u32> = alive.iter().map(|worker| worker.child.id()).collect();

    never_twice(&reports);
    let open = fold(&history);
    same_as_history(&rows, &open);
    leases_ended_with_their_processes(&reports, &pids, &rows, &history);
    let sum = |of: fn(&Report) -> usize| -> usize { reports.iter().map(of).sum() };
    let killed = sum(|report| usize::from(report.killed.is_some()));
    assert_eq!(killed, processes / 2);
    // Those who are left are killed while nobody else sweeps: one sweep finds all that they had.
    drop(alive);
    let leased = rows.iter().filter(|row| row.owner().is_some()).count();
    let report = keeper.scan().unwrap();
    assert_eq!(report.changes.len(), leased);
    let left = keeper.list(Filter::claims()).unwrap();
    assert!(left.iter().all(|row| row.owner().is_none()));
    same_as_history(&left, &fold(&self::history(&keeper)));

    let worst = reports.iter().map(|report| report.worst).max().unwrap();
    let text = format!(
        "\nneighbours: {} requests of {processes} processes, {killed} of them killed; {} ports granted; \
         the last sweep freed {leased}, {} are left; worst request {:.1} ms; {:.1} s; \
         beside {} bind(0) and {} outgoing connections\n",
        sum(|report| report.requests),
        sum(|report| report.grants.len()),
        left.len(),
        Duration::from_micros(worst).as_secs_f64() * 1e3,
        busy.as_secs_f64(),
        taken[0],
        taken[1],
    );
    stderr().write_all(text.as_bytes()).unwrap();
}

struct Neighbour {
    process: thread::JoinHandle<u64>,
    pid: rustix::process::Pid,
}

impl Neighbour {
    fn start(what: &str) -> Self {
        let mut spoken = Spoken::start(&format!("neighbour\n{what}"));
        let pid = rustix::process::Pid::from_child(&spoken.child);
        // It is at work when the workers begin.
        assert_eq!(spoken.line().as_deref(), Some("1000"));
        let process = thread::spawn(move || {
            let mut taken = 1000;
            while spoken.line().is_some() {
                taken += 1000;
            }
            taken
        });
        Self { process, pid }
    }

    /// Ends it; returns how many ports it took.
    fn end(self) -> u64 {
        rustix::process::kill_process(self.pid, rustix::process::Signal::KILL).unwrap();
        self.process.join().unwrap()
    }
}

/// The whole history, oldest first.
fn history(keeper: &Keeper) -> Vec<HistoryEntry> {
    let query = HistoryQuery::all().limit(u32::MAX);
    let mut entries = keeper.history(query).unwrap();
    entries.sort_unstable_by_key(|entry| entry.id);
    entries
}
