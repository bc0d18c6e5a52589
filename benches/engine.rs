//! What each operation costs. Compare figures of one run with each other only.
#![allow(
    missing_docs,
    reason = "criterion's macro makes a public function without any"
)]

mod support;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use portkeeper_core::{
    Durability, Filter, HistoryQuery, Keeper, PortRequest, Release, ReserveRequest,
};
use support::PORT;

fn open(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    c.bench_function("open/new", |b| {
        b.iter_batched(
            || tempfile::tempdir().unwrap(),
            |fresh| {
                drop(Keeper::open_at(fresh.path().join("database.db")).unwrap());
                fresh
            },
            BatchSize::PerIteration,
        );
    });
    drop(Keeper::open_at(&path).unwrap());
    c.bench_function("open/alone", |b| b.iter(|| Keeper::open_at(&path).unwrap()));
    let _other = Keeper::open_at(&path).unwrap();
    c.bench_function("open/beside another", |b| {
        b.iter(|| Keeper::open_at(&path).unwrap());
    });
}

fn one_port(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = support::keeper(&path, Durability::Normal);
    c.bench_function("check/free", |b| {
        b.iter(|| keeper.check(black_box(PORT)).unwrap())
    });
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = server.local_addr().unwrap().port();
    c.bench_function("check/listening", |b| {
        b.iter(|| keeper.check(taken).unwrap())
    });

    for (name, durability) in [("normal", Durability::Normal), ("full", Durability::Full)] {
        let keeper = support::keeper(&path, durability);
        c.bench_function(&format!("reserve/{name}"), |b| {
            b.iter_batched(
                || drop(keeper.release(PORT)),
                |()| keeper.reserve(PORT, ReserveRequest::new("bench")).unwrap(),
                BatchSize::PerIteration,
            );
        });
        c.bench_function(&format!("release/{name}"), |b| {
            b.iter_batched(
                || drop(keeper.reserve(PORT, ReserveRequest::new("bench")).unwrap()),
                |()| keeper.release(PORT).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
}

fn chosen_ports(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let keeper = support::keeper(&folder.path().join("database.db"), Durability::Normal);
    for (name, count) in [("1", 1), ("1,000", 1_000)] {
        c.bench_function(&format!("request/{name}"), |b| {
            b.iter_batched(
                || drop(keeper.release(Release::project("bench")).unwrap()),
                |()| {
                    let request = PortRequest::new("bench")
                        .count(count)
                        .range(10_000..=19_999);
                    keeper.request(request).unwrap()
                },
                BatchSize::PerIteration,
            );
        });
    }
    keeper.release(Release::project("bench")).unwrap();
    let again = || PortRequest::new("bench").role("web").range(10_000..=19_999);
    let port = keeper.request(again()).unwrap()[0].number;
    c.bench_function("request/the same role again", |b| {
        b.iter(|| keeper.request(again()).unwrap());
    });
    c.bench_function("hold and drop", |b| b.iter(|| keeper.hold(port).unwrap()));
    c.bench_function("lease and drop", |b| {
        b.iter(|| {
            let request = PortRequest::new("bench").range(10_000..=19_999);
            keeper.lease(request).unwrap()
        });
    });
}

fn many_rows(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    support::claim_every_port(&path);
    c.bench_function("list/65,535 rows", |b| {
        b.iter(|| keeper.list(Filter::claims()).unwrap());
    });
    c.bench_function("list/one project of 500", |b| {
        b.iter(|| keeper.list(Filter::claims().project("project 7")).unwrap());
    });

    for (name, entries) in [("1,000", 1_000), ("1,000,000", 1_000_000)] {
        let path = folder.path().join(format!("history {entries}.db"));
        let keeper = Keeper::open_at(&path).unwrap();
        support::fill_history(&path, entries);
        c.bench_function(&format!("history/one port of {name}"), |b| {
            b.iter(|| {
                keeper
                    .history(HistoryQuery::port(30_500).limit(20))
                    .unwrap()
            });
        });
    }
}

fn scan(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    c.bench_function("listeners", |b| b.iter(|| keeper.listeners().unwrap()));
    c.bench_function("scan", |b| b.iter(|| keeper.scan().unwrap()));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = open, one_port, chosen_ports, many_rows, scan
}
criterion_main!(benches);
