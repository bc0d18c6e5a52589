//! Questions to the registry alone: every filter, every page, every edge.

#[path = "support/altered.rs"]
mod altered;

use std::sync::Arc;

use altered::Altered;
use chrono::{DateTime, TimeDelta, Utc};
use portkeeper_core::{
    Action, Filter, HistoryQuery, Keeper, Options, ReserveRequest, Status, host::Host,
};

/// Claims of two projects, made on four days.
fn registry() -> (Arc<Altered>, Keeper) {
    let host = Arc::new(Altered::default());
    let options = Options::new().in_memory().host(host.clone());
    let keeper = options.open().unwrap();
    for (port, project, tag) in [
        (19_100, "shop", "web"),
        (19_101, "shop", "api"),
        (19_102, "blog", "web"),
        (19_103, "blog", "db"),
    ] {
        let request = ReserveRequest::new(project).tag(tag).adopt(true);
        keeper.reserve(port, request).unwrap();
        host.forward(86_400);
    }
    keeper.release(19_103).unwrap();
    (host, keeper)
}

#[test]
fn a_list_has_what_its_filter_says_and_nothing_else() {
    let (_host, keeper) = registry();
    let check = |filter: Filter, expected: &[u16]| {
        let rows = keeper.list(filter.clone()).unwrap();
        let numbers: Vec<u16> = rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, expected, "{filter:?}");
    };
    let all = Filter::claims;
    check(all(), &[19_100, 19_101, 19_102]);
    check(all().status(Status::Reserved), &[19_100, 19_101, 19_102]);
    check(all().status(Status::InUse), &[]);
    check(all().status(Status::Free), &[19_103]);
    check(all().project("shop"), &[19_100, 19_101]);
    check(all().project("Shop"), &[]);
    check(all().tag("web"), &[19_100, 19_102]);
    check(all().tag("we"), &[]);
    check(all().range(19_101..=19_102), &[19_101, 19_102]);
    check(all().range(1..=19_100), &[19_100]);
    check(
        all().project("blog").tag("web").range(1..=65_535),
        &[19_102],
    );
    check(
        all().project("blog").status(Status::Free).tag("db"),
        &[19_103],
    );
}

#[test]
fn a_history_is_read_page_by_page_without_a_gap() {
    let (host, keeper) = registry();
    // Many entries in one second: their order is that of their making.
    for number in 0..7 {
        let request = ReserveRequest::new("shop").description(number.to_string());
        keeper.reserve(19_100, request).unwrap();
    }
    let all = keeper.history(HistoryQuery::all()).unwrap();
    assert_eq!(all.len(), 5 + 7);
    assert!(all.is_sorted_by(|a, b| (a.performed_at, a.id) > (b.performed_at, b.id)));

    let mut pages = Vec::new();
    let mut query = HistoryQuery::all().limit(5);
    loop {
        let page = keeper.history(query.clone()).unwrap();
        let Some(last) = page.last() else { break };
        query = query.before(last);
        pages.extend(page);
    }
    assert_eq!(pages, all);

    let count = |query| keeper.history(query).unwrap().len();
    let day = |days: i64| host.now() - TimeDelta::days(days);
    assert_eq!(count(HistoryQuery::port(19_100)), 8);
    assert_eq!(count(HistoryQuery::port(19_999)), 0);
    assert_eq!(count(HistoryQuery::all().project("blog")), 3);
    assert_eq!(count(HistoryQuery::all().action(Action::Released)), 1);
    assert_eq!(count(HistoryQuery::all().since(day(2))), 2 + 1 + 7);
    assert_eq!(count(HistoryQuery::all().until(day(3))), 2);
    assert_eq!(count(HistoryQuery::all().since(day(3)).until(day(2))), 2);
    assert_eq!(count(HistoryQuery::all().limit(0)), 0);
    assert_eq!(
        count(HistoryQuery::all().until(DateTime::<Utc>::MAX_UTC)),
        12
    );
}

#[test]
fn the_holder_at_a_time_is_who_had_the_port_then() {
    let (host, keeper) = registry();
    let holder = |port: u16, time: DateTime<Utc>| {
        let holder = keeper.holder_at(port, time).unwrap();
        holder.map(|holder| holder.project_name)
    };
    let begin = host.now() - TimeDelta::days(1);
    assert_eq!(holder(19_103, begin - TimeDelta::seconds(1)), None);
    assert_eq!(holder(19_103, begin).as_deref(), Some("blog"));
    assert_eq!(
        holder(19_103, host.now() - TimeDelta::seconds(1)).as_deref(),
        Some("blog")
    );
    assert_eq!(holder(19_103, host.now()), None);
    assert_eq!(
        holder(19_100, DateTime::<Utc>::MAX_UTC).as_deref(),
        Some("shop")
    );
}

/// The clock is set back between a claim and its end: the newest entry is still the last one.
#[test]
fn a_clock_that_goes_back_does_not_turn_history_around() {
    let (host, keeper) = registry();
    keeper
        .reserve(19_110, ReserveRequest::new("shop").adopt(true))
        .unwrap();
    host.forward(-3600);
    keeper.release(19_110).unwrap();
    let entries = keeper.history(HistoryQuery::port(19_110)).unwrap();
    let actions: Vec<Action> = entries.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::Released, Action::Reserved]);
    host.forward(3600);
    assert_eq!(keeper.holder_at(19_110, host.now()).unwrap(), None);
}

#[test]
fn stale_is_what_was_claimed_long_ago_and_is_not_in_use() {
    let (host, keeper) = registry();
    let stale = |older_than| {
        let rows = keeper.stale(older_than).unwrap();
        let facts = rows
            .iter()
            .map(|row| (row.reservation.number, row.days_old));
        facts.collect::<Vec<_>>()
    };
    assert_eq!(stale(Keeper::STALE_AFTER), []);
    assert_eq!(stale(TimeDelta::days(2)), [(19_100, 4.0), (19_101, 3.0)]);
    assert_eq!(stale(TimeDelta::days(4)), []);
    host.forward(27 * 86_400);
    assert_eq!(stale(Keeper::STALE_AFTER), [(19_100, 31.0)]);

    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    keeper.reserve(port, ReserveRequest::new("shop")).unwrap();
    keeper.scan().unwrap();
    host.forward(100 * 86_400);
    let numbers: Vec<u16> = stale(Keeper::STALE_AFTER).iter().map(|row| row.0).collect();
    assert_eq!(numbers, [19_100, 19_101, 19_102], "{port} is in use");
}

#[test]
fn the_summary_and_the_projects_count_what_there_is() {
    let (_host, keeper) = registry();
    let summary = keeper.summary().unwrap();
    assert_eq!(
        (
            summary.reserved,
            summary.in_use,
            summary.free,
            summary.total
        ),
        (3, 0, 1, 4)
    );
    let projects = keeper.projects().unwrap();
    let facts: Vec<(&str, &[u16], u32)> = projects
        .iter()
        .map(|project| {
            (
                project.project_name.as_str(),
                &project.ports[..],
                project.active_count,
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("blog", &[19_102][..], 0),
            ("shop", &[19_100, 19_101][..], 0)
        ]
    );
}
