use chrono::{DateTime, Utc};
use napi_derive::napi;
use portkeeper_core as core;
use serde_json::Map;

use super::{Json, id};

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct HistoryEntry {
    pub id: f64,
    pub port: u16,
    pub action: String,
    pub project_name: Option<String>,
    pub description: Option<String>,
    pub performed_by: Option<String>,
    pub performed_at: DateTime<Utc>,
    #[napi(ts_type = "object")]
    pub details: Json,
}

impl From<core::HistoryEntry> for HistoryEntry {
    fn from(entry: core::HistoryEntry) -> Self {
        let core::HistoryEntry {
            id: number,
            port,
            action,
            project_name,
            description,
            performed_by,
            performed_at,
            details,
        } = entry;
        Self {
            id: id(number),
            port,
            action: action.as_str().to_owned(),
            project_name,
            description,
            performed_by,
            performed_at,
            details: details.into(),
        }
    }
}

/// The place in the history where a page ended; of an entry, only its time and id matter for that.
pub fn place(time: DateTime<Utc>, id: i64) -> core::HistoryEntry {
    core::HistoryEntry {
        id,
        port: 0,
        action: core::Action::Reserved,
        project_name: None,
        description: None,
        performed_by: None,
        performed_at: time,
        details: Map::new(),
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Holder {
    pub port: u16,
    pub project_name: String,
    pub status: String,
    pub entry: HistoryEntry,
}

impl From<core::Holder> for Holder {
    fn from(holder: core::Holder) -> Self {
        let core::Holder {
            port,
            project_name,
            status,
            entry,
        } = holder;
        Self {
            port,
            project_name,
            status: status.as_str().to_owned(),
            entry: entry.into(),
        }
    }
}
