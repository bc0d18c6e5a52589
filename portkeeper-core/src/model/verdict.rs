use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Reservation, Socket, Status, shown, timestamp};

/// Everything that is known of one port: the registry's row and the machine's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortState {
    /// The port.
    pub port: u16,
    /// The registry's status; `free` for a port without a row.
    pub status: Status,
    /// What it comes to.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The claim, where there is one.
    pub reservation: Option<Reservation>,
}

impl PortState {
    /// Whether nobody has claimed the port and a server could bind it.
    pub fn is_free(&self) -> bool {
        self.verdict == Verdict::Free
    }

    /// Whose the port is.
    pub fn project(&self) -> Option<&str> {
        self.reservation
            .as_ref()
            .map(|reservation| reservation.project_name.as_str())
    }

    /// Who listens there.
    pub fn listeners(&self) -> &[Socket] {
        match &self.verdict {
            Verdict::Listening { listeners, .. } => listeners,
            _ => &[],
        }
    }
}

/// What a port is, for someone who wants to use it.
///
/// Where a port is both reserved and bound, the verdict says what is bound and names the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// Neither claimed nor bound.
    Free,
    /// Claimed by a project, and not bound.
    Reserved {
        /// Whose it is.
        project: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Claimed, and kept bound by a process that does not listen, see
    /// [`Keeper::hold`](crate::Keeper::hold).
    Held {
        /// Whose it is.
        project: String,
        /// Since when.
        since: DateTime<Utc>,
        /// The process that holds it.
        pid: u32,
    },
    /// A TCP listener or a UDP socket is there; the owner may be unknown.
    Listening {
        /// The project that claimed the port.
        project: Option<String>,
        /// Every listener on any address.
        listeners: Vec<Socket>,
    },
    /// Bound by a socket that does not listen: a server about to start, or a held port.
    Bound {
        /// The project that claimed the port.
        project: Option<String>,
        /// Those sockets, where the platform lists them (Linux 6.8 and later).
        sockets: Vec<Socket>,
    },
    /// A closed connection keeps the port for up to a minute.
    TimeWait {
        /// The project that claimed the port.
        project: Option<String>,
    },
    /// A connection to elsewhere uses the port as its own end.
    OutgoingConnection {
        /// The project that claimed the port.
        project: Option<String>,
        /// The connections.
        connections: Vec<Socket>,
    },
    /// The caller may not bind ports this low. Nothing is known to be bound there.
    Privileged {
        /// The project that claimed the port.
        project: Option<String>,
    },
    /// The operating system keeps the port back.
    Excluded {
        /// The project that claimed the port.
        project: Option<String>,
    },
}

impl Verdict {
    /// The project that claimed the port.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::Free => None,
            Self::Reserved { project, .. } | Self::Held { project, .. } => Some(project),
            Self::Listening { project, .. }
            | Self::Bound { project, .. }
            | Self::TimeWait { project }
            | Self::OutgoingConnection { project, .. }
            | Self::Privileged { project }
            | Self::Excluded { project } => project.as_deref(),
        }
    }

    /// The stable number, for a caller that takes no text: 0 for a free port, and one is never reused.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Free => 0,
            Self::Reserved { .. } => 1,
            Self::Held { .. } => 2,
            Self::Listening { .. } => 3,
            Self::Bound { .. } => 4,
            Self::TimeWait { .. } => 5,
            Self::OutgoingConnection { .. } => 6,
            Self::Privileged { .. } => 7,
            Self::Excluded { .. } => 8,
        }
    }

    /// The first process that is known to use the port.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Held { pid, .. } => Some(*pid),
            Self::Listening {
                listeners: sockets, ..
            }
            | Self::Bound { sockets, .. }
            | Self::OutgoingConnection {
                connections: sockets,
                ..
            } => sockets.iter().find_map(Socket::pid),
            _ => None,
        }
    }
}

/// A phrase such as `reserved for project "shop" since 2026-11-02T08:15:00Z`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Reserved { project, since } => {
                write!(
                    f,
                    "reserved for project {} since {}",
                    shown(project),
                    timestamp::format(*since)
                )
            }
            Self::Held { project, pid, .. } => write!(
                f,
                "held for project {} by process {pid}: a server starts on it if it sets SO_REUSEADDR, \
                 and cannot bind it otherwise",
                shown(project)
            ),
            Self::Listening { listeners, .. } => list(f, listeners),
            Self::Bound { sockets, .. } if sockets.is_empty() => {
                f.write_str("bound by a socket that does not listen")
            }
            Self::Bound { sockets, .. } => list(f, sockets),
            Self::TimeWait { .. } => {
                f.write_str("kept by a closed connection for up to a minute (TIME-WAIT)")
            }
            Self::OutgoingConnection { connections, .. } => {
                f.write_str("the near end of an outgoing connection: ")?;
                list(f, connections)
            }
            Self::Privileged { .. } => f.write_str("privileged: binding it needs more rights"),
            Self::Excluded { .. } => f.write_str("excluded by the operating system"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, sockets: &[Socket]) -> fmt::Result {
    for (position, socket) in sockets.iter().enumerate() {
        if position > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{socket}")?;
    }
    Ok(())
}
