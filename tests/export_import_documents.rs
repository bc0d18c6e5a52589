//! Documents that anyone may have written: each is taken or refused by name, and a refused one changes
//! nothing.

#[path = "support/import_document.rs"]
mod import_document;
#[path = "support/transfer.rs"]
mod transfer;

use std::fs;

use chrono::{DateTime, Utc};
use import_document::holds_for;
use portkeeper_core::{Document, ErrorKind, ImportMode, ImportRequest};
use serde_json::json;
use transfer::{contents, document, entry, import, keeper, reserve};

/// A text that is refused, with what the message says.
fn refused(text: &str, phrase: &str) {
    let keeper = keeper();
    reserve(&keeper, 2999, "keep");
    let before = contents(&keeper);
    for mode in [ImportMode::Merge, ImportMode::Replace] {
        let request = ImportRequest::json(text).mode(mode);
        let error = import(&keeper, request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImportInvalid, "{error}");
        let message = error.to_string();
        assert!(message.contains(phrase), "{phrase:?} is not in {message:?}");
        assert!(message.len() < 500, "{} bytes of message", message.len());
    }
    assert_eq!(contents(&keeper), before);
}

#[test]
fn hostile_documents_are_refused_by_name_and_change_nothing() {
    for (text, phrase) in [
        ("", "it is not a JSON object"),
        ("{", "not valid JSON"),
        ("null", "it is not a JSON object"),
        ("[]", "it is not a JSON object"),
        (r#"["1.0", null, []]"#, "it is not a JSON object"),
        ("\"x\"", "it is not a JSON object"),
        ("{}", "it has no version"),
        (r#"{"version": "1.0"}"#, "it has no ports"),
        (
            r#"{"version": "1.0", "ports": {}}"#,
            "expected a list of ports",
        ),
        (r#"{"version": "1.0", "ports": null}"#, "it has no ports"),
        (
            r#"{"version": "1.0", "version": "1.0", "ports": []}"#,
            "duplicate field `version`",
        ),
        (
            r#"{"version": "2.0", "ports": []}"#,
            r#"version "2.0" is not known"#,
        ),
        (
            r#"{"version": "10", "ports": []}"#,
            r#"version "10" is not known"#,
        ),
        (
            r#"{"version": 2, "ports": []}"#,
            r#"version "2" is not known"#,
        ),
        (r#"{"version": {"a": 1}, "ports": []}"#, "is not known"),
        (r#"{"version": null, "ports": []}"#, "it has no version"),
        (
            r#"{"version": "1", "exportDate": "soon", "ports": []}"#,
            r#"exportDate "soon""#,
        ),
        (r#"{"version": "1", "ports": []} x"#, "trailing characters"),
    ] {
        refused(text, phrase);
    }
    for (entries, phrase) in [
        ("7", "ports[0]: 7 is not an object"),
        (r#"[1, "p"]"#, r#"ports[0]: [1, "p"] is not an object"#),
        ("{}", "ports[0]: it has no number"),
        (
            r#"{"number": 3000}"#,
            "ports[0]: port 3000: it has no projectName",
        ),
        (
            r#"{"number": 3000, "projectName": null}"#,
            "port 3000: it has no projectName",
        ),
        (
            r#"{"number": 3000, "projectName": " "}"#,
            "port 3000: a project name is required",
        ),
        (
            r#"{"number": 3000, "projectName": 7}"#,
            "port 3000: projectName 7 is not a text",
        ),
        (
            r#"{"number": "3000", "projectName": "p"}"#,
            r#"number "3000" is not an integer"#,
        ),
        (
            r#"{"number": 3000.0, "projectName": "p"}"#,
            "number 3000.0 is not an integer",
        ),
        (
            r#"{"number": 3e3, "projectName": "p"}"#,
            "number 3e3 is not an integer",
        ),
        (r#"{"number": NaN, "projectName": "p"}"#, "not valid JSON"),
        (
            r#"{"number": -1, "projectName": "p"}"#,
            "ports[0]: port -1 is not in 1..=65535",
        ),
        (r#"{"number": 0, "projectName": "p"}"#, "port 0 is not in"),
        (
            r#"{"number": 70000, "projectName": "p"}"#,
            "port 70000 is not in",
        ),
        (
            r#"{"number": 99999999999999999999, "projectName": "p"}"#,
            "is not an integer",
        ),
        (
            r#"{"number": [3000], "projectName": "p"}"#,
            "number [3000] is not",
        ),
        (
            r#"{"number": true, "projectName": "p"}"#,
            "number true is not",
        ),
        (
            r#"{"number": 3000, "number": 3001, "projectName": "p"}"#,
            "duplicate field `number`",
        ),
        (
            r#"{"number": 1, "projectName": "p", "status": "sold"}"#,
            r#"status "sold" is not one of"#,
        ),
        (
            r#"{"number": 1, "projectName": "p", "description": ["x"]}"#,
            r#"description ["x"]"#,
        ),
        (
            r#"{"number": 1, "projectName": "p", "description": "\u0000"}"#,
            "control character",
        ),
        (
            r#"{"number": 1, "projectName": "\ud800"}"#,
            r#"projectName "\ud800" is not a text"#,
        ),
        (
            r#"{"number": 1, "projectName": "p", "tags": "x"}"#,
            r#"tags "x" is not a list"#,
        ),
        (
            r#"{"number": 1, "projectName": "p", "tags": [1]}"#,
            "tags [1] is not a list",
        ),
        (
            r#"{"number": 1, "projectName": "p", "tags": [""]}"#,
            r#"tag "" is blank"#,
        ),
        (
            r#"{"number": 1, "projectName": "p", "metadata": []}"#,
            "metadata [] is not an object",
        ),
        (
            r#"{"number": 1, "projectName": "p", "metadata": "{}"}"#,
            "is not an object",
        ),
        (
            r#"{"number": 1, "projectName": "p", "pid": "x"}"#,
            r#"pid "x" is not a process id"#,
        ),
        (
            r#"{"number": 1, "projectName": "p", "autoRelease": 2}"#,
            "autoRelease 2 is not",
        ),
        (
            r#"{"number": 1, "projectName": "p", "reservedAt": 7}"#,
            "reservedAt 7 is not a time",
        ),
        (
            r#"{"number": 1, "projectName": "p", "reservedAt": "2024-13-01"}"#,
            "2024-13-01",
        ),
        (
            r#"{"number": 1, "projectName": "p", "updatedAt": "9999-12-31T23:00:00-05:00"}"#,
            "year",
        ),
        (
            r#"{"number": 1, "projectName": "p", "role": ""}"#,
            r#"role "" is blank"#,
        ),
        (
            r#"{"number": 1, "projectName": "p"}, {"number": 1, "projectName": "q"}"#,
            "ports[0] and ports[1] are both port 1",
        ),
        (
            r#"{"number": 1, "projectName": "p"}, {"number": 1, "status": "free"}"#,
            "both port 1",
        ),
        (
            r#"{"number": 1, "projectName": "p"}, {"number": 2}"#,
            "ports[1]: port 2: it has no",
        ),
    ] {
        refused(&document(entries), phrase);
    }
}

#[test]
fn large_and_deep_documents_are_refused_early() {
    let in_port = |field: &str| {
        document(&format!(
            r#"{{"number": 3000, "projectName": "p", {field}}}"#
        ))
    };
    let tags = |count: usize| format!("{}\"tag\"", "\"tag\",".repeat(count - 1));
    refused(
        &in_port(&format!(r#""tags": [{}]"#, tags(20_000_000))),
        "are more than 67108864",
    );
    refused(
        &in_port(&format!(r#""tags": [{}]"#, tags(2_000_000))),
        "port 3000 are more than 1048576",
    );
    refused(
        &in_port(&format!(r#""tags": [{}]"#, tags(10_000))),
        "port 3000: tags \"(10000 of them)\"",
    );
    let long = "x".repeat(100_000);
    refused(
        &in_port(&format!(r#""tags": ["{long}"]"#)),
        "port 3000: tag \"xxx",
    );
    refused(
        &in_port(&format!(r#""description": "{long}""#)),
        "port 3000: description",
    );
    refused(
        &in_port(&format!(r#""metadata": {{"x": "{long}"}}"#)),
        "port 3000: metadata",
    );
    refused(&document(&entry(3000, &long)), "port 3000: project");
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [200, 100_000] {
        let field = format!(r#""metadata": {{"x": {}}}"#, nested(depth));
        refused(&in_port(&field), "metadata {\"x\": [[[");
    }
    refused(&nested(10_000_000), "");
    refused(
        &in_port(&format!(r#""{long}": 1, "number": 1"#)),
        "duplicate field `number`",
    );
    let many = vec!["0"; 65_536].join(",");
    refused(&document(&many), "it has more than 65535 ports");
    refused(
        &document(&vec!["0"; 65_535].join(",")),
        "ports[0]: 0 is not an object",
    );
}

#[test]
fn a_document_that_was_built_is_checked_like_one_that_was_read() {
    let text = document(&entry(3000, "shop"));
    let good = Document::from_json(&text).unwrap();
    let check = |change: fn(&mut Document), phrase: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let keeper = keeper();
        let error = import(&keeper, bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ImportInvalid);
        assert!(error.to_string().contains(phrase), "{error}");
        assert_eq!(contents(&keeper), (vec![], vec![], 0));
    };
    check(|document| document.version.clear(), "version \"\"");
    check(|document| document.ports[0].number = 0, "ports[0]: port 0 ");
    check(
        |document| document.ports[0].project_name.clear(),
        "a project name is required",
    );
    check(
        |document| document.ports.push(document.ports[0].clone()),
        "both port 3000",
    );
    check(
        |document| {
            let mut value = json!(1);
            for _ in 0..200 {
                value = json!([value]);
            }
            document.ports[0].metadata.insert("x".to_owned(), value);
        },
        "port 3000: metadata",
    );
    check(
        |document| document.ports[0].reserved_at = Some(DateTime::<Utc>::MAX_UTC),
        "port 3000: time",
    );
}

#[test]
fn lenient_forms_are_read() {
    for text in [
        format!("\u{feff}{}", document(&entry(3000, "shop"))),
        document(&entry(3000, "shop")).replace(r#""1.0""#, "1"),
        document(&entry(3000, "shop")).replace(r#""1.0""#, r#""1.7.3""#),
        document(&entry(3000, "shop")).replace(r#""exportDate": "2026-01-01T00:00:00Z", "#, ""),
        document(
            r#"{"number": 3000, "projectName": "shop", "autoRelease": 0, "tags": null, "x": [{}]}"#,
        ),
    ] {
        assert_eq!(
            import(&keeper(), ImportRequest::json(text)).unwrap().added,
            1
        );
    }
}

#[test]
fn the_corpus_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/import");
    let mut documents = 0;
    let mut others = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let is_document = holds_for(&fs::read(&path).unwrap());
        // A name says what is expected of the file.
        let expected = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("good");
        assert_eq!(is_document, expected, "{}", path.display());
        *(if is_document {
            &mut documents
        } else {
            &mut others
        }) += 1;
    }
    assert!(
        documents >= 5 && others >= 5,
        "{documents} and {others} files"
    );
}
