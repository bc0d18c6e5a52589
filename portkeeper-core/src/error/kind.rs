/// The kind of an [`Error`](crate::Error): a stable name and number, the same in every language.
///
/// Numbers are part of the C ABI. One is never reused; 0 means success and is no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorKind {
    /// The number is not in 1–65535.
    PortInvalid = 1,
    /// A project name is needed and was missing or blank.
    ProjectRequired = 2,
    /// Another argument is out of its bounds.
    InvalidInput = 3,
    /// Nobody has reserved the port.
    PortNotFound = 4,
    /// Another project has reserved the port.
    PortReserved = 5,
    /// Something that is not the caller's uses the port.
    PortInUse = 6,
    /// The range does not hold as many free ports as were asked for.
    RangeExhausted = 7,
    /// Another process than the expected one answers on the port.
    WrongListener = 8,
    /// The deadline passed.
    Timeout = 9,
    /// The operating system refused access.
    PermissionDenied = 10,
    /// A process could not, or must not, be ended.
    ProcessKillError = 11,
    /// The sockets or processes of this machine could not be read.
    ScanFailed = 12,
    /// A document to import is not valid.
    ImportInvalid = 13,
    /// The database failed in another way than the kinds that follow.
    DatabaseError = 14,
    /// Other writers kept the database locked until the deadline.
    DatabaseBusy = 15,
    /// There is no space left for the database.
    DatabaseFull = 16,
    /// The file is damaged, or is no database.
    DatabaseCorrupt = 17,
    /// The database was written by a newer version of Port Keeper.
    SchemaTooNew = 18,
    /// The tables are not the documented ones, or belong to another program.
    SchemaMismatch = 19,
    /// This platform or configuration cannot do it.
    Unsupported = 20,
    /// A defect in Port Keeper itself.
    Internal = 21,
    /// The caller's watch on a long operation stopped it.
    Cancelled = 22,
}

impl ErrorKind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Self; 22] = [
        Self::PortInvalid,
        Self::ProjectRequired,
        Self::InvalidInput,
        Self::PortNotFound,
        Self::PortReserved,
        Self::PortInUse,
        Self::RangeExhausted,
        Self::WrongListener,
        Self::Timeout,
        Self::PermissionDenied,
        Self::ProcessKillError,
        Self::ScanFailed,
        Self::ImportInvalid,
        Self::DatabaseError,
        Self::DatabaseBusy,
        Self::DatabaseFull,
        Self::DatabaseCorrupt,
        Self::SchemaTooNew,
        Self::SchemaMismatch,
        Self::Unsupported,
        Self::Internal,
        Self::Cancelled,
    ];

    /// The stable number, from 1.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The stable name, such as `PORT_RESERVED`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PortInvalid => "PORT_INVALID",
            Self::ProjectRequired => "PROJECT_REQUIRED",
            Self::InvalidInput => "INVALID_INPUT",
            Self::PortNotFound => "PORT_NOT_FOUND",
            Self::PortReserved => "PORT_RESERVED",
            Self::PortInUse => "PORT_IN_USE",
            Self::RangeExhausted => "RANGE_EXHAUSTED",
            Self::WrongListener => "WRONG_LISTENER",
            Self::Timeout => "TIMEOUT",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ProcessKillError => "PROCESS_KILL_ERROR",
            Self::ScanFailed => "SCAN_FAILED",
            Self::ImportInvalid => "IMPORT_INVALID",
            Self::DatabaseError => "DATABASE_ERROR",
            Self::DatabaseBusy => "DATABASE_BUSY",
            Self::DatabaseFull => "DATABASE_FULL",
            Self::DatabaseCorrupt => "DATABASE_CORRUPT",
            Self::SchemaTooNew => "SCHEMA_TOO_NEW",
            Self::SchemaMismatch => "SCHEMA_MISMATCH",
            Self::Unsupported => "UNSUPPORTED",
            Self::Internal => "INTERNAL",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    #[test]
    fn numbers_are_the_positions_and_names_differ() {
        for (position, kind) in (1..).zip(ErrorKind::ALL) {
            assert_eq!(kind.code(), position, "{kind}");
        }
        let names: std::collections::HashSet<_> =
            ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len());
    }
}
