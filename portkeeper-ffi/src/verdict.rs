//! Verdicts

/// What a port is for someone who wants to use it: what pk_keeper_check() writes to its output, and no code of an
/// error. A number is never reused; a later version may have more of them.
pub type pk_verdict = i32;

/// Neither claimed nor bound.
pub const PK_VERDICT_FREE: pk_verdict = 0;
/// Claimed by a project, and not bound.
pub const PK_VERDICT_RESERVED: pk_verdict = 1;
/// Claimed, and kept bound by a process that does not listen, see pk_keeper_hold().
pub const PK_VERDICT_HELD: pk_verdict = 2;
/// A TCP listener or a UDP socket is there.
pub const PK_VERDICT_LISTENING: pk_verdict = 3;
/// Bound by a socket that does not listen.
pub const PK_VERDICT_BOUND: pk_verdict = 4;
/// A closed connection keeps the port for up to a minute.
pub const PK_VERDICT_TIME_WAIT: pk_verdict = 5;
/// A connection to elsewhere uses the port as its own end.
pub const PK_VERDICT_OUTGOING_CONNECTION: pk_verdict = 6;
/// The caller may not bind ports this low.
pub const PK_VERDICT_PRIVILEGED: pk_verdict = 7;
/// The operating system keeps the port back.
pub const PK_VERDICT_EXCLUDED: pk_verdict = 8;
