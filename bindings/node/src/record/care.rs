use std::{collections::HashMap, path::Path};

use napi_derive::napi;
use portkeeper_core as core;

use super::number;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Severities and kinds have their words in core's JSON only.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ProgressReport {
    pub operation: String,
    pub done: f64,
    pub total: f64,
}

impl From<core::Progress> for ProgressReport {
    fn from(progress: core::Progress) -> Self {
        let core::Progress {
            operation,
            done,
            total,
        } = progress;
        Self {
            operation: operation.to_owned(),
            done: number(done),
            total: number(total),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct BackupReport {
    pub path: String,
    pub bytes: f64,
    pub pages: f64,
    pub rows: f64,
}

impl From<core::BackupReport> for BackupReport {
    fn from(report: core::BackupReport) -> Self {
        let core::BackupReport {
            path,
            bytes,
            pages,
            rows,
        } = report;
        Self {
            path: text(&path),
            bytes: number(bytes),
            pages: number(pages),
            rows: number(rows),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct RestoreReport {
    pub safety_backup: Option<String>,
    pub restored: f64,
    pub released: f64,
    pub history: f64,
    pub configurations: f64,
}

impl From<core::RestoreReport> for RestoreReport {
    fn from(report: core::RestoreReport) -> Self {
        let core::RestoreReport {
            safety_backup,
            restored,
            released,
            history,
            configurations,
        } = report;
        Self {
            safety_backup: safety_backup.as_deref().map(text),
            restored: number(restored),
            released: number(released),
            history: number(history),
            configurations: number(configurations),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct PruneReport {
    pub history: f64,
    pub scans: f64,
}

impl From<core::PruneReport> for PruneReport {
    fn from(report: core::PruneReport) -> Self {
        let core::PruneReport { history, scans } = report;
        Self {
            history: number(history),
            scans: number(scans),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct CompactReport {
    pub bytes_before: f64,
    pub bytes_after: f64,
}

impl From<core::CompactReport> for CompactReport {
    fn from(report: core::CompactReport) -> Self {
        let core::CompactReport {
            bytes_before,
            bytes_after,
        } = report;
        Self {
            bytes_before: number(bytes_before),
            bytes_after: number(bytes_after),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Finding {
    pub severity: String,
    pub kind: String,
    pub port: Option<f64>,
    pub message: String,
}

impl From<core::Finding> for Finding {
    fn from(finding: core::Finding) -> Self {
        let core::Finding {
            severity,
            kind,
            port,
            message,
        } = finding;
        Self {
            severity: word(severity),
            kind: word(kind),
            port: port.map(super::id),
            message,
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Stats {
    pub path: String,
    pub bytes: f64,
    pub wal_bytes: f64,
    pub pages: f64,
    pub page_size: f64,
    pub free_pages: f64,
    pub schema_version: u32,
    pub rows: HashMap<String, f64>,
}

impl From<core::Stats> for Stats {
    fn from(stats: core::Stats) -> Self {
        let core::Stats {
            path,
            bytes,
            wal_bytes,
            pages,
            page_size,
            free_pages,
            schema_version,
            rows,
        } = stats;
        Self {
            path: text(&path),
            bytes: number(bytes),
            wal_bytes: number(wal_bytes),
            pages: number(pages),
            page_size: number(page_size),
            free_pages: number(free_pages),
            schema_version,
            rows: rows
                .into_iter()
                .map(|(table, rows)| (table, number(rows)))
                .collect(),
        }
    }
}
