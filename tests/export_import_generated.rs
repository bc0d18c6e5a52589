//! Claims of every kind that can be made: each comes back from an export as it was.

#[path = "support/size.rs"]
mod size;
#[path = "support/transfer.rs"]
mod transfer;

use portkeeper_core::{
    Document, DocumentPort, ExportRequest, ImportMode, ImportRequest, Keeper, ReserveRequest,
};
use proptest::prelude::*;
use serde_json::json;
use size::size;
use transfer::{import, keeper};

fn metadata() -> impl Strategy<Value = serde_json::Value> {
    let value = prop_oneof![
        any::<f64>()
            .prop_filter("JSON has none", |x| x.is_finite())
            .prop_map(|x| json!(x)),
        any::<i64>().prop_map(|x| json!(x)),
        any::<String>().prop_map(|x| json!(x)),
        any::<Option<bool>>().prop_map(|x| json!(x)),
    ];
    let value = value.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|x| json!(x)),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|x| json!(x)),
        ]
    });
    prop::collection::btree_map(any::<String>(), value, 0..4).prop_map(|object| json!(object))
}

/// A claim: port, project, description, tags, metadata, and whether it is given back.
fn claim() -> impl Strategy<Value = (u16, String, String, Vec<String>, serde_json::Value, bool)> {
    (
        1..=u16::MAX,
        "[a-c]|\\PC{1,40}".prop_filter("blank", |name| !name.trim().is_empty()),
        "(\\PC|\n|\t){0,40}",
        prop::collection::vec(
            "\\PC{1,20}".prop_filter("blank", |tag| !tag.trim().is_empty()),
            0..4,
        ),
        metadata(),
        prop::bool::weighted(0.2),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(size(20, 60)))]

    #[test]
    fn an_export_is_the_same_after_an_import_elsewhere(
        wanted in prop::collection::vec(claim(), 0..20),
    ) {
        let source = keeper();
        for (port, project, description, tags, metadata, given_back) in wanted {
            let request = ReserveRequest::new(project).description(description).tags(tags);
            let request = request.metadata(metadata).adopt(true);
            // Another project may have the port by now.
            if source.reserve(port, request).is_ok() && given_back {
                source.release(port).unwrap();
            }
        }
        let exported = source.export(ExportRequest::all()).unwrap();
        let text = exported.to_json().unwrap();
        prop_assert_eq!(&Document::from_json(&text).unwrap(), &exported);

        let target = keeper();
        import(&target, ImportRequest::json(&text)).unwrap();
        let again = target.export(ExportRequest::all()).unwrap();
        prop_assert_eq!(&again.ports, &exported.ports);
        prop_assert_eq!(transfer::claims(&target), transfer::claims(&source));

        // And whatever a registry holds, a replacement makes the claims those of the document.
        for port in [1_u16, 3000, 65_535] {
            reserve_if_free(&target, port);
        }
        let request = ImportRequest::json(text).mode(ImportMode::Replace);
        import(&target, request).unwrap();
        let again = target.export(ExportRequest::all()).unwrap();
        prop_assert_eq!(strip(again.ports), strip(exported.ports));
    }
}

fn reserve_if_free(keeper: &Keeper, port: u16) {
    // A port that the source has keeps its project.
    let _ = keeper.reserve(port, ReserveRequest::new("other").adopt(true));
}

fn strip(mut ports: Vec<DocumentPort>) -> Vec<DocumentPort> {
    for port in &mut ports {
        port.updated_at = None;
    }
    ports
}
