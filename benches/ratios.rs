//! The promised figures, each as a ratio of medians measured in turn in this one run:
//! `cargo bench --bench ratios`.

mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use portkeeper_core::{Durability, HistoryQuery, Keeper, PortRequest, Release, ReserveRequest};
use support::{PORT, bare, bare_point_read, bare_probe, bare_request, bare_reserve};

fn main() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average {}", load.trim());
    let reached = [
        reserve(Durability::Normal, 3_000),
        reserve(Durability::Full, 600),
        check(),
        request(),
        history(),
    ];
    if reached.contains(&false) {
        std::process::exit(1);
    }
}

/// `reserve` of a free port against the same rows written by SQLite alone.
fn reserve(durability: Durability, rounds: u16) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let keeper = support::keeper(&folder.path().join("ours.db"), durability);
    let path = folder.path().join("bare.db");
    drop(support::keeper(&path, durability));
    let db = bare(&path, durability);
    let mut port = 10_000..;
    let mut bare_port = 10_000..;
    compare(
        &format!("reserve, {durability:?}"),
        1.5,
        rounds,
        || {
            let port = port.next().unwrap();
            timed(|| {
                keeper
                    .reserve(port, ReserveRequest::new("bench").adopt(false))
                    .unwrap()
            })
        },
        || {
            let port = bare_port.next().unwrap();
            timed(|| bare_reserve(&db, port, "bench"))
        },
    )
}

/// `check` of a free port against one point read and one TCP bind probe.
fn check() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = support::keeper(&path, Durability::Normal);
    let db = bare(&path, Durability::Normal);
    compare(
        "check of a free port",
        2.0,
        20_000,
        || timed(|| keeper.check(black_box(PORT)).unwrap()),
        || timed(|| (bare_point_read(&db, black_box(PORT)), bare_probe(PORT))),
    )
}

/// `request` of 1,000 ports in one call against the rows of 1,000 claims, written by SQLite alone in
/// one transaction, and 1,000 bind probes.
fn request() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let keeper = support::keeper(&folder.path().join("ours.db"), Durability::Normal);
    let path = folder.path().join("bare.db");
    let other = support::keeper(&path, Durability::Normal);
    let db = bare(&path, Durability::Normal);
    compare(
        "request of 1,000 ports",
        3.0,
        60,
        || {
            let time = timed(|| {
                let request = PortRequest::new("bench").count(1000).range(10_000..=19_999);
                assert_eq!(keeper.request(request).unwrap().len(), 1000);
            });
            keeper.release(Release::project("bench")).unwrap();
            time
        },
        || {
            let mut ports = Vec::new();
            let time = timed(|| {
                ports.extend(
                    (10_000..=19_999)
                        .filter(|port| bare_probe(*port))
                        .take(1000),
                );
                bare_request(&db, &ports, "bench");
            });
            other.release(Release::project("bench")).unwrap();
            time
        },
    )
}

/// A page of one port's history among a million entries against the same among a thousand.
fn history() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let filled = |name: &str, entries| {
        let path = folder.path().join(name);
        let keeper = Keeper::open_at(&path).unwrap();
        support::fill_history(&path, entries);
        // Both ports have at least as many entries as a page.
        for _ in 0..10 {
            let request = ReserveRequest::new("project").adopt(true);
            keeper.release(30_500).unwrap();
            keeper.reserve(30_500, request).unwrap();
        }
        keeper
    };
    let (small, large) = (filled("small.db", 1_000), filled("large.db", 1_000_000));
    let page = |keeper: &Keeper| {
        let query = HistoryQuery::port(30_500).limit(20);
        timed(|| assert_eq!(keeper.history(query).unwrap().len(), 20))
    };
    compare(
        "history page, 1,000,000 : 1,000",
        1.5,
        5_000,
        || page(&large),
        || page(&small),
    )
}

/// Runs `ours` and `theirs` in turn, prints both medians and their ratio, and tells whether it is within
/// the limit.
fn compare(
    name: &str,
    limit: f64,
    rounds: u16,
    mut ours: impl FnMut() -> Duration,
    mut theirs: impl FnMut() -> Duration,
) -> bool {
    let (mut a, mut b): (Vec<Duration>, Vec<Duration>) =
        (0..rounds).map(|_| (ours(), theirs())).unzip();
    let (a, b) = (median(&mut a), median(&mut b));
    let ratio = a.as_secs_f64() / b.as_secs_f64();
    let word = if ratio <= limit { "reached" } else { "MISSED" };
    println!(
        "{name:<34} {:>9.1} µs : {:>9.1} µs = {ratio:.2}   (at most {limit}: {word})",
        a.as_secs_f64() * 1e6,
        b.as_secs_f64() * 1e6,
    );
    ratio <= limit
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
