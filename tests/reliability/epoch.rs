//! Some dozens of lives and deaths on one new registry, and everything that must be true afterwards.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use portkeeper_core::{Filter, HistoryQuery, Keeper, Watch};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    language::Language,
    ledger::{Answer, Call, Ledger, Life, Order, clock},
    port,
    program::{self, Start, Worker},
    told,
};

/// Below the ephemeral range, and used by no other test.
const PORTS: (u16, u16) = (19_300, 19_323);
/// Where leases lie that outlive everybody else.
const LASTING: (u16, u16) = (19_330, 19_349);
/// Longer than anything takes, and shorter than a test may be stuck.
const STUCK: Duration = Duration::from_secs(120);

/// What an epoch is made of.
pub struct Plan {
    /// One process at a time for each, in this language.
    pub slots: Vec<Language>,
    /// How many processes are killed in all.
    pub kills: usize,
    /// The longest that a process lives after it is ready.
    pub longest: Duration,
    pub bug: &'static str,
}

/// What an epoch has shown.
#[derive(Default)]
pub struct Shown {
    pub wrong: Vec<String>,
    pub kills: BTreeMap<String, usize>,
    /// Kills of a process that was at work on an order.
    pub amid: usize,
    pub acknowledged: usize,
    pub linearizable: usize,
    pub claims: usize,
    pub refused: BTreeMap<String, usize>,
    pub live_kept: usize,
    pub dead_swept: usize,
}

impl Shown {
    pub fn add(&mut self, other: Self) {
        self.wrong.extend(other.wrong);
        for (name, count) in other.kills {
            *self.kills.entry(name).or_default() += count;
        }
        for (name, count) in other.refused {
            *self.refused.entry(name).or_default() += count;
        }
        self.amid += other.amid;
        self.acknowledged += other.acknowledged;
        self.linearizable += other.linearizable;
        self.claims += other.claims;
        self.live_kept += other.live_kept;
        self.dead_swept += other.dead_swept;
    }
}

pub fn run(plan: &Plan, folder: &Path) -> Shown {
    let database = folder.join("database.db");
    let ledger = Mutex::new(Ledger::default());
    let kills = Mutex::new(BTreeMap::new());
    // Whoever starts in milliseconds is killed more often.
    let weights: usize = plan.slots.iter().copied().map(program::weight).sum();
    let mut lasting = [Lasting::start(&database, 0), Lasting::start(&database, 1)];
    let doomed = Lasting::start(&database, 2);
    thread::scope(|scope| {
        for (slot, language) in plan.slots.iter().enumerate() {
            let (database, ledger, kills) = (&database, &ledger, &kills);
            let share = (plan.kills * program::weight(*language)).div_ceil(weights);
            scope.spawn(move || {
                for number in 0..share {
                    let (life, calls) = live(plan, slot, number, *language, database);
                    ledger.lock().unwrap().add(life, calls);
                    *kills
                        .lock()
                        .unwrap()
                        .entry(format!("{language:?}"))
                        .or_default() += 1;
                }
            });
        }
    });
    let mut ledger = ledger.into_inner().unwrap();
    // Nobody sweeps any more: what this one has, the judge's sweep finds.
    let (life, calls) = doomed.end();
    ledger.add(life, calls);
    let mut shown = judge(ledger, &database, &mut lasting);
    shown.kills = kills.into_inner().unwrap();
    shown
}

/// A process that has leases from the beginning to the end.
struct Lasting {
    worker: Worker,
    ports: Vec<u16>,
    ledger: (Life, Vec<Call>),
}

impl Lasting {
    fn start(database: &Path, number: usize) -> Self {
        let life = Life {
            actor: format!("lasting.{number}"),
            project: format!("lasting{number}"),
            killed: i64::MAX,
        };
        let start = Start {
            language: Language::Rust,
            database,
            actor: &life.actor,
            durability: "normal",
            bug: "-",
        };
        let mut worker = Worker::start(&start);
        let _in_time = watchdog(&worker);
        assert_eq!(worker.line().as_deref(), Some("ready"));
        let mut calls = Vec::new();
        for n in 0..5 {
            let order = Order::Lease {
                text: format!("{}.{n}", life.actor),
            };
            let (begin, end, answer) = worker.ask(&order, &life.project, LASTING).unwrap();
            calls.push(Call {
                life: 0,
                order,
                begin,
                end,
                answer,
            });
        }
        let ports = calls.iter().map(|call| call.port().unwrap()).collect();
        Self {
            worker,
            ports,
            ledger: (life, calls),
        }
    }

    fn end(mut self) -> (Life, Vec<Call>) {
        self.ledger.0.killed = clock();
        self.worker.child.kill().unwrap();
        self.worker.child.wait().unwrap();
        self.ledger
    }
}

/// Kills a worker that is stuck, unless what this returns is dropped before.
fn watchdog(worker: &Worker) -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel();
    let pid = Pid::from_child(&worker.child);
    thread::spawn(move || {
        if receiver.recv_timeout(STUCK) == Err(RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    sender
}

/// One process, from its start until it is killed at some moment.
fn live(
    plan: &Plan,
    slot: usize,
    number: usize,
    language: Language,
    database: &Path,
) -> (Life, Vec<Call>) {
    let mut life = Life {
        actor: format!("w{slot}.{number}"),
        project: format!("w{slot}"),
        killed: i64::MAX,
    };
    let start = Start {
        language,
        database,
        actor: &life.actor,
        durability: if fastrand::u8(..8) == 0 {
            "full"
        } else {
            "normal"
        },
        bug: if slot.is_multiple_of(2) {
            plan.bug
        } else {
            "-"
        },
    };
    let mut worker = Worker::start(&start);
    let pid = Pid::from_child(&worker.child);
    let kill = move |after: &mpsc::Receiver<Duration>| {
        // At some moment of its start, or from when it is ready.
        let early = Duration::from_micros(fastrand::u64(..8_000));
        let wait = if fastrand::u8(..20) == 0 {
            early
        } else {
            STUCK
        };
        let waited = after.recv_timeout(wait);
        if let Ok(after) = waited {
            thread::sleep(after);
        }
        let now = clock();
        kill_process(pid, Signal::KILL).unwrap();
        let is_stuck = wait == STUCK && waited == Err(RecvTimeoutError::Timeout);
        assert!(!is_stuck, "a worker did not get ready");
        now
    };
    let (ready, when) = mpsc::channel();
    let killer = thread::spawn(move || kill(&when));
    let mut calls = Vec::new();
    let mut mine = Mine::default();
    if worker.line().is_some() {
        let longest = u64::try_from(plan.longest.as_micros()).unwrap();
        let _ = ready.send(Duration::from_micros(fastrand::u64(..longest)));
        for n in 0.. {
            let order = mine.next(format!("{}.{n}", life.actor));
            let begin = clock();
            let answered = worker.ask(&order, &life.project, PORTS);
            let is_over = answered.is_none();
            let (begin, end, answer) = answered.unwrap_or((begin, i64::MAX, Answer::Nothing));
            let call = Call {
                life: 0,
                order,
                begin,
                end,
                answer,
            };
            mine.hear(&call);
            calls.push(call);
            if is_over {
                break;
            }
        }
    }
    drop(ready);
    life.killed = killer.join().unwrap();
    let status = worker.child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9),
        "{life:?}"
    );
    (life, calls)
}

/// What a process knows that it has.
#[derive(Default)]
struct Mine {
    claims: Vec<u16>,
    leases: Vec<(u16, String)>,
}

impl Mine {
    fn next(&mut self, text: String) -> Order {
        let any = fastrand::u16(PORTS.0..=PORTS.1);
        match fastrand::u8(..100) {
            0..25 => Order::Reserve { port: any, text },
            25..45 => Order::Release {
                port: one_of(&mut self.claims).unwrap_or(any),
            },
            45..60 => Order::Request { text },
            60..75 => Order::Lease { text },
            75..85 => match one_of(&mut self.leases) {
                Some((port, text)) => Order::Drop { port, text },
                None => Order::Get { port: any },
            },
            _ => Order::Get { port: any },
        }
    }

    fn hear(&mut self, call: &Call) {
        if let (true, Some(port)) = (call.is_done(), call.port()) {
            match &call.order {
                Order::Reserve { .. } | Order::Request { .. } => self.claims.push(port),
                Order::Lease { text } => {
                    // One that it gave back in another way may come again.
                    self.leases.retain(|(other, _)| *other != port);
                    self.leases.push((port, text.clone()));
                }
                _ => {}
            }
        }
    }
}

fn one_of<T>(kept: &mut Vec<T>) -> Option<T> {
    (!kept.is_empty()).then(|| kept.swap_remove(fastrand::usize(..kept.len())))
}

/// Everybody but two is dead. Says everything that is not as promised.
fn judge(mut ledger: Ledger, database: &Path, lasting: &mut [Lasting; 2]) -> Shown {
    let mut shown = Shown::default();
    let keeper = Keeper::open_at(database).unwrap();
    let claims = || keeper.list(Filter::claims()).unwrap();

    // One sweep: of the dead nothing is left, and of the living nothing is taken.
    let before = claims();
    keeper.scan().unwrap();
    let after = claims();
    let pids: Vec<u32> = lasting.iter().map(|one| one.worker.child.id()).collect();
    shown.dead_swept = before.len() - after.len();
    for row in &after {
        if let Some(owner) = row.owner()
            && !pids.contains(&owner.pid)
        {
            shown.wrong.push(format!("a dead claim is left: {row:?}"));
        }
    }
    for (one, pid) in lasting.iter().zip(&pids) {
        for port in &one.ports {
            let row = after.iter().find(|row| row.number == *port);
            if row
                .and_then(|row| row.owner())
                .is_none_or(|owner| owner.pid != *pid)
            {
                shown
                    .wrong
                    .push(format!("a live claim was released: {port}, now {row:?}"));
            } else {
                shown.live_kept += 1;
            }
        }
        ledger.add(one.ledger.0.clone(), one.ledger.1.clone());
    }

    let mut history = keeper.history(HistoryQuery::all().limit(u32::MAX)).unwrap();
    history.sort_unstable_by_key(|entry| entry.id);
    let (placed, wrong) = told::check(&ledger, &history, &after);
    shown.wrong.extend(wrong);
    let (checked, wrong) = port::check(&ledger, &placed);
    shown.wrong.extend(wrong);
    shown.linearizable = checked;
    shown.acknowledged = ledger.acknowledged();
    shown.amid = ledger.calls.iter().filter(|call| call.is_unknown()).count();
    for call in &ledger.calls {
        shown.claims += usize::from(call.text().is_some() && call.is_done());
        if let Answer::Refused(name, _) = &call.answer {
            *shown.refused.entry(name.clone()).or_default() += 1;
        }
    }

    let found = keeper.verify(Watch::none()).unwrap();
    shown
        .wrong
        .extend(found.iter().map(|finding| format!("verify: {finding:?}")));
    drop(keeper);
    for one in lasting {
        one.worker.child.kill().unwrap();
        one.worker.child.wait().unwrap();
    }
    let plain = rusqlite::Connection::open(database).unwrap();
    let whole: String = plain
        .query_row("PRAGMA integrity_check", (), |row| row.get(0))
        .unwrap();
    if whole != "ok" {
        shown.wrong.push(format!("integrity: {whole}"));
    }
    shown
}
