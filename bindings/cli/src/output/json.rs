//! The one shape of every answer: `{"success":true,"data":…}` or
//! `{"success":false,"error":…,"code":…}`, described by `schema/portman.schema.json`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::failure::Failure;

#[derive(Serialize)]
struct Success<'a, T> {
    success: bool,
    data: &'a T,
}

/// What is not known is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    success: bool,
    error: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_free: Option<u16>,
}

/// One line with the answer.
pub fn success<T: Serialize>(out: &mut dyn Write, data: &T) -> io::Result<()> {
    line(
        out,
        &Success {
            success: true,
            data,
        },
    )
}

/// One line with the reason.
pub fn failure(out: &mut dyn Write, failure: &Failure) -> io::Result<()> {
    let error = failure.keeper();
    line(
        out,
        &Failed {
            success: false,
            error: &failure.to_string(),
            code: failure.name(),
            port: error.and_then(portkeeper_core::Error::port),
            project: error.and_then(portkeeper_core::Error::project),
            pid: error.and_then(portkeeper_core::Error::pid),
            next_free: error.and_then(portkeeper_core::Error::next_free),
        },
    )
}

fn line<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(&mut *out, Guarded(CompactFormatter));
    value.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

/// JSON leaves DEL and the C1 controls as they are, and a terminal obeys them.
struct Guarded(CompactFormatter);

impl Formatter for Guarded {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_unsafe = |c: char| c.is_control() || super::text::turns_direction(c);
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            let (before, after) = rest.split_at(at);
            self.0.write_string_fragment(writer, before)?;
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        self.0.write_string_fragment(writer, rest)
    }
}
