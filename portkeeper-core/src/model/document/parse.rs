//! From a text that anyone may have written to a document.
//!
//! Nothing is built before its size is known: a field stays a slice of the text until its entry has
//! passed the limits, or 64 MiB of brackets would become a gigabyte of values.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Document, DocumentPort, Status};
use crate::{
    model::{shown, timestamp},
    value,
};

/// Most entries of one document: a port has one at most.
const MAX_PORTS: usize = 65_535;
/// Longest entry, in bytes: the largest description, tags and metadata fit many times over.
const MAX_PORT_BYTES: usize = 1 << 20;

/// Why the text is no document.
type Reason = String;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    export_date: Option<&'a RawValue>,
    #[serde(borrow)]
    ports: Option<Entries<'a>>,
}

#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    expecting = "an object that describes a port"
)]
struct RawPort<'a> {
    #[serde(borrow)]
    number: Option<&'a RawValue>,
    #[serde(borrow)]
    project_name: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    pid: Option<&'a RawValue>,
    #[serde(borrow)]
    process_name: Option<&'a RawValue>,
    #[serde(borrow)]
    reserved_at: Option<&'a RawValue>,
    #[serde(borrow)]
    last_seen_at: Option<&'a RawValue>,
    #[serde(borrow)]
    updated_at: Option<&'a RawValue>,
    #[serde(borrow)]
    auto_release: Option<&'a RawValue>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
}

pub(super) fn document(text: &str) -> Result<Document, Reason> {
    if text.len() > Document::MAX_BYTES {
        let (found, most) = (text.len(), Document::MAX_BYTES);
        return Err(format!("its {found} bytes are more than {most}"));
    }
    // Some editors and shells put a byte order mark before what they save.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Otherwise a list of the fields' values would pass for one.
    if !text.trim_ascii_start().starts_with('{') {
        return Err("it is not a JSON object".to_owned());
    }
    let raw: RawDocument<'_> =
        serde_json::from_str(text).map_err(|error| format!("it is not valid JSON: {error}"))?;
    let version = version(raw.version)?;
    let Entries(entries) = raw.ports.ok_or("it has no ports")?;
    let ports = entries.iter().enumerate().map(|(index, entry)| {
        let port = port(entry);
        port.map_err(|reason| format!("ports[{index}]: {reason}"))
    });
    Ok(Document {
        version,
        export_date: time(raw.export_date, "exportDate")?,
        ports: ports.collect::<Result<_, Reason>>()?,
    })
}

/// Whether documents of this version are understood: `1`, and `1.` with anything after it.
pub(super) fn check_version(version: &str) -> Result<(), Reason> {
    if version == "1" || version.starts_with("1.") {
        Ok(())
    } else {
        let known = Document::VERSION;
        Err(format!(
            "its version {} is not known here, only {known}",
            shown(version)
        ))
    }
}

/// A version is a text; a number is taken for one.
fn version(raw: Option<&RawValue>) -> Result<String, Reason> {
    let raw = raw.ok_or("it has no version")?.get();
    let version = match serde_json::from_str::<String>(raw) {
        Ok(text) => text,
        Err(_) => raw.chars().take(60).collect(),
    };
    check_version(&version)?;
    Ok(version)
}

fn port(entry: &RawValue) -> Result<DocumentPort, Reason> {
    let text = entry.get();
    if !text.starts_with('{') {
        return Err(format!("{} is not an object", cut(text)));
    }
    let raw: RawPort<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let number = raw.number.ok_or("it has no number")?;
    let number: i64 = field(Some(number), "number", "an integer")?.ok_or("its number is null")?;
    let number = value::port(number).map_err(|error| error.to_string())?;
    if text.len() > MAX_PORT_BYTES {
        let found = text.len();
        return Err(format!(
            "the {found} bytes of port {number} are more than {MAX_PORT_BYTES}"
        ));
    }
    fields(number, &raw).map_err(|reason| format!("port {number}: {reason}"))
}

fn fields(number: u16, raw: &RawPort<'_>) -> Result<DocumentPort, Reason> {
    const STATUS: &str = "one of \"free\", \"reserved\", \"in-use\"";
    let status = field(raw.status, "status", STATUS)?.unwrap_or(Status::Reserved);
    let project_name: Option<String> = field(raw.project_name, "projectName", "a text")?;
    Ok(DocumentPort {
        number,
        project_name: match project_name {
            Some(name) => name,
            None if status == Status::Free => String::new(),
            None => return Err("it has no projectName".to_owned()),
        },
        description: field(raw.description, "description", "a text")?,
        status,
        pid: field(raw.pid, "pid", "a process id")?,
        process_name: field(raw.process_name, "processName", "a text")?,
        reserved_at: time(raw.reserved_at, "reservedAt")?,
        last_seen_at: time(raw.last_seen_at, "lastSeenAt")?,
        updated_at: time(raw.updated_at, "updatedAt")?,
        auto_release: flag(raw.auto_release, "autoRelease")?,
        tags: field(raw.tags, "tags", "a list of texts")?.unwrap_or_default(),
        metadata: field(raw.metadata, "metadata", "an object")?.unwrap_or_default(),
        role: field(raw.role, "role", "a text")?,
    })
}

/// A field; `None` where it is absent or null.
fn field<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, Reason> {
    let Some(raw) = raw else { return Ok(None) };
    serde_json::from_str(raw.get()).map_err(|_| unwanted(name, raw, wanted))
}

fn time(raw: Option<&RawValue>, name: &str) -> Result<Option<DateTime<Utc>>, Reason> {
    const WANTED: &str = "a time such as \"2024-01-20T10:30:00Z\"";
    let Some(raw) = raw else { return Ok(None) };
    let text: Option<String> = field(Some(raw), name, WANTED)?;
    let time = text.map(|text| timestamp::parse(&text).ok_or_else(|| unwanted(name, raw, WANTED)));
    time.transpose()
}

/// The database has 0 and 1, and so may a document.
fn flag(raw: Option<&RawValue>, name: &str) -> Result<bool, Reason> {
    match raw.map(RawValue::get) {
        Some("1") => Ok(true),
        Some("0") => Ok(false),
        _ => Ok(field(raw, name, "true or false")?.unwrap_or(false)),
    }
}

fn unwanted(name: &str, raw: &RawValue, wanted: &str) -> Reason {
    let raw = cut(raw.get());
    format!("{name} {raw} is not {wanted}")
}

/// The beginning of a JSON text, in one line.
fn cut(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.replace(char::is_control, " ")
}

/// The entries of a document, each still a text.
struct Entries<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ports")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    if entries.len() == MAX_PORTS {
                        let most = format!("it has more than {MAX_PORTS} ports");
                        return Err(de::Error::custom(most));
                    }
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(Collect).map(Entries)
    }
}
