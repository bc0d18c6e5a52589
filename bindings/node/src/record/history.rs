use chrono::{DateTime, Utc};
use napi_derive::napi;
use portkeeper_core as core;

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
