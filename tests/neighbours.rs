//! Many processes ask for ports of one range, half of them are killed in the middle of it, and
//! neighbours who know no registry take and leave ports of the same range at full speed.
//!
//! `PORTKEEPER_NEIGHBOURS=PROCESSESxREQUESTS` says how many; `tests/run` asks for 32x200.
#![cfg(target_os = "linux")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    env,
    io::{BufRead, BufReader, Read, Write, stderr, stdin, stdout},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::RangeInclusive,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use apart::NETWORK;
use kill_support::{child_within, works};
use portkeeper_core::{
    Action, Durability, Filter, HistoryEntry, HistoryQuery, Keeper, Lease, Options, PortRequest,
    Release, Reservation, Strategy,
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

/// One grant, as the worker saw it.
#[derive(Debug)]
struct Grant {
    port: u16,
    lease: Option<String>,
    worker: usize,
    is_lease: bool,
    from: i128,
    /// When the worker began to give it back, or was killed, where that ended it.
    until: Option<i128>,
    /// Whether the worker said that it had given it back, or never began to.
    is_certain: bool,
}

/// What one worker said, and when it was killed.
#[derive(Default)]
struct Report {
    grants: Vec<Grant>,
    requests: usize,
    worst: u64,
    killed: Option<i128>,
}

impl Report {
    fn hear(&mut self, worker: usize, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match *words {
            ["got", time, kind, took, ref ports @ ..] => {
                self.requests += 1;
                self.worst = self.worst.max(took.parse().unwrap());
                self.grants.extend(ports.iter().map(|port| {
                    let (port, lease) = port.split_once(':').unwrap();
                    Grant {
                        port: port.parse().unwrap(),
                        lease: (lease != "-").then(|| lease.to_owned()),
                        worker,
                        is_lease: kind == "lease",
                        from: time.parse().unwrap(),
                        until: None,
                        is_certain: true,
                    }
                }));
            }
            ["gives", time, ref ports @ ..] => {
                for port in ports {
                    let grant = self.last(port);
                    grant.until = Some(time.parse().unwrap());
                    grant.is_certain = false;
                }
            }
            ["gave", ref ports @ ..] => {
                for port in ports {
                    self.last(port).is_certain = true;
                }
            }
            _ => panic!("{line}"),
        }
    }

    fn last(&mut self, port: &str) -> &mut Grant {
        let port: u16 = port.parse().unwrap();
        let mut grants = self.grants.iter_mut().rev();
        grants.find(|grant| grant.port == port).unwrap()
    }
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
    let text = env::var("PORTKEEPER_NEIGHBOURS").unwrap_or_else(|_| "16x100".to_owned());
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

/// By what the workers said: whoever got a port got it after the one before had let go of it.
fn never_twice(reports: &[Report]) {
    let mut by_port: HashMap<u16, Vec<(&Grant, i128)>> = HashMap::new();
    for report in reports {
        for grant in &report.grants {
            let ends_with_process = report.killed.filter(|_| grant.is_lease);
            let until = grant.until.or(ends_with_process).unwrap_or(i128::MAX);
            by_port.entry(grant.port).or_default().push((grant, until));
        }
    }
    for (port, mut grants) in by_port {
        grants.sort_unstable_by_key(|(grant, _)| grant.from);
        for pair in grants.windows(2) {
            let ((earlier, until), (later, _)) = (pair[0], pair[1]);
            assert!(
                until < later.from,
                "port {port} was given twice:\n{earlier:?}\n{later:?}"
            );
        }
    }
}

/// By the history: each port is given to one at a time. Returns whose each port is in the end.
fn fold(history: &[HistoryEntry]) -> HashMap<u16, String> {
    let mut open: HashMap<u16, String> = HashMap::new();
    for entry in history {
        let project = entry.project_name.clone().unwrap();
        match entry.action {
            Action::Reserved => {
                assert_eq!(entry.details["reason"], "requested", "{entry:?}");
                let earlier = open.insert(entry.port, project);
                assert_eq!(earlier, None, "given twice: {entry:?}");
            }
            Action::Released => {
                let holder = open.remove(&entry.port);
                assert_eq!(holder, Some(project), "released: {entry:?}");
            }
            _ => panic!("{entry:?}"),
        }
    }
    open
}

fn same_as_history(rows: &[Reservation], open: &HashMap<u16, String>) {
    assert_eq!(rows.len(), open.len());
    for row in rows {
        assert_eq!(open.get(&row.number), Some(&row.project_name), "{row:?}");
    }
}

fn leases_ended_with_their_processes(
    reports: &[Report],
    pids: &[u32],
    rows: &[Reservation],
    history: &[HistoryEntry],
) {
    let by_port: HashMap<u16, &Reservation> = rows.iter().map(|row| (row.number, row)).collect();
    let mut released: HashMap<&str, Vec<&str>> = HashMap::new();
    for entry in history {
        if entry.action == Action::Released
            && let Some(id) = entry.details.get("leaseId")
        {
            let reason = entry.details["reason"].as_str().unwrap();
            released
                .entry(id.as_str().unwrap())
                .or_default()
                .push(reason);
        }
    }
    let mut kept: HashSet<u16> = HashSet::new();
    for grant in reports.iter().flat_map(|report| &report.grants) {
        let was_killed = reports[grant.worker].killed.is_some();
        let reasons = grant.lease.as_deref().and_then(|id| released.get(id));
        let reasons = reasons.map_or(&[][..], Vec::as_slice);
        let is_there = || {
            let row = by_port.get(&grant.port);
            row.is_some_and(|row| {
                row.project_name == format!("worker {}", grant.worker)
                    && row.lease.as_ref().map(|lease| &lease.id) == grant.lease.as_ref()
            })
        };
        match (grant.is_lease, grant.until) {
            // It ended once, by one or the other.
            (true, _) if was_killed => {
                assert_eq!(reasons.len(), 1, "{grant:?}");
                let gave = grant.until.is_some();
                assert!(
                    gave || reasons[0] == "its process ended",
                    "{reasons:?} {grant:?}"
                );
            }
            (true, Some(_)) => {
                assert_eq!(reasons, ["its lease was given back"], "{grant:?}");
            }
            (false, Some(_)) => {}
            // What nobody gave back and nobody died of is there.
            (is_lease, None) => {
                assert_eq!(reasons, [] as [&str; 0], "{grant:?}");
                assert!(is_there(), "{grant:?}");
                kept.insert(grant.port);
                let owner = by_port[&grant.port].owner().map(|owner| owner.pid);
                assert_eq!(owner, is_lease.then(|| pids[grant.worker]), "{grant:?}");
            }
        }
    }
    // What else there is was granted to, or not yet taken from, a process in the moment of its end.
    for row in rows.iter().filter(|row| !kept.contains(&row.number)) {
        assert_eq!(row.owner(), None, "{row:?}");
        let worker: usize = row.project_name["worker ".len()..].parse().unwrap();
        assert!(reports[worker].killed.is_some(), "{row:?}");
    }
}
