use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Reservation, Status};
use crate::{
    error::{Error, Result},
    value,
};

mod parse;

/// The claims of a registry as a text to keep, to send, or to put under version control.
///
/// [`Keeper::export`](crate::Keeper::export) makes one, and [`Keeper::import`](crate::Keeper::import)
/// takes it. Claims are in it, and neither history nor leases.
///
/// ```
/// use portkeeper_core::Document;
///
/// let text = r#"{"version": "1.0", "ports": [{"number": 3000, "projectName": "my-app"}]}"#;
/// let document = Document::from_json(text)?;
/// assert_eq!(document.ports[0].number, 3000);
/// assert_eq!(Document::from_json(&document.to_json()?)?, document);
///
/// let wrong = Document::from_json(&text.replace("3000", "70000")).unwrap_err();
/// assert_eq!(
///     wrong.to_string(),
///     "the document cannot be imported: ports[0]: port 70000 is not in 1..=65535",
/// );
/// # Ok::<(), portkeeper_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The version of the format, [`Document::VERSION`] or another one that begins with `1`.
    pub version: String,
    /// When it was made.
    pub export_date: Option<DateTime<Utc>>,
    /// The claims, by number where Port Keeper made the document.
    pub ports: Vec<DocumentPort>,
}

/// One claim of a [`Document`]. Only the number and the project are required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentPort {
    /// The port.
    pub number: u16,
    /// Whose it is.
    pub project_name: String,
    /// What for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether it was in use; an entry that is `free` claims nothing.
    #[serde(default = "reserved")]
    pub status: Status,
    /// The process that listened, on the machine that made the document.
    #[serde(default)]
    pub pid: Option<u32>,
    /// The name of that process.
    #[serde(default)]
    pub process_name: Option<String>,
    /// When the claim began.
    #[serde(default)]
    pub reserved_at: Option<DateTime<Utc>>,
    /// When a scan last saw a process listen.
    #[serde(default)]
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When the claim last changed.
    #[serde(default)]
    pub updated_at: Option<DateTime<Utc>>,
    /// Whether the claim ended with a process. Which one, a document does not say.
    #[serde(default)]
    pub auto_release: bool,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The owner's own data.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// The role within the project, such as `web`; absent where the port has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

fn reserved() -> Status {
    Status::Reserved
}

impl Document {
    /// The version that this engine writes.
    pub const VERSION: &'static str = "1.0";

    /// The longest text that is read, in bytes: 64 MiB.
    pub const MAX_BYTES: usize = 64 << 20;

    /// The document of these claims; an error names the first one that could not be imported.
    pub(crate) fn of(rows: &[Reservation], now: DateTime<Utc>) -> Result<Self, (u16, Error)> {
        let ports = rows.iter().map(|row| {
            let port = DocumentPort::from(row).checked();
            port.map_err(|error| (row.number, error))
        });
        Ok(Self {
            version: Self::VERSION.to_owned(),
            export_date: Some(now),
            ports: ports.collect::<Result<_, _>>()?,
        })
    }

    /// Reads a document, and refuses with `IMPORT_INVALID` what could not be imported: it names the
    /// entry and the value.
    ///
    /// Fields that the format does not know are ignored, so that a later `1.x` may add some. Timestamps
    /// may have either documented form, `2024-01-20T10:30:00Z` or `2024-01-20 10:30:00`.
    pub fn from_json(text: &str) -> Result<Self> {
        let document = parse::document(text).map_err(Error::ImportInvalid)?;
        document.claims()?;
        Ok(document)
    }

    /// The document as JSON, a line for each port, so that two of them can be compared line by line.
    /// Equal documents have equal texts.
    pub fn to_json(&self) -> Result<String> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| Error::Internal(format!("a document without JSON: {error}")))
        };
        let mut text = format!(
            "{{\n  \"version\": {},\n  \"exportDate\": {},\n  \"ports\": [",
            json(serde_json::to_string(&self.version))?,
            json(serde_json::to_string(&self.export_date))?,
        );
        for (index, port) in self.ports.iter().enumerate() {
            text.push_str(if index == 0 { "\n    " } else { ",\n    " });
            text.push_str(&json(serde_json::to_string(port))?);
        }
        text.push_str(if self.ports.is_empty() {
            "]\n}\n"
        } else {
            "\n  ]\n}\n"
        });
        Ok(text)
    }

    /// What the document claims, every value checked, by number.
    pub(crate) fn claims(&self) -> Result<Vec<DocumentPort>> {
        parse::check_version(&self.version).map_err(Error::ImportInvalid)?;
        let mut checked = Vec::with_capacity(self.ports.len());
        for (index, port) in self.ports.iter().enumerate() {
            match port.checked() {
                Ok(port) => checked.push((index, port)),
                Err(error) => return Err(at(index, port.number, &error)),
            }
        }
        checked.sort_by_key(|(_, port)| port.number);
        for pair in checked.windows(2) {
            if let [(first, one), (second, other)] = pair
                && one.number == other.number
            {
                return Err(Error::ImportInvalid(format!(
                    "ports[{first}] and ports[{second}] are both port {}",
                    one.number
                )));
            }
        }
        let claims = checked.into_iter().map(|(_, port)| port);
        Ok(claims.filter(|port| port.status != Status::Free).collect())
    }
}

impl DocumentPort {
    /// The entry with every value within its bounds, and each tag once.
    pub(crate) fn checked(&self) -> Result<Self> {
        let mut port = self.clone();
        value::port(i64::from(port.number))?;
        // A free port may never have had a project.
        if port.status == Status::Free {
            return Ok(port);
        }
        value::project(&port.project_name)?;
        if let Some(description) = &port.description {
            value::description(description)?;
        }
        if let Some(role) = &port.role {
            value::role(role)?;
        }
        port.tags = value::tags(&self.tags)?
            .into_iter()
            .map(str::to_owned)
            .collect();
        if !port.metadata.is_empty() {
            let text = serde_json::to_string(&port.metadata)
                .map_err(|error| Error::invalid("metadata", "", error.to_string()))?;
            value::metadata(&text)?;
        }
        for time in [
            &mut port.reserved_at,
            &mut port.last_seen_at,
            &mut port.updated_at,
        ] {
            // In whole seconds, of which a leap second is none that SQLite could read.
            *time = time.and_then(|time| DateTime::from_timestamp(time.timestamp(), 0));
            if let Some(time) = time
                && !(0..=9999).contains(&time.year())
            {
                let reason = "is not in the years 0 to 9999";
                return Err(Error::invalid("time", time.to_string(), reason));
            }
        }
        Ok(port)
    }
}

impl From<&Reservation> for DocumentPort {
    fn from(row: &Reservation) -> Self {
        Self {
            number: row.number,
            project_name: row.project_name.clone(),
            description: row.description.clone(),
            status: row.status,
            pid: row.pid,
            process_name: row.process_name.clone(),
            reserved_at: Some(row.reserved_at),
            last_seen_at: row.last_seen_at,
            updated_at: Some(row.updated_at),
            auto_release: row.auto_release,
            tags: row.tags.clone(),
            metadata: row.metadata.clone(),
            role: row.role().map(str::to_owned),
        }
    }
}

fn at(index: usize, port: u16, error: &Error) -> Error {
    Error::ImportInvalid(match error {
        Error::PortInvalid(_) => format!("ports[{index}]: {error}"),
        _ => format!("ports[{index}], port {port}: {error}"),
    })
}
