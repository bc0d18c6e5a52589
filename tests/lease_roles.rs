//! A pool of leased ports serves one purpose after the other.

use std::time::Duration;

use portkeeper_core::{
    ErrorKind, Filter, HistoryQuery, Keeper, Lease, PortRequest, ReserveRequest, Result, Strategy,
};

fn ports(project: &str) -> PortRequest {
    PortRequest::new(project)
        .range(20_000..=29_999)
        .strategy(Strategy::Random)
}

fn role(keeper: &Keeper, port: u16) -> Option<String> {
    let row = keeper.get(port).unwrap().unwrap();
    row.role().map(str::to_owned)
}

fn refused(outcome: Result<()>, kind: ErrorKind, words: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn roles_change_and_the_history_stays_short() {
    let keeper = Keeper::in_memory().unwrap();
    let mut pool = keeper.lease(ports("tests").count(2)).unwrap();
    let [a, b] = pool.ports()[..] else {
        panic!("two ports");
    };
    for purpose in 0..100 {
        pool.set_roles([(a, Some(format!("test {purpose}"))), (b, None)])
            .unwrap();
    }
    assert_eq!(role(&keeper, a).as_deref(), Some("test 99"));
    assert_eq!(role(&keeper, b), None);
    assert_eq!(pool.reservations()[0].role(), Some("test 99"));
    // Who asks for the role is told that it is in use.
    let refusal = keeper.lease(ports("tests").role("test 99")).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::PortReserved);
    // They change places, which no order of single changes could do.
    pool.set_roles([(a, Some("left")), (b, Some("right"))])
        .unwrap();
    pool.set_roles([(a, Some("right")), (b, Some("left"))])
        .unwrap();
    assert_eq!(role(&keeper, b).as_deref(), Some("left"));

    pool.release().unwrap();
    assert!(keeper.list(Filter::claims()).unwrap().is_empty());
    assert_eq!(keeper.history(HistoryQuery::all()).unwrap().len(), 4);
    assert!(
        keeper
            .verify(portkeeper_core::Watch::none())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_is_not_the_lease_s_is_left_alone() {
    let keeper = Keeper::in_memory().unwrap();
    keeper.request(ports("tests").role("web")).unwrap();
    let kept = keeper.request(ports("tests").role("api")).unwrap()[0].number;
    let mut pool: Lease = keeper.lease(ports("tests").count(2)).unwrap();
    let [a, b] = pool.ports()[..] else {
        panic!("two ports");
    };

    refused(
        pool.set_roles([(a, Some("web"))]),
        ErrorKind::PortReserved,
        "tests",
    );
    refused(
        pool.set_roles([(a, Some(" "))]),
        ErrorKind::InvalidInput,
        "is blank",
    );
    refused(
        pool.set_roles([(a, Some("x")), (b, Some("x"))]),
        ErrorKind::InvalidInput,
        "is asked for twice",
    );
    refused(
        pool.set_roles([(a, Some("x")), (kept, Some("y"))]),
        ErrorKind::InvalidInput,
        "is not of this lease",
    );
    assert_eq!(role(&keeper, a), None, "all or none");

    // A port that became a lasting claim keeps the role it has, and so does one that was given back.
    keeper.reserve(a, ReserveRequest::new("tests")).unwrap();
    let outcome = pool.set_roles([(a, Some("x"))]);
    refused(outcome, ErrorKind::InvalidInput, "claimed beyond the lease");
    keeper.release(b).unwrap();
    let outcome = pool.set_roles([(b, Some("x"))]);
    refused(outcome, ErrorKind::PortNotFound, "is not reserved");

    let mut borrowed = keeper
        .lease(ports("tests").role("api").ttl(Duration::from_secs(600)))
        .unwrap();
    let outcome = borrowed.set_roles([(kept, Some("x"))]);
    refused(outcome, ErrorKind::InvalidInput, "claimed beyond the lease");
    assert_eq!(role(&keeper, kept).as_deref(), Some("api"));
}
