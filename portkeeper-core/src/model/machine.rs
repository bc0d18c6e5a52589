/// The answer of a bind probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Both protocols can be bound.
    Free,
    /// Something has the port, for TCP or UDP.
    Taken,
    /// The caller lacks the rights for a port this low.
    Privileged,
    /// The operating system keeps the port back.
    Excluded,
}

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Alive,
    /// It ended; its pid may be another process's by now.
    Dead,
    /// It cannot be told: it lives in another namespace, or may not be looked at.
    Unknown,
}

/// A socket that a process had when it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The socket, as [`Socket::inode`](super::Socket::inode) names it.
    pub inode: u64,
    /// The process.
    pub pid: u32,
}
