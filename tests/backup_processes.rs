//! Backup and restore while other processes write at full speed, and when one of them is killed.

#[path = "support/registry.rs"]
mod registry;
#[path = "support/size.rs"]
mod size;
mod support;

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdin, Stdio},
    time::Instant,
};

use portkeeper_core::{Filter, HistoryQuery, Keeper, ReserveRequest, Watch};
use registry::{Registry, content, reserve};
use size::size;
use support::{child, child_argument};

/// A process that reserves and releases until its input ends, and tells what was acknowledged.
struct Writer {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Writer {
    fn start(path: &Path, number: u16) -> Self {
        let argument = format!("{}\n{number}", path.display());
        let mut process = child("writes_until_its_input_ends", &argument)
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("started") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "a writer ended");
        }
        Self {
            process,
            stdin,
            stdout,
        }
    }

    /// The descriptions of every acknowledged claim.
    fn stop(mut self) -> Vec<String> {
        drop(self.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        assert!(self.process.wait().unwrap().success(), "{text}");
        let lines = text.lines().filter_map(|line| line.strip_prefix("ack "));
        lines.map(str::to_owned).collect()
    }
}

#[test]
fn writes_until_its_input_ends() {
    let Some(argument) = child_argument() else {
        return;
    };
    let (path, number) = argument.split_once('\n').unwrap();
    let port: u16 = 22_800 + 50 * number.parse::<u16>().unwrap();
    let keeper = Keeper::open_at(path).unwrap();
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let end = std::sync::Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        end.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let mut round = 0;
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        let port = port + round % 50;
        let description = format!("writer {number} round {round}");
        let claim = ReserveRequest::new("w")
            .description(&description)
            .adopt(true);
        keeper.reserve(port, claim).unwrap();
        if round == 0 {
            println!("started");
        }
        println!("ack {description}");
        round = round.wrapping_add(1);
    }
}

/// The descriptions that a registry's history has.
fn told(keeper: &Keeper) -> HashSet<String> {
    let entries = keeper
        .history(HistoryQuery::all().limit(1_000_000))
        .unwrap();
    entries
        .into_iter()
        .filter_map(|entry| entry.description)
        .collect()
}

#[test]
fn nothing_that_two_writers_were_promised_is_lost() {
    if child_argument().is_some() {
        return;
    }
    let registry = Registry::filled();
    let keeper = &registry.keeper;
    let old = registry.backup("old.db");
    let writers = [1, 2].map(|number| Writer::start(keeper.path(), number));
    let mut longest = 0;
    for round in 0..size(2, 8) {
        let backup = registry.path("live.db");
        keeper.backup(&backup, Watch::none()).unwrap();
        // Its claims and its history are of one moment.
        let copy = registry.path(&format!("copy{round}.db"));
        fs::copy(&backup, &copy).unwrap();
        let copy = Keeper::open_at(&copy).unwrap();
        assert_eq!(copy.verify(Watch::none()).unwrap(), []);
        let begun = Instant::now();
        let report = keeper.restore(&old, Watch::none()).unwrap();
        longest = longest.max(begun.elapsed().as_millis());
        let safety = Keeper::open_at(report.safety_backup.unwrap()).unwrap();
        assert!(told(&copy).is_subset(&told(&safety)));
        let mut dump = Vec::new();
        keeper.dump(&mut dump, Watch::none()).unwrap();
        let script = registry.path("dump.sql");
        fs::write(&script, dump).unwrap();
        let other = Registry::new();
        other.keeper.restore(&script, Watch::none()).unwrap();
        assert_eq!(other.keeper.verify(Watch::none()).unwrap(), []);
    }
    println!("the longest restore under two writers took {longest} ms");
    let told = told(keeper);
    for writer in writers {
        let acknowledged = writer.stop();
        assert!(acknowledged.len() > 8, "{}", acknowledged.len());
        let told = self::told(keeper)
            .union(&told)
            .cloned()
            .collect::<HashSet<_>>();
        for description in acknowledged {
            assert!(told.contains(&description), "{description} is lost");
        }
    }
    assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
    keeper.restore(&old, Watch::none()).unwrap();
    assert_eq!(keeper.list(Filter::claims()).unwrap().len(), 4);
}

/// Backs up or restores again and again, until it is killed.
#[test]
fn works_until_it_is_killed() {
    let Some(argument) = child_argument() else {
        return;
    };
    let [path, what, other] = argument.split('\n').collect::<Vec<_>>()[..] else {
        panic!()
    };
    let keeper = Keeper::open_at(path).unwrap();
    println!("started");
    loop {
        match what {
            "backup" => drop(keeper.backup(other, Watch::none()).unwrap()),
            _ => drop(keeper.restore(other, Watch::none()).unwrap()),
        }
        reserve(&keeper, 22_750, "again");
        keeper.release(22_750).unwrap();
        reserve(&keeper, 22_751, "more");
    }
}

fn kill_at_random(what: &str, check: impl Fn(&Registry, &Path)) {
    let registry = Registry::filled();
    let other = registry.backup("other.db");
    for _ in 0..size(8, 25) {
        let argument = format!(
            "{}\n{what}\n{}",
            registry.keeper.path().display(),
            other.display()
        );
        let mut process = child("works_until_it_is_killed", &argument)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("started") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended");
        }
        // When it is killed is the point of the test: it waits for nothing.
        std::thread::sleep(std::time::Duration::from_micros(fastrand::u64(0..40_000)));
        process.kill().unwrap();
        process.wait().unwrap();
        check(&registry, &other);
    }
}

#[test]
fn a_backup_that_is_killed_leaves_the_old_or_the_new_one() {
    if child_argument().is_some() {
        return;
    }
    kill_at_random("backup", |registry, backup| {
        let copy = registry.path("copy.db");
        fs::copy(backup, &copy).unwrap();
        let keeper = Keeper::open_at(&copy).unwrap();
        assert_eq!(keeper.verify(Watch::none()).unwrap(), []);
        assert!(keeper.get(22_600).unwrap().is_some());
        drop(keeper);
        assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
    });
}

#[test]
fn a_restore_that_is_killed_leaves_all_or_nothing() {
    if child_argument().is_some() {
        return;
    }
    kill_at_random("restore", |registry, backup| {
        assert_eq!(registry.keeper.verify(Watch::none()).unwrap(), []);
        let claims = registry.keeper.list(Filter::claims()).unwrap();
        let more = claims.iter().any(|row| row.number == 22_751);
        let again = claims.iter().any(|row| row.number == 22_750);
        assert_eq!(
            claims.len(),
            4 + usize::from(more) + usize::from(again),
            "{claims:?}"
        );
        registry.keeper.restore(backup, Watch::none()).unwrap();
        assert_eq!(registry.keeper.list(Filter::claims()).unwrap().len(), 4);
        assert!(content(registry.keeper.path()).len() > 4);
        for file in registry.files() {
            if file.contains("before-restore") {
                fs::remove_file(registry.path(&file)).unwrap();
            }
        }
    });
}
