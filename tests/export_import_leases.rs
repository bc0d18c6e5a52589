//! What an import makes of claims that depend on a process or on time.

#[path = "support/transfer.rs"]
mod transfer;

use std::collections::BTreeSet;

use portkeeper_core::{
    Action, ExportRequest, ImportMode, ImportOutcome, ImportRequest, Keeper, PortRequest, Status,
    Strategy,
};
use transfer::{claims, contents, document, entry, history, import, keeper};

#[test]
fn a_live_lease_of_the_same_project_goes_on() {
    let keeper = keeper();
    let request = PortRequest::new("shop")
        .range(20_000..=20_999)
        .strategy(Strategy::Random);
    let lease = keeper.lease(request).unwrap();
    let port = lease.port();
    let leased = keeper.get(port).unwrap().unwrap();

    let described = format!(r#"{{"number": {port}, "projectName": "shop", "description": "web"}}"#);
    for mode in [ImportMode::Merge, ImportMode::Replace] {
        let request = ImportRequest::json(document(&described)).mode(mode);
        import(&keeper, request).unwrap();
        let row = keeper.get(port).unwrap().unwrap();
        assert_eq!((&row.lease, row.auto_release), (&leased.lease, true));
        assert_eq!(row.description.as_deref(), Some("web"));
    }

    // A replacement ends what it does not have, and the guard then finds nothing to end.
    let request = ImportRequest::json(document("")).mode(ImportMode::Replace);
    assert_eq!(import(&keeper, request).unwrap().freed, 1);
    let row = keeper.get(port).unwrap().unwrap();
    assert_eq!((row.status, row.lease), (Status::Free, None));
    let entries = history(&keeper).len();
    drop(lease);
    assert_eq!(history(&keeper).len(), entries);
}

#[test]
fn a_lease_whose_owner_is_gone_is_no_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    let request = PortRequest::new("gone").range(20_500..=20_500);
    let ttl = std::time::Duration::from_secs(60);
    keeper.request(request.ttl(ttl)).unwrap();
    // Made to end by hand, since it would take a moment to do so.
    rusqlite::Connection::open(keeper.path())
        .unwrap()
        .execute_batch("UPDATE leases SET expiresAt = '2020-01-01T00:00:00Z'")
        .unwrap();
    let request = ImportRequest::json(document(&entry(20_500, "shop")));
    let before = contents(&keeper);
    let dry = import(&keeper, request.clone().dry_run(true)).unwrap();
    assert_eq!(contents(&keeper), before);
    let real = import(&keeper, request).unwrap();
    assert_eq!((dry.ports, real.added), (real.ports, 1));
    let entries = history(&keeper);
    let actions: Vec<_> = entries.iter().map(|entry| entry.action).collect();
    assert_eq!(
        actions,
        [Action::Reserved, Action::Released, Action::Reserved]
    );
}

#[test]
fn roles_come_along_and_stay_unique() {
    let source = keeper();
    let request = PortRequest::new("shop")
        .range(21_000..=21_999)
        .roles(["web", "api"]);
    let ports = source.request(request.clone()).unwrap();
    let ports: Vec<u16> = ports.iter().map(|row| row.number).collect();
    let document = source.export(ExportRequest::project("shop")).unwrap();

    let target = keeper();
    import(&target, document.clone()).unwrap();
    let again = target.request(request.clone()).unwrap();
    assert_eq!(
        again.iter().map(|row| row.number).collect::<Vec<_>>(),
        ports
    );

    // Where the project has the role already, the imported port does without.
    let other = keeper();
    other.request(request.avoid(ports.clone())).unwrap();
    assert_eq!(import(&other, document).unwrap().added, 2);
    let roles = claims(&other)
        .iter()
        .filter(|row| row.role().is_some())
        .count();
    assert_eq!(roles, 2);
}

/// Claims whose lease has ended: some are in the document and some are not, some last and some do not. A
/// dry run and an import say the same, and what they say is all that changes.
#[test]
fn the_report_has_every_change_also_where_leases_have_ended() {
    for mode in [ImportMode::Merge, ImportMode::Replace] {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
        let ttl = std::time::Duration::from_secs(60);
        for port in 20_510..20_516 {
            let request = PortRequest::new("gone").range(port..=port);
            keeper.request(request.ttl(ttl)).unwrap();
        }
        keeper
            .request(PortRequest::new("gone").range(20_516..=20_517).count(2))
            .unwrap();
        // Made to end by hand, since it would take a moment to do so.
        rusqlite::Connection::open(keeper.path())
            .unwrap()
            .execute_batch(
                "UPDATE leases SET expiresAt = '2020-01-01T00:00:00Z'; \
                 UPDATE ports SET autoRelease = 0 WHERE number IN (20512, 20513)",
            )
            .unwrap();
        let entries = [
            entry(20_510, "shop"),
            entry(20_511, "gone"),
            entry(20_512, "gone"),
            entry(20_516, "shop"),
            entry(20_518, "shop"),
        ];
        let request = ImportRequest::json(document(&entries.join(",")));
        let request = request.mode(mode).skip_conflicts(true);
        let before = contents(&keeper);
        let dry = import(&keeper, request.clone().dry_run(true)).unwrap();
        assert_eq!(contents(&keeper), before);
        let real = import(&keeper, request).unwrap();
        assert_eq!(dry.ports, real.ports);
        assert_eq!(dry.to_string(), real.to_string());

        let after = contents(&keeper);
        let entries = after.1.len() - before.1.len();
        let told: BTreeSet<u16> = after.1[..entries].iter().map(|entry| entry.port).collect();
        let changes = real.ports.iter().filter(|port| {
            !matches!(
                port.outcome,
                ImportOutcome::Unchanged | ImportOutcome::Conflict
            )
        });
        assert_eq!(
            told,
            changes.map(|port| port.port).collect(),
            "{mode:?}: {real}"
        );
        let plain = |rows: &[portkeeper_core::Reservation]| -> BTreeSet<(u16, String)> {
            rows.iter()
                .map(|row| (row.number, row.project_name.clone()))
                .collect()
        };
        let (before, after) = (plain(&before.0), plain(&after.0));
        let differ = before.symmetric_difference(&after).map(|(port, _)| *port);
        assert!(told.is_superset(&differ.collect()), "{mode:?}: {real}");
    }
}
