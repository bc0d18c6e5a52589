//! The table of `tests/conformance` in Rust, whose README says what it means.
#![cfg(target_os = "linux")]

#[path = "support/conformance.rs"]
mod operations;

use std::{
    fs,
    net::{Ipv6Addr, SocketAddr},
    path::Path,
};

use operations::Runner;
use portkeeper_core::Error;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use socket2::{Domain, Socket, Type};

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut run = 0;
    for file in fs::read_dir(&folder).expect("the table") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a text");
        let cases: Vec<Case> = serde_json::from_str(&text).expect("a list of cases");
        for case in cases {
            check(&case, &format!("{}: {}", path.display(), case.name));
            run += 1;
        }
    }
    assert!(run >= 20, "{run} cases");
}

fn check(case: &Case, name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut known = json!({"$dir": folder.path(), "$pid": std::process::id()});
    for (index, port) in free_ports(case.ports).into_iter().enumerate() {
        known[format!("${}", index + 1)] = port.into();
    }
    let mut runner = Runner::new(folder.path());
    for (index, step) in case.steps.iter().enumerate() {
        let at = format!("{name}, step {index} ({})", step.op);
        let args = filled(&Value::Object(step.args.clone()), &known);
        let outcome = runner.run(&step.op, &args, step.guard.as_deref(), step.cancel);
        if let Some(pid) = runner.stranger() {
            known["$stranger"] = pid.into();
        }
        match (outcome, &step.error) {
            (Ok(value), None) => {
                if let Some(pattern) = &step.ok {
                    assert_matches(&value, &filled(pattern, &known), &at);
                }
            }
            (Err(error), Some(facts)) => {
                let facts = filled(&Value::Object(facts.clone()), &known);
                assert_matches(&shown(&error), &facts, &at);
            }
            (Ok(value), Some(facts)) => panic!("{at}: {value} and not {facts:?}"),
            (Err(error), None) => panic!("{at}: {}: {error}", error.name()),
        }
    }
}

fn shown(error: &Error) -> Value {
    json!({
        "code": error.name(),
        "message": error.to_string(),
        "port": error.port(),
        "project": error.project(),
        "pid": error.pid(),
        "nextFree": error.next_free(),
    })
}

/// `value` with its placeholders replaced.
fn filled(value: &Value, known: &Value) -> Value {
    match value {
        Value::String(text) => {
            let known = known.as_object().expect("names");
            if let Some(whole) = known.get(text) {
                return whole.clone();
            }
            known.iter().fold(text.clone(), |text, (name, value)| {
                text.replace(name, value.as_str().unwrap_or(&value.to_string()))
            })
        }
        .into(),
        Value::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), filled(value, known)))
            .collect(),
        other => other.clone(),
    }
}

fn assert_matches(value: &Value, pattern: &Value, at: &str) {
    match (value, pattern) {
        (Value::Null, Value::String(any)) if any == "$any" => panic!("{at}: null"),
        (_, Value::String(any)) if any == "$any" => {}
        (Value::Object(value), Value::Object(pattern)) => {
            for (key, pattern) in pattern {
                let member = value.get(key);
                let member = member.unwrap_or_else(|| panic!("{at}: no {key} in {value:?}"));
                assert_matches(member, pattern, &format!("{at}: {key}"));
            }
        }
        (Value::Array(value), Value::Array(pattern)) => {
            assert_eq!(value.len(), pattern.len(), "{at}: {value:?}");
            for (index, (value, pattern)) in value.iter().zip(pattern).enumerate() {
                assert_matches(value, pattern, &format!("{at}: [{index}]"));
            }
        }
        (value, pattern) => assert_eq!(value, pattern, "{at}"),
    }
}

/// Different free ports from 20000 to 29999, ascending.
fn free_ports(count: usize) -> Vec<u16> {
    let is_free = |port: u16| {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
        socket.set_only_v6(false).expect("both families");
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
