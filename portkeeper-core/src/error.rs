//! What can go wrong: one type, with a stable name and number for each kind.

use std::{io, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};

use crate::model::{Process, Reservation, Socket, Verdict, shown, timestamp};

mod kind;

pub use kind::ErrorKind;

/// The result of every fallible operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was refused or failed.
///
/// The message is a sentence that a person can act on and names the value at fault. Programs read
/// [`kind`](Error::kind) and the facts ([`port`](Error::port), [`project`](Error::project),
/// [`pid`](Error::pid)) instead of the text.
///
/// ```
/// use portkeeper_core::{ErrorKind, Keeper, ReserveRequest};
///
/// let keeper = Keeper::in_memory()?;
/// let error = keeper.reserve(70_000, ReserveRequest::new("shop")).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::PortInvalid);
/// assert_eq!(error.name(), "PORT_INVALID");
/// assert_eq!(error.to_string(), "port 70000 is not in 1..=65535");
/// # Ok::<(), portkeeper_core::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The number is no port.
    #[error("port {0} is not in 1..=65535")]
    PortInvalid(i64),

    /// The project name is missing or blank.
    #[error("a project name is required")]
    ProjectRequired,

    /// An argument is out of its bounds.
    #[error("{what} {} {reason}", shown(value))]
    InvalidInput {
        /// Which argument, such as `tag`.
        what: &'static str,
        /// The value that was given; the message shows its beginning.
        value: String,
        /// What is wrong with it.
        reason: String,
    },

    /// Nobody has reserved the port.
    #[error("port {0} is not reserved")]
    PortNotFound(u16),

    /// The port belongs to a project.
    #[error("port {port} is reserved for project {} since {}{}{}", shown(project), timestamp::format(*since), owner_clause(*owner), next_free_clause(*next_free))]
    PortReserved {
        /// The port.
        port: u16,
        /// Whose it is.
        project: String,
        /// Since when.
        since: DateTime<Utc>,
        /// The process that the claim ends with, where there is one.
        owner: Option<u32>,
        /// The next higher port that is free, where the caller asked for one.
        next_free: Option<u16>,
    },

    /// Somebody uses the port without having reserved it.
    #[error("port {port} is not free: {verdict}{}", next_free_clause(*next_free))]
    PortInUse {
        /// The port.
        port: u16,
        /// What was found there.
        verdict: Box<Verdict>,
        /// The next higher port that is free, where the caller asked for one.
        next_free: Option<u16>,
    },

    /// The range holds too few free ports.
    #[error("{found} of {wanted} ports can be had in {}..={}: {held}", range.0, range.1)]
    RangeExhausted {
        /// How many ports were asked for.
        wanted: usize,
        /// How many could have been had.
        found: usize,
        /// The first and the last port of the range.
        range: (u16, u16),
        /// What holds the rest, as a phrase that counts each reason.
        held: String,
    },

    /// Another process than the expected one answers.
    #[error("port {port} is answered by someone else: {}", sockets(listeners))]
    WrongListener {
        /// The port.
        port: u16,
        /// Who listens there.
        listeners: Vec<Socket>,
    },

    /// The deadline passed.
    #[error("{what} did not happen within {} ms", within.as_millis())]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        within: Duration,
    },

    /// The operating system refused access.
    #[error("no permission for {what}: {source}")]
    PermissionDenied {
        /// A path, or an act such as `binding port 80`.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },

    /// A process was not ended.
    #[error("{} on port {port} was not ended: {reason}", subject(process.as_ref()))]
    ProcessKill {
        /// The port whose listener it is.
        port: u16,
        /// The process; `None` for one that has no pid here.
        process: Option<Process>,
        /// Why not.
        reason: String,
    },

    /// The machine's sockets or processes could not be read.
    #[error("the ports of this machine could not be read: {0}")]
    ScanFailed(String),

    /// A document is not one that can be imported.
    #[error("the document cannot be imported: {0}")]
    ImportInvalid(String),

    /// The database could not be used; [`Error::kind`] tells the cases apart.
    #[error("database {}: {reason}", path.display())]
    Database {
        /// Which of the database kinds.
        kind: ErrorKind,
        /// The file; `:memory:` for a keeper without one.
        path: PathBuf,
        /// What happened.
        reason: String,
        /// The error of SQLite or of the file system, where there was one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },

    /// This platform or configuration cannot do it.
    #[error("{0} is not supported here")]
    Unsupported(String),

    /// A defect in Port Keeper.
    #[error("internal error: {0}")]
    Internal(String),

    /// The caller stopped a long operation; what it had done is undone, but for what the operation says.
    #[error("{0} was stopped by its caller")]
    Cancelled(&'static str),
}

impl Error {
    /// The kind, for `match`.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::PortInvalid(_) => ErrorKind::PortInvalid,
            Self::ProjectRequired => ErrorKind::ProjectRequired,
            Self::InvalidInput { .. } => ErrorKind::InvalidInput,
            Self::PortNotFound(_) => ErrorKind::PortNotFound,
            Self::PortReserved { .. } => ErrorKind::PortReserved,
            Self::PortInUse { .. } => ErrorKind::PortInUse,
            Self::RangeExhausted { .. } => ErrorKind::RangeExhausted,
            Self::WrongListener { .. } => ErrorKind::WrongListener,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::PermissionDenied { .. } => ErrorKind::PermissionDenied,
            Self::ProcessKill { .. } => ErrorKind::ProcessKillError,
            Self::ScanFailed(_) => ErrorKind::ScanFailed,
            Self::ImportInvalid(_) => ErrorKind::ImportInvalid,
            Self::Database { kind, .. } => *kind,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Internal(_) => ErrorKind::Internal,
            Self::Cancelled(_) => ErrorKind::Cancelled,
        }
    }

    /// The stable name of the kind, such as `PORT_RESERVED`.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The stable number of the kind; never 0.
    pub fn code(&self) -> i32 {
        self.kind().code()
    }

    /// The port the error is about.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::PortNotFound(port)
            | Self::PortReserved { port, .. }
            | Self::PortInUse { port, .. }
            | Self::WrongListener { port, .. }
            | Self::ProcessKill { port, .. } => Some(*port),
            _ => None,
        }
    }

    /// The project that stands in the way.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::PortReserved { project, .. } => Some(project),
            Self::PortInUse { verdict, .. } => verdict.project(),
            _ => None,
        }
    }

    /// The process that stands in the way; the first one where several share a socket.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::PortReserved { owner, .. } => *owner,
            Self::PortInUse { verdict, .. } => verdict.pid(),
            Self::WrongListener { listeners, .. } => listeners.iter().find_map(Socket::pid),
            Self::ProcessKill { process, .. } => process.as_ref().map(|process| process.pid),
            _ => None,
        }
    }

    /// The next higher port that is free, where a refusal was asked to name one.
    pub fn next_free(&self) -> Option<u16> {
        match self {
            Self::PortReserved { next_free, .. } | Self::PortInUse { next_free, .. } => *next_free,
            _ => None,
        }
    }

    /// The claim that stands in somebody's way.
    pub(crate) fn reserved(claim: &Reservation) -> Self {
        Self::PortReserved {
            port: claim.number,
            project: claim.project_name.clone(),
            since: claim.reserved_at,
            owner: claim.owner().map(|owner| owner.pid),
            next_free: None,
        }
    }

    pub(crate) fn invalid(
        what: &'static str,
        value: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::InvalidInput {
            what,
            value: value.into(),
            reason: reason.into(),
        }
    }
}

fn owner_clause(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

fn next_free_clause(port: Option<u16>) -> String {
    port.map_or_else(String::new, |port| {
        format!("; the next free port is {port}")
    })
}

fn subject(process: Option<&Process>) -> String {
    process.map_or_else(|| "a process".to_owned(), ToString::to_string)
}

fn sockets(sockets: &[Socket]) -> String {
    let phrases: Vec<String> = sockets.iter().map(ToString::to_string).collect();
    phrases.join(", ")
}
