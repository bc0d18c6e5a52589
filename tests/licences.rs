//! What every dependency is licensed under, and where it comes from.
//!
//! It asks Cargo alone, so that it runs offline. `.ci/run` calls cargo-deny, with the same list in
//! `.ci/deny.toml` and the advisories of RustSec, where that is installed.

use std::{collections::HashMap, env, process::Command};

use serde::Deserialize;

const ALLOWED: [&str; 10] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// A tool of the tests, of which no part goes into anything that is built from here.
const TOOLS: [(&str, &str); 1] = [("cbindgen", "MPL-2.0")];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Whether one may choose only from what is allowed; of `A AND B` both parts hold.
fn is_allowed(licence: &str) -> bool {
    licence.split(" AND ").all(|part| {
        let choices = part.trim_matches(['(', ')']).replace('/', " OR ");
        choices
            .split(" OR ")
            .any(|choice| ALLOWED.contains(&choice.trim()))
    })
}

#[test]
fn every_dependency_may_be_used_and_comes_from_the_registry() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    let mut copies: HashMap<&str, usize> = HashMap::new();
    for package in &metadata.packages {
        let Package {
            name,
            version,
            license,
            source,
        } = package;
        let licence = license.as_deref().unwrap_or("none");
        assert!(
            is_allowed(licence) || TOOLS.contains(&(name, licence)),
            "{name} {version} is under {licence}"
        );
        assert!(
            source.as_deref().is_none_or(|source| source == REGISTRY),
            "{name} is from {source:?}"
        );
        *copies.entry(name).or_default() += 1;
    }
    // Two copies of SQLite in one program would cancel each other's locks.
    assert_eq!(copies.get("libsqlite3-sys"), Some(&1));
    println!("{} packages", metadata.packages.len());
}

#[test]
fn the_choice_is_read_right() {
    for (licence, allowed) in [
        ("MIT OR GPL-3.0", true),
        ("MIT/Apache-2.0", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0", false),
        ("none", false),
    ] {
        assert_eq!(is_allowed(licence), allowed, "{licence}");
    }
}

#[test]
fn cargo_deny_allows_the_same() {
    let text = include_str!("../.ci/deny.toml");
    for licence in ALLOWED {
        assert!(text.contains(&format!("\"{licence}\"")), "{licence}");
    }
    for (tool, licence) in TOOLS {
        let exception = format!("{{ crate = \"{tool}\", allow = [\"{licence}\"] }}");
        assert!(text.contains(&exception), "{tool}");
    }
}
