//! Why a command did not work, and what the shell is told.

use std::{fmt, io, path::Path};

use portkeeper_core::{Error, ErrorKind};

/// What a command returns.
pub type Outcome<T> = Result<T, Failure>;

/// Why a command did not work.
#[derive(Debug)]
pub enum Failure {
    /// The engine refused.
    Keeper(Error),
    /// The command itself refuses, in the engine's terms.
    Refused(ErrorKind, String),
    /// A file that the user named.
    File(String, io::Error),
    /// The answer could not be written.
    Output(io::Error),
    /// Ctrl-C.
    Interrupted,
    /// The user was asked, and said no.
    Declined,
}

impl Failure {
    /// An argument that makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Refused(ErrorKind::InvalidInput, message.into())
    }

    /// A file that could not be read or written.
    pub fn file(path: &Path, error: io::Error) -> Self {
        Self::File(path.display().to_string(), error)
    }

    /// The stable name of the reason.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keeper(error) => error.name(),
            Self::Refused(kind, _) => kind.name(),
            Self::File(_, error) | Self::Output(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied.name(),
                io::ErrorKind::NotFound => ErrorKind::InvalidInput.name(),
                _ => "IO_ERROR",
            },
            Self::Interrupted | Self::Declined => ErrorKind::Cancelled.name(),
        }
    }

    /// 1 error, 2 invalid or not found, 3 permission, 4 reserved or in use; 130 for Ctrl-C.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Keeper(error) => exit_code(error),
            Self::Refused(kind, _) => kind_exit_code(*kind),
            Self::File(_, error) | Self::Output(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => 3,
                io::ErrorKind::NotFound => 2,
                _ => 1,
            },
            Self::Interrupted => 130,
            Self::Declined => 1,
        }
    }

    /// The engine's error.
    pub fn keeper(&self) -> Option<&Error> {
        match self {
            Self::Keeper(error) => Some(error),
            _ => None,
        }
    }

    /// Whether whoever read the answer has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn exit_code(error: &Error) -> u8 {
    // A database that may not be read is, to whoever runs a command, a matter of permission.
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::PermissionDenied
        {
            return 3;
        }
        source = cause.source();
    }
    kind_exit_code(error.kind())
}

fn kind_exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::PortInvalid
        | ErrorKind::ProjectRequired
        | ErrorKind::InvalidInput
        | ErrorKind::PortNotFound
        | ErrorKind::ImportInvalid => 2,
        ErrorKind::PermissionDenied => 3,
        ErrorKind::PortReserved
        | ErrorKind::PortInUse
        | ErrorKind::RangeExhausted
        | ErrorKind::WrongListener => 4,
        ErrorKind::Cancelled => 130,
        _ => 1,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keeper(error) => error.fmt(f),
            Self::Refused(_, message) => f.write_str(message),
            Self::File(path, error) => write!(f, "{path}: {error}"),
            Self::Output(error) => write!(f, "the answer could not be written: {error}"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Declined => f.write_str("nothing was done"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::Keeper(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
