//! Whose a claim is, and how long, when several want it in different ways.

#[path = "support/altered.rs"]
mod altered;
mod support;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use altered::Altered;
use portkeeper_core::{
    ErrorKind, Filter, Keeper, Options, PortRequest, Release, ReserveRequest, Status, Strategy,
    Verdict, host::Host,
};
use support::{child, child_argument};

const MINUTE: Duration = Duration::from_secs(60);

fn registry() -> (Arc<Altered>, Keeper) {
    let host = Arc::new(Altered::default());
    let options = Options::new().in_memory().host(host.clone());
    (host.clone(), options.open().unwrap())
}

fn web(range: std::ops::RangeInclusive<u16>) -> PortRequest {
    PortRequest::new("shop").role("web").range(range)
}

fn status(keeper: &Keeper, port: u16) -> Status {
    keeper.get(port).unwrap().unwrap().status
}

#[test]
fn a_lasting_claim_outlives_every_lease_on_it() {
    let (host, keeper) = registry();
    let port = keeper.request(web(18_000..=18_009)).unwrap()[0].number;
    for ttl in [None, Some(MINUTE)] {
        let request = web(18_000..=18_009);
        let lease = keeper.lease(match ttl {
            Some(ttl) => request.ttl(ttl),
            None => request,
        });
        let lease = lease.unwrap();
        assert_eq!(lease.port(), port);
        host.forward(3600);
        keeper.scan().unwrap();
        drop(lease);
        keeper.scan().unwrap();
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!((row.status, row.auto_release), (Status::Reserved, false));
        assert_eq!(row.owner(), None);
    }
}

#[test]
fn nobody_shortens_the_lease_of_a_living_process() {
    let (host, keeper) = registry();
    let lease = keeper.lease(web(18_010..=18_019)).unwrap();
    let refusal = keeper
        .request(web(18_010..=18_019).ttl(MINUTE).owned_by(1))
        .unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved, "{refusal}");
    assert_eq!(refusal.pid(), Some(std::process::id()));
    let refusal = keeper
        .request(web(18_010..=18_019).ttl(MINUTE))
        .unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved, "{refusal}");
    host.forward(3600);
    keeper.scan().unwrap();
    assert_eq!(status(&keeper, lease.port()), Status::Reserved);
}

#[test]
fn a_lease_without_an_end_does_not_inherit_one() {
    let (host, keeper) = registry();
    let port = keeper.request(web(18_020..=18_029).ttl(MINUTE)).unwrap()[0].number;
    let lease = keeper.lease(web(18_020..=18_029)).unwrap();
    assert_eq!(lease.port(), port);
    host.forward(3600);
    keeper.scan().unwrap();
    assert_eq!(status(&keeper, port), Status::Reserved);
    drop(lease);
    assert_eq!(status(&keeper, port), Status::Free);
}

#[test]
fn a_bound_role_cannot_be_bound_again_and_stays() {
    let (_host, keeper) = registry();
    let bound = keeper.bind(web(18_030..=18_039)).unwrap();
    let refusal = keeper.bind(web(18_030..=18_039)).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved, "{refusal}");
    assert_eq!(status(&keeper, bound.port()), Status::Reserved);
    let lease = keeper.lease(web(18_030..=18_039)).unwrap_err();
    assert_eq!(lease.kind(), ErrorKind::PortReserved, "{lease}");
    keeper.wait_ready(&bound, MINUTE).unwrap();
}

#[test]
fn a_held_port_is_not_given_on_before_it_is_let_go() {
    let (host, keeper) = registry();
    let one = || PortRequest::new("shop").range(18_040..=18_040);

    // The time of its claim is over.
    keeper.request(one().ttl(MINUTE)).unwrap();
    let hold = keeper.hold(18_040).unwrap();
    host.forward(3600);
    let error = keeper.request(one()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RangeExhausted, "{error}");
    drop(hold);
    assert_eq!(status(&keeper, 18_040), Status::Free);

    // The guard of its lease is gone.
    let lease = keeper.lease(one()).unwrap();
    let hold = keeper.hold(18_040).unwrap();
    let second = keeper.hold(18_040).unwrap_err();
    assert_eq!(second.kind(), ErrorKind::PortReserved, "{second}");
    drop(lease);
    assert!(matches!(
        keeper.check(18_040).unwrap().verdict,
        Verdict::Held { .. }
    ));
    keeper.scan().unwrap();
    assert_eq!(status(&keeper, 18_040), Status::Reserved);
    drop(hold);
    assert_eq!(status(&keeper, 18_040), Status::Free);
}

#[test]
fn a_role_is_one_port_however_many_ask_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = folder.path().join(format!("{round}.db"));
        let ports: HashSet<u16> = thread::scope(|scope| {
            let askers: Vec<_> = (0..8)
                .map(|_| {
                    let path = &path;
                    scope.spawn(move || {
                        let keeper = Keeper::open_at(path).unwrap();
                        let request = web(18_050..=18_149).strategy(Strategy::Random);
                        keeper.request(request).unwrap()[0].number
                    })
                })
                .collect();
            askers
                .into_iter()
                .map(|asker| asker.join().unwrap())
                .collect()
        });
        assert_eq!(ports.len(), 1, "{ports:?}");
        let keeper = Keeper::open_at(&path).unwrap();
        assert_eq!(keeper.list(Filter::claims()).unwrap().len(), 1);
    }
}

#[test]
fn a_lease_that_was_lost_is_not_waited_for() {
    let (_host, keeper) = registry();
    let lease = keeper.lease(web(18_150..=18_150)).unwrap();
    keeper.release(Release::port(18_150)).unwrap();
    let lost = keeper.wait_ready(&lease, MINUTE).unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::PortNotFound, "{lost}");

    keeper
        .reserve(18_150, ReserveRequest::new("other"))
        .unwrap();
    let server = std::net::TcpListener::bind(("127.0.0.1", 18_150)).unwrap();
    let lost = keeper.wait_ready(&lease, MINUTE).unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::PortReserved, "{lost}");
    assert_eq!(lost.project(), Some("other"));
    drop(server);
}

/// A lease of one second lasts a second at least, though times are kept in whole ones.
#[test]
fn a_short_lease_is_never_shorter_than_it_says() {
    let (host, keeper) = registry();
    let row = &keeper
        .request(web(18_160..=18_169).ttl(Duration::from_millis(1)))
        .unwrap()[0];
    let end = row.lease.as_ref().unwrap().expires_at.unwrap();
    assert_eq!((end - host.now()).num_seconds(), 2);
}

#[test]
fn a_refusal_counts_what_holds_the_range() {
    let (_host, keeper) = registry();
    keeper.reserve(18_171, ReserveRequest::new("blog")).unwrap();
    let server = std::net::TcpListener::bind(("127.0.0.1", 18_173)).unwrap();
    let message = |strategy| {
        let request = PortRequest::new("shop")
            .range(18_170..=18_174)
            .avoid([18_174]);
        let error = keeper
            .request(request.count(4).strategy(strategy))
            .unwrap_err();
        error.to_string()
    };
    let rest = r#"1 reserved for "blog", 1 in use, 1 to be avoided"#;
    for strategy in [Strategy::Lowest, Strategy::Random, Strategy::Stable] {
        assert_eq!(
            message(strategy),
            format!("2 of 4 ports can be had in 18170..=18174: {rest}"),
            "{strategy:?}"
        );
    }
    assert_eq!(
        message(Strategy::Contiguous),
        format!("1 of 4 ports can be had in 18170..=18174: {rest}")
    );
    drop(server);
}

/// The claim is not the holder's: whoever held it ends, and the claim goes on until its time.
#[test]
fn a_holder_that_is_killed_does_not_end_a_claim_that_is_not_its_own() {
    const TEST: &str = "a_holder_that_is_killed_does_not_end_a_claim_that_is_not_its_own";
    if let Some(path) = child_argument() {
        let keeper = Keeper::open_at(path).unwrap();
        let hold = keeper.hold(18_180).unwrap();
        assert_eq!(hold.port(), 18_180);
        std::process::abort();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let host = Arc::new(Altered::default());
    let keeper = Options::new()
        .path(&path)
        .host(host.clone())
        .open()
        .unwrap();
    let request = PortRequest::new("shop").range(18_180..=18_180);
    keeper.request(request.ttl(MINUTE)).unwrap();

    let output = child(TEST, &path.display().to_string()).output().unwrap();
    assert!(!output.status.success(), "it aborts");
    let left = keeper.get(18_180).unwrap().unwrap();
    assert!(left.lease.is_some_and(|lease| lease.held && lease.borrowed));
    keeper.scan().unwrap();
    let row = keeper.get(18_180).unwrap().unwrap();
    assert_eq!((row.status, row.owner()), (Status::Reserved, None));
    host.forward(62);
    keeper.scan().unwrap();
    assert_eq!(status(&keeper, 18_180), Status::Free);
}

/// Somebody finds that the time is over, and before he writes that, the owner holds the port.
#[test]
fn a_lease_that_is_held_at_the_last_moment_does_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let owner = Keeper::open_at(&path).unwrap();
    let request = PortRequest::new("shop").range(18_181..=18_181);
    let lease = owner.lease(request.ttl(MINUTE)).unwrap();
    let late = Arc::new(Altered::default());
    late.forward(3600);
    let sweeper = Options::new()
        .path(&path)
        .host(late.clone())
        .open()
        .unwrap();
    let hold = Arc::new(Mutex::new(None));
    let place = Arc::clone(&hold);
    let holder = owner.clone();
    // Within a scan, before it reads the leases.
    late.at_now(move || *place.lock().unwrap() = Some(holder.hold(18_181).unwrap()));
    sweeper.scan().unwrap();
    assert!(hold.lock().unwrap().is_some());
    assert_eq!(status(&owner, 18_181), Status::Reserved);
    drop(lease);
}

/// The guard goes, the project wants to keep the port, and then the hold goes.
#[test]
fn a_role_is_usable_again_after_its_last_user() {
    let (_host, keeper) = registry();
    let lease = keeper.lease(web(18_182..=18_182)).unwrap();
    let hold = keeper.hold(18_182).unwrap();
    drop(lease);
    keeper.reserve(18_182, ReserveRequest::new("shop")).unwrap();
    drop(hold);
    let row = keeper.get(18_182).unwrap().unwrap();
    assert_eq!((row.status, row.owner()), (Status::Reserved, None));
    drop(keeper.lease(web(18_182..=18_182)).unwrap());
}
