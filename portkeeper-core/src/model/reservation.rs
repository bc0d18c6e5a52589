use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    value,
};

/// The claim on a port: `free → reserved → in-use → reserved | free`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nobody's.
    Free,
    /// A project's, and at the last scan nothing listened.
    Reserved,
    /// A project's, and at the last scan a process listened.
    InUse,
}

impl Status {
    const ALL: [Self; 3] = [Self::Free, Self::Reserved, Self::InUse];

    /// The documented text: `free`, `reserved` or `in-use`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Reserved => "reserved",
            Self::InUse => "in-use",
        }
    }
}

/// From its word; `INVALID_INPUT` lists the words for any other.
impl FromStr for Status {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        value::word("status", text, &Self::ALL, Self::as_str)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row of the registry: a port and whose it is, or last was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The port.
    pub number: u16,
    /// Whose it is; of a free port, whose it was last.
    pub project_name: String,
    /// What for.
    pub description: Option<String>,
    /// Whether it is claimed and used.
    pub status: Status,
    /// The process that listened at the last scan.
    pub pid: Option<u32>,
    /// The name of that process.
    pub process_name: Option<String>,
    /// When the present claim began.
    pub reserved_at: DateTime<Utc>,
    /// When a scan last saw a process listen.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
    /// Whether the claim ends with its owner's process.
    pub auto_release: bool,
    /// Labels, in the order they were given.
    pub tags: Vec<String>,
    /// The caller's own data.
    pub metadata: Map<String, Value>,
    /// The lease on the claim, where it has a role, an owner or an end.
    pub lease: Option<LeaseTerms>,
}

impl Reservation {
    /// The role of the port within its project, such as `web`.
    pub fn role(&self) -> Option<&str> {
        self.lease.as_ref()?.role.as_deref()
    }

    /// The process that the claim, or the right to use it, ends with.
    pub fn owner(&self) -> Option<&ProcessIdentity> {
        self.lease.as_ref()?.owner.as_ref()
    }
}

/// What a claim depends on, beside its project's wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseTerms {
    /// A random name; a new claim on the same port has another one.
    pub id: String,
    /// The role within the project, such as `web`.
    pub role: Option<String>,
    /// The process whose end ends the claim.
    pub owner: Option<ProcessIdentity>,
    /// Whether the owner keeps the port bound without listening, see [`Keeper::hold`](crate::Keeper::hold).
    pub held: bool,
    /// Whether the owner only uses the port for a while, and the claim does not end with it.
    pub borrowed: bool,
    /// When the claim ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A process, told from any later one that gets the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// Process id.
    pub pid: u32,
    /// Start time as the platform counts it: clock ticks since boot on Linux, else seconds since 1970.
    pub start: u64,
    /// The boot it lives in; empty where the platform has no name for it.
    pub boot: String,
    /// Inode of the pid namespace in which `pid` is its number; 0 where there are none.
    pub namespace: u64,
    /// Inode of its pidfd (Linux 6.9 and later); 0 where there is none.
    pub pidfd: u64,
}

/// How many ports there are in each status; the columns of `v_port_summary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Reserved ports.
    #[serde(rename = "reserved_count")]
    pub reserved: u32,
    /// Ports in use.
    #[serde(rename = "in_use_count")]
    pub in_use: u32,
    /// Rows of ports that are free again, or whose servers were ended while nobody had claimed them.
    #[serde(rename = "free_count")]
    pub free: u32,
    /// All rows.
    #[serde(rename = "total_count")]
    pub total: u32,
}

/// The claims of one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPorts {
    /// The project.
    pub project_name: String,
    /// Its ports, ascending.
    pub ports: Vec<u16>,
    /// How many of them are in use.
    pub active_count: u32,
}

/// A claim that was made long ago and is not in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleReservation {
    /// The claim.
    #[serde(flatten)]
    pub reservation: Reservation,
    /// Days since it was made.
    pub days_old: f64,
}
