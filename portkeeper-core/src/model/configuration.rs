use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Document;

/// An export or import that the registry has kept, without its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// Names it; never used again.
    pub id: i64,
    /// `export` or `import`, or what the request called it.
    pub name: String,
    /// What was exported or imported.
    pub description: Option<String>,
    /// The version of the document's format.
    pub version: String,
    /// When it was kept.
    pub created_at: DateTime<Utc>,
    /// Who exported or imported, as the history names actors.
    pub created_by: Option<String>,
    /// SHA-256 of the document's text, in hexadecimal; `None` where another tool left it out.
    pub checksum: Option<String>,
    /// Length of the document's text.
    pub bytes: u64,
}

/// A [`Configuration`] with its document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedDocument {
    /// What is known of it.
    #[serde(flatten)]
    pub configuration: Configuration,
    /// Whether the document is, by its checksum, the one that was kept; `false` where another tool kept
    /// it without a checksum.
    pub verified: bool,
    /// The document.
    pub document: Document,
}
