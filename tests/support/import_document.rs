//! What must hold of any bytes that are given as a document: the corpus is replayed with it, and the
//! fuzz target `import` looks for bytes that break it.

use std::sync::LazyLock;

use portkeeper_core::{
    Document, ErrorKind, ExportRequest, Filter, ImportMode, ImportRequest, Keeper, Watch,
};

/// What nothing is ever imported into. To open a registry for each refusal would take a fuzzer longer
/// than all the rest.
static UNTOUCHED: LazyLock<Keeper> = LazyLock::new(opened);

fn opened() -> Keeper {
    Keeper::in_memory().expect("a registry in memory opens")
}

/// Imports `bytes` in every way, and tells whether they were a document.
pub fn holds_for(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let document = match Document::from_json(text) {
        Ok(document) => document,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ImportInvalid, "{error}");
            let message = error.to_string();
            assert!(message.len() < 1_000, "{} bytes of message", message.len());
            let refusal = UNTOUCHED.import(ImportRequest::json(text), Watch::none());
            assert_eq!(
                refusal.expect_err("it is refused again").to_string(),
                message
            );
            assert!(
                UNTOUCHED
                    .configurations()
                    .expect("they are listed")
                    .is_empty()
            );
            return false;
        }
    };
    let written = document.to_json().expect("a document has a text");
    assert_eq!(
        Document::from_json(&written).expect("its text is read"),
        document
    );

    let keeper = opened();
    let import = |request: ImportRequest| keeper.import(request, Watch::none());
    let request = ImportRequest::json(text);
    let dry = import(request.clone().dry_run(true)).expect("a dry run");
    let real = import(request.clone()).expect("nobody is in its way");
    assert_eq!(dry.ports, real.ports);
    let count = |n: usize| u32::try_from(n).expect("there are few ports");
    assert_eq!(real.added, count(real.ports.len()));
    for mode in [ImportMode::Merge, ImportMode::Replace] {
        let again = import(request.clone().mode(mode)).expect("once more");
        assert_eq!(again.unchanged, real.added, "{again}");
    }
    let claims = keeper.list(Filter::claims()).expect("claims are listed");
    assert_eq!(count(claims.len()), real.added);

    // What was exported is, imported elsewhere, the same again.
    let exported = keeper.export(ExportRequest::all()).expect("an export");
    let elsewhere = opened();
    elsewhere
        .import(exported.clone(), Watch::none())
        .expect("an import");
    let again = elsewhere.export(ExportRequest::all()).expect("an export");
    assert_eq!(again.ports, exported.ports);
    true
}
