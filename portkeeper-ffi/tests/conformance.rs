//! The table of `tests/conformance`, made into C and run by `tests/c/conformance.c`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]
#![cfg(target_os = "linux")]

mod support;
#[path = "conformance/table.rs"]
mod table;

use std::{
    fs,
    net::{Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use serde_json::{Map, Value};
use socket2::{Domain, Socket, Type};
use support::{CRATE, c, compile, library_folder, succeeds};
use table::Table;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    ports: usize,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    op: String,
    args: Map<String, Value>,
    #[serde(rename = "as")]
    guard: Option<String>,
    #[serde(default)]
    cancel: bool,
    #[serde(default, deserialize_with = "present")]
    ok: Option<Value>,
    error: Option<Map<String, Value>>,
}

/// `null` is an answer, too.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[test]
fn every_case_holds() {
    let cases = cases();
    assert!(cases.len() >= 20, "{} cases", cases.len());
    let folder = tempfile::tempdir().unwrap();
    let mut ports = free_ports(cases.iter().map(|case| case.ports).sum()).into_iter();
    let mut table = Table::default();
    for (index, case) in cases.iter().enumerate() {
        let files = folder.path().join(format!("case{index}"));
        fs::create_dir(&files).unwrap();
        let mut known: Vec<(String, Value)> =
            vec![("$dir".to_owned(), files.to_str().unwrap().into())];
        for number in 1..=case.ports {
            known.push((format!("${number}"), ports.next().unwrap().into()));
        }
        table.case(case, &files, &known);
    }
    let source = folder.path().join("table.c");
    fs::write(&source, table.finished()).unwrap();
    let library = library_folder();
    let program = folder.path().join("conformance");
    let sources = [
        source,
        c("conformance.c"),
        c("steps.c"),
        c("case.c"),
        c("arguments.c"),
        c("compare.c"),
        c("support.c"),
    ];
    let include = format!("-I{}", c("").display());
    compile(library.path(), &program, &[&include], &sources);
    let output = succeeds(&mut Command::new(program));
    assert_eq!(output, format!("{} cases\n", cases.len()));
}

fn cases() -> Vec<Case> {
    let folder = Path::new(CRATE).join("../tests/conformance");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    paths.sort();
    let tables = paths.iter().filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    tables
        .flat_map(|path| serde_json::from_str::<Vec<Case>>(&support::read(path)).unwrap())
        .collect()
}

/// Different free ports from 20000 to 29999, ascending.
fn free_ports(count: usize) -> Vec<u16> {
    let is_free = |port: u16| {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        socket.set_only_v6(false).unwrap();
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        socket.bind(&address.into()).is_ok()
    };
    let mut ports: Vec<u16> = (20_000..=29_999).collect();
    fastrand::shuffle(&mut ports);
    let free = ports.into_iter().filter(|port| is_free(*port));
    let mut free: Vec<u16> = free.take(count).collect();
    free.sort_unstable();
    free
}
