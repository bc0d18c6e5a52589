use chrono::{DateTime, Utc};
use napi_derive::napi;
use portkeeper_core as core;

use super::{Json, number};

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Reservation {
    pub number: u16,
    pub project_name: String,
    pub description: Option<String>,
    pub status: String,
    pub pid: Option<u32>,
    pub process_name: Option<String>,
    pub reserved_at: DateTime<Utc>,
    pub last_seen_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub auto_release: bool,
    pub tags: Vec<String>,
    #[napi(ts_type = "object")]
    pub metadata: Json,
    pub lease: Option<LeaseTerms>,
}

impl From<core::Reservation> for Reservation {
    fn from(row: core::Reservation) -> Self {
        let core::Reservation {
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
            lease,
        } = row;
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
            lease: lease.map(Into::into),
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct LeaseTerms {
    pub id: String,
    pub role: Option<String>,
    pub owner: Option<ProcessIdentity>,
    pub held: bool,
    pub borrowed: bool,
    pub expires_at: Option<DateTime<Utc>>,
}

impl From<core::LeaseTerms> for LeaseTerms {
    fn from(terms: core::LeaseTerms) -> Self {
        let core::LeaseTerms {
            id,
            role,
            owner,
            held,
            borrowed,
            expires_at,
        } = terms;
        Self {
            id,
            role,
            owner: owner.map(Into::into),
            held,
            borrowed,
            expires_at,
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ProcessIdentity {
    pub pid: u32,
    pub start: f64,
    pub boot: String,
    pub namespace: f64,
    pub pidfd: f64,
}

impl From<core::ProcessIdentity> for ProcessIdentity {
    fn from(identity: core::ProcessIdentity) -> Self {
        let core::ProcessIdentity {
            pid,
            start,
            boot,
            namespace,
            pidfd,
        } = identity;
        Self {
            pid,
            start: number(start),
            boot,
            namespace: number(namespace),
            pidfd: number(pidfd),
        }
    }
}

/// The columns of `v_port_summary`.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Summary {
    #[napi(js_name = "reserved_count")]
    pub reserved: u32,
    #[napi(js_name = "in_use_count")]
    pub in_use: u32,
    #[napi(js_name = "free_count")]
    pub free: u32,
    #[napi(js_name = "total_count")]
    pub total: u32,
}

impl From<core::Summary> for Summary {
    fn from(summary: core::Summary) -> Self {
        let core::Summary {
            reserved,
            in_use,
            free,
            total,
        } = summary;
        Self {
            reserved,
            in_use,
            free,
            total,
        }
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ProjectPorts {
    pub project_name: String,
    pub ports: Vec<u16>,
    pub active_count: u32,
}

impl From<core::ProjectPorts> for ProjectPorts {
    fn from(project: core::ProjectPorts) -> Self {
        let core::ProjectPorts {
            project_name,
            ports,
            active_count,
        } = project;
        Self {
            project_name,
            ports,
            active_count,
        }
    }
}

/// A reservation and its age, which `lib/keeper.cjs` makes one object of.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct StaleReservation {
    pub reservation: Reservation,
    pub days_old: f64,
}

impl From<core::StaleReservation> for StaleReservation {
    fn from(stale: core::StaleReservation) -> Self {
        let core::StaleReservation {
            reservation,
            days_old,
        } = stale;
        Self {
            reservation: reservation.into(),
            days_old,
        }
    }
}

/// What `lib/guards.cjs` makes a `Lease`, a `Hold` or a `BoundPort` of.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Guarded {
    pub guard: u32,
    pub ports: Vec<u16>,
    pub reservations: Vec<Reservation>,
    pub address: Option<String>,
}
