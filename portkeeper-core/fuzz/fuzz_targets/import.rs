//! Any bytes as a document to import.
#![no_main]

#[path = "../../../tests/support/import_document.rs"]
mod import_document;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    import_document::holds_for(bytes);
});
