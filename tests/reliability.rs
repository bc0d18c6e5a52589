//! Processes of several languages claim and give back the same ports on one registry and are killed at
//! random moments. Their merged log is checked: every port's observations for linearizability, and
//! all of them against the registry's history and rows.
//!
//! `PORTKEEPER_KILLS` says how many are killed, `PORTKEEPER_OPERATIONS` how many operations eight processes
//! do at least in the run that is about those. `PORTKEEPER_LANGUAGES=Rust,C` leaves the others out.
#![cfg(target_os = "linux")]

#[path = "reliability/epoch.rs"]
mod epoch;
#[path = "support/language.rs"]
mod language;
#[path = "reliability/ledger.rs"]
mod ledger;
#[path = "reliability/linear.rs"]
mod linear;
#[path = "reliability/port.rs"]
mod port;
#[path = "reliability/program.rs"]
mod program;
#[path = "support/size.rs"]
mod size;
mod support;
#[path = "reliability/told.rs"]
mod told;
#[path = "reliability/worker.rs"]
mod worker;

use std::{
    env,
    io::{Write, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

use epoch::{Plan, Shown};
use language::Language;
use size::size;

/// Two epochs at once would use the same ports.
static ALONE: Mutex<()> = Mutex::new(());

/// How long a process lives whose operations are looked at, at most.
const LONGEST: fn() -> Duration = || Duration::from_millis(size(300, 1_000));

#[test]
fn worker() {
    worker::serve();
}

fn number(variable: &str, usual: usize) -> usize {
    env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

fn epoch(plan: &Plan) -> Shown {
    let folder = tempfile::tempdir().unwrap();
    epoch::run(plan, folder.path())
}

/// Languages in turn, so that each has a part in it.
fn slots(languages: &[Language], count: usize) -> Vec<Language> {
    languages.iter().copied().cycle().take(count).collect()
}

fn tell(what: &str, shown: &Shown, begin: Instant) {
    let Shown {
        kills,
        amid,
        acknowledged,
        linearizable,
        claims,
        refused,
        live_kept,
        dead_swept,
        wrong,
    } = shown;
    let all: usize = kills.values().sum();
    let text = format!(
        "\n{what}: {all} SIGKILLs {kills:?}, {amid} of them amid an operation; {acknowledged} operations \
         acknowledged, {claims} of them claims, {linearizable} checked for linearizability per port; refused \
         {refused:?}; {live_kept} live claims kept, {dead_swept} dead ones swept at once; {} findings; {:.1} s\n",
        wrong.len(),
        begin.elapsed().as_secs_f64(),
    );
    stderr().write_all(text.as_bytes()).unwrap();
}

#[test]
fn killed_at_random_nothing_is_lost_and_no_port_is_given_twice() {
    const EPOCH: usize = 100;
    let _alone = ALONE.lock().unwrap();
    let languages =
        program::languages("killed_at_random_nothing_is_lost_and_no_port_is_given_twice");
    let kills = number("PORTKEEPER_KILLS", 20);
    let begin = Instant::now();
    let mut shown = Shown::default();
    let mut left = kills;
    while left > 0 {
        let now = left.min(EPOCH);
        left -= now;
        shown.add(epoch(&Plan {
            slots: slots(&languages, 8),
            kills: now,
            longest: Duration::from_millis(30),
            bug: "-",
        }));
        assert!(shown.wrong.is_empty(), "{:#?}", shown.wrong);
    }
    tell("killed at random", &shown, begin);
    assert!(shown.kills.values().sum::<usize>() >= kills && shown.amid > kills / 10);
    // Each epoch has two processes that live, and one that dies when nobody else sweeps.
    let epochs = kills.div_ceil(EPOCH);
    assert!(shown.live_kept == 10 * epochs && shown.dead_swept >= 5 * epochs);
}

#[test]
fn the_operations_of_eight_processes_are_linearizable() {
    let _alone = ALONE.lock().unwrap();
    let languages = program::languages("the_operations_of_eight_processes_are_linearizable");
    let wanted = number("PORTKEEPER_OPERATIONS", 300);
    let begin = Instant::now();
    let mut shown = Shown::default();
    while shown.linearizable < wanted {
        shown.add(epoch(&Plan {
            slots: slots(&languages, 8),
            kills: 16,
            longest: LONGEST(),
            bug: "-",
        }));
        assert!(shown.wrong.is_empty(), "{:#?}", shown.wrong);
    }
    tell("linearizable", &shown, begin);
}

/// The same checks find a worker that acknowledges before it commits, and one that answers from what it
/// read before. On a machine that is busy they do little before they are killed, and may get a second life.
#[test]
fn seeded_bugs_are_found() {
    const LIVES: usize = 20;
    let _alone = ALONE.lock().unwrap();
    for (bug, sign) in [("early", "LOST"), ("stale", "no order explains it")] {
        let begin = Instant::now();
        let mut shown = Shown::default();
        let mut found = 0;
        for _ in 0..LIVES {
            shown.add(epoch(&Plan {
                slots: slots(&[Language::Rust], 8),
                kills: 12,
                longest: LONGEST(),
                bug,
            }));
            let signs = shown.wrong.iter().filter(|wrong| wrong.contains(sign));
            found = signs.count();
            if found > 0 {
                break;
            }
        }
        tell(
            &format!("a worker with the bug `{bug}`, {found} times \"{sign}\""),
            &shown,
            begin,
        );
        assert!(found > 0, "{:#?}", shown.wrong);
    }
}
