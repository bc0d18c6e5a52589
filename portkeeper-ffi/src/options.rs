//! Options
//!
//! Each struct begins with its size, so that it can grow at its end.
//! In all of them zero and NULL are the defaults. A caller of another version has a shorter struct, whose
//! missing fields are the defaults, or a longer one, whose unknown fields must be.

use std::ffi::c_char;

mod apply;
mod layout;
mod sized;

pub(crate) use apply::limited;
pub(crate) use sized::read;

/// pk_open_options.flags: no file; the registry vanishes with its keeper. For tests.
pub const PK_OPEN_IN_MEMORY: u64 = 1;
/// pk_open_options.flags: the registry may be on a network or FUSE file system, which is PK_UNSUPPORTED
/// otherwise. It may lose what was acknowledged once a second machine, or a program that goes past the
/// mount, uses the same file.
pub const PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM: u64 = 2;
/// pk_reserve_options.flags: claims the port although a process listens there that is neither the caller
/// nor its child.
pub const PK_RESERVE_ADOPT: u64 = 1;
/// pk_reserve_options.flags: where the claim is refused, pk_error_next_free() names a free port. Finding it probes
/// one port after the other.
pub const PK_RESERVE_SUGGEST: u64 = 2;
/// pk_request_options.flags: the claims end with this process.
pub const PK_REQUEST_AUTO_RELEASE: u64 = 1;
/// pk_import_options.flags: changes nothing, and reports what an import would do.
pub const PK_IMPORT_DRY_RUN: u64 = 1;
/// pk_import_options.flags: leaves ports of other projects out, instead of refusing the import.
pub const PK_IMPORT_SKIP_CONFLICTS: u64 = 2;

/// How pk_keeper_open() opens a registry. Begin with PK_OPEN_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pk_open_options {
    /// sizeof(pk_open_options), as the initialiser sets it.
    pub size: usize,
    /// Who the history says did it, 1-200 characters. NULL: the program's name and pid.
    pub actor: *const c_char,
    /// What every write survives once it is acknowledged: with "full" a power cut, with "normal" the end of any
    /// process, while a power cut may lose the newest. NULL: as "full" for claims that last, and as "normal" for what
    /// a scan finds, or the end of a process would undo anyway.
    pub durability: *const c_char,
    /// How long to wait for other writers before PK_DATABASE_BUSY. 0: 10 seconds.
    pub busy_timeout_ms: u64,
    /// PK_OPEN_IN_MEMORY and PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM, or 0.
    pub flags: u64,
}

/// What pk_keeper_reserve() claims a port for. What is NULL stays as it is when the project has the port
/// already. Begin with PK_RESERVE_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pk_reserve_options {
    /// sizeof(pk_reserve_options), as the initialiser sets it.
    pub size: usize,
    /// What the port is for, at most 4,000 characters. "" removes the description.
    pub description: *const c_char,
    /// Labels, at most 100 of 100 characters each. A pointer that is not NULL removes them with a count of 0.
    pub tags: *const *const c_char,
    /// How many tags there are.
    pub tags_count: usize,
    /// The caller's own data: the text of a JSON object, at most 64 KiB.
    pub metadata: *const c_char,
    /// PK_RESERVE_ADOPT and PK_RESERVE_SUGGEST, or 0.
    pub flags: u64,
}

/// Which ports pk_keeper_request(), _request_many(), _lease() and _bind() choose. Begin with
/// PK_REQUEST_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pk_request_options {
    /// sizeof(pk_request_options), as the initialiser sets it.
    pub size: usize,
    /// A port for each of these roles, such as "web": who asks for a role again gets the same port.
    pub roles: *const *const c_char,
    /// How many roles there are.
    pub roles_count: usize,
    /// How many ports, for pk_keeper_lease(). 0: one, or one for each role. pk_keeper_request_many() has a parameter
    /// for it and does not look here; where one port is asked for, it must be 0 or 1.
    pub count: usize,
    /// In which order ports are tried: "lowest", "contiguous", "random" or "stable". NULL: "lowest".
    pub strategy: *const c_char,
    /// Ports that are not to be chosen.
    pub avoid: *const i64,
    /// How many there are to avoid.
    pub avoid_count: usize,
    /// What the ports are for, at most 4,000 characters. NULL: as it was.
    pub description: *const c_char,
    /// Labels, at most 100 of 100 characters each. NULL: as they were.
    pub tags: *const *const c_char,
    /// How many tags there are.
    pub tags_count: usize,
    /// Where pk_keeper_bind() listens, an IPv4 or IPv6 address. NULL: "127.0.0.1".
    pub address: *const c_char,
    /// The first port that may be chosen. Both ends 0: 3000-9999, without those that the system gives to outgoing
    /// connections; one end alone is PK_PORT_INVALID.
    pub range_first: i64,
    /// The last port that may be chosen.
    pub range_last: i64,
    /// The process that the claims end with. 0: none, or this process where PK_REQUEST_AUTO_RELEASE is set and for
    /// leases and bound ports.
    pub owner_pid: i64,
    /// How long the claims last, in whole seconds, rounded up. 0: for ever.
    pub ttl_ms: u64,
    /// PK_REQUEST_AUTO_RELEASE or 0.
    pub flags: u64,
}

/// Which rows pk_keeper_list() gives. Begin with PK_LIST_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pk_list_options {
    /// sizeof(pk_list_options), as the initialiser sets it.
    pub size: usize,
    /// Only ports in this status: "reserved", "in-use", or "free" for those that were given back.
    pub status: *const c_char,
    /// Only ports of this project.
    pub project: *const c_char,
    /// Only ports with this label.
    pub tag: *const c_char,
    /// The first port. Both ends 0: every port; one end alone is PK_PORT_INVALID.
    pub range_first: i64,
    /// The last port.
    pub range_last: i64,
}

/// Which entries pk_keeper_history() gives. Begin with PK_HISTORY_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pk_history_options {
    /// sizeof(pk_history_options), as the initialiser sets it.
    pub size: usize,
    /// Only changes of this project's claims.
    pub project: *const c_char,
    /// Only changes of this kind: "reserved", "released", "in-use" or "killed".
    pub action: *const c_char,
    /// Only changes at this time (RFC 3339) or later.
    pub since: *const c_char,
    /// Only changes at this time or earlier.
    pub until: *const c_char,
    /// The next page: "performedAt" of the last entry of the page before. NULL: the first page.
    pub before_time: *const c_char,
    /// The next page: "id" of the same entry. 0 where before_time is NULL.
    pub before_id: i64,
    /// At most this many entries. 0: 100. A larger number than 4,294,967,295 is taken as that.
    pub limit: u64,
}

/// What pk_keeper_export() exports. Begin with PK_EXPORT_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pk_export_options {
    /// sizeof(pk_export_options), as the initialiser sets it.
    pub size: usize,
    /// Only claims of this project.
    pub project: *const c_char,
    /// What the configuration that is kept is called, 1-200 characters. NULL: "export".
    pub name: *const c_char,
}

/// How the pk_keeper_import_*() functions import. Begin with PK_IMPORT_OPTIONS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pk_import_options {
    /// sizeof(pk_import_options), as the initialiser sets it.
    pub size: usize,
    /// What becomes of claims that the document does not have: "merge" leaves them, "replace" ends them.
    /// NULL: "merge".
    pub mode: *const c_char,
    /// Only claims of this project, in the document and in the registry.
    pub project: *const c_char,
    /// What the configuration that is kept is called, 1-200 characters. NULL: "import".
    pub name: *const c_char,
    /// PK_IMPORT_DRY_RUN and PK_IMPORT_SKIP_CONFLICTS, or 0.
    pub flags: u64,
}
