use chrono::{DateTime, Utc};
use napi_derive::napi;
use portkeeper_core as core;

use super::{Json, id, number};

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Document {
    pub version: String,
    pub export_date: Option<DateTime<Utc>>,
    pub ports: Vec<DocumentPort>,
}

impl From<core::Document> for Document {
    fn from(document: core::Document) -> Self {
        let core::Document {
            version,
            export_date,
            ports,
        } = document;
        Self {
            version,
            export_date,
            ports: ports.into_iter().map(Into::into).collect(),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct DocumentPort {
    pub number: u16,
    pub project_name: String,
    pub description: Option<String>,
    pub status: String,
    pub pid: Option<u32>,
    pub process_name: Option<String>,
    pub reserved_at: Option<DateTime<Utc>>,
    pub last_seen_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub auto_release: bool,
    pub tags: Vec<String>,
    #[napi(ts_type = "object")]
    pub metadata: Json,
    pub role: Option<String>,
}

impl From<core::DocumentPort> for DocumentPort {
    fn from(port: core::DocumentPort) -> Self {
        let core::DocumentPort {
            number,
            project_name,
            description,
            status,
            pid,
            process_name,
            reserved_at,
            last_seen_at,
            updated_at,
            auto_release,
            tags,
            metadata,
            role,
        } = port;
        Self {
            number,
            project_name,
            description,
            status: status.as_str().to_owned(),
            pid,
            process_name,
            reserved_at,
            last_seen_at,
            updated_at,
            auto_release,
            tags,
            metadata: metadata.into(),
            role,
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Configuration {
    pub id: f64,
    pub name: String,
    pub description: Option<String>,
    pub version: String,
    pub created_at: DateTime<Utc>,
    pub created_by: Option<String>,
    pub checksum: Option<String>,
    pub bytes: f64,
}

impl From<core::Configuration> for Configuration {
    fn from(configuration: core::Configuration) -> Self {
        let core::Configuration {
            id: number_of_it,
            name,
            description,
            version,
            created_at,
            created_by,
            checksum,
            bytes,
        } = configuration;
        Self {
            id: id(number_of_it),
            name,
            description,
            version,
            created_at,
            created_by,
            checksum,
            bytes: number(bytes),
        }
    }
}

/// `lib/keeper.cjs` makes one object of both.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct SavedDocument {
    pub configuration: Configuration,
    pub verified: bool,
    pub document: Document,
}

impl From<core::SavedDocument> for SavedDocument {
    fn from(saved: core::SavedDocument) -> Self {
        let core::SavedDocument {
            configuration,
            verified,
            document,
        } = saved;
        Self {
            configuration: configuration.into(),
            verified,
            document: document.into(),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ImportReport {
    pub ports: Vec<ImportedPort>,
    pub added: u32,
    pub updated: u32,
    pub unchanged: u32,
    pub conflicts: u32,
    pub freed: u32,
    pub dry_run: bool,
    pub configuration: Option<f64>,
}

impl From<core::ImportReport> for ImportReport {
    fn from(report: core::ImportReport) -> Self {
        let core::ImportReport {
            ports,
            added,
            updated,
            unchanged,
            conflicts,
            freed,
            dry_run,
            configuration,
        } = report;
        Self {
            ports: ports.into_iter().map(Into::into).collect(),
            added,
            updated,
            unchanged,
            conflicts,
            freed,
            dry_run,
            configuration: configuration.map(id),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ImportedPort {
    pub port: u16,
    pub project_name: String,
    pub outcome: String,
    pub changed: Vec<String>,
    pub other_project: Option<String>,
    pub other_since: Option<DateTime<Utc>>,
}

impl From<core::ImportedPort> for ImportedPort {
    fn from(port: core::ImportedPort) -> Self {
        let core::ImportedPort {
            port,
            project_name,
            outcome,
            changed,
            other_project,
            other_since,
        } = port;
        Self {
            port,
            project_name,
            outcome: outcome.as_str().to_owned(),
            changed,
            other_project,
            other_since,
        }
    }
}
