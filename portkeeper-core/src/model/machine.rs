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

/// A process that had a socket open when it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The socket, as [`Socket::inode`](super::Socket::inode) names it.
    pub inode: u64,
    /// The process.
    pub pid: u32,
    /// Its descriptor there.
    pub fd: u32,
}

/// What an earlier look saw, and the next one tries first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Who had which socket.
    pub holders: Vec<Known>,
    /// Sockets, by inode, that were looked for everywhere in vain, and what that means. Nobody looks for
    /// them alone again, so that this should not be old.
    pub unowned: Vec<(u64, super::Owner)>,
}
