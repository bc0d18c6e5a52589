//! Values of a wrong type in the rows of leases, which no rule of SQLite keeps out.

#[path = "support/registry.rs"]
mod registry;

use portkeeper_core::{Filter, FindingKind, PortRequest, Watch};
use registry::{Registry, raw, reserve};

#[test]
fn one_bad_lease_keeps_nobody_from_the_registry_and_is_found() {
    for bad in [
        "role = CAST(role AS BLOB)",
        "role = CAST(x'ff' AS TEXT)",
        "leaseId = CAST(leaseId AS BLOB)",
        "held = 'x'",
        "borrowed = 2",
        "ownerPid = 1, ownerStart = 'x', ownerBoot = x'00', ownerNamespace = 'y', ownerPidfd = 1.5",
    ] {
        let registry = Registry::filled();
        let keeper = &registry.keeper;
        let before = keeper.list(Filter::claims()).unwrap().len();
        raw(keeper.path(), &format!("UPDATE leases SET {bad}"));
        assert_eq!(
            keeper.list(Filter::claims()).unwrap().len(),
            before,
            "{bad}"
        );
        let findings = keeper.verify(Watch::none()).unwrap();
        // A byte that is no UTF-8 is told of with its row of `ports`.
        let is_found = findings.iter().any(|finding| {
            finding.kind == FindingKind::Value && matches!(finding.port, Some(22_610..=22_640))
        });
        assert!(is_found, "{bad}: {findings:?}");
        reserve(keeper, 22_700, "after");
        let more = PortRequest::new("my-app")
            .role("new")
            .range(22_610..=22_640);
        assert_eq!(keeper.request(more).unwrap().len(), 1, "{bad}");
    }
}
