//! Options
//!
//! Each struct begins with its size, so that it can grow at its end.
//! In all of them zero and NULL are the defaults. A caller of another version has a shorter struct, whose
//! missing fields are the defaults, or a longer one, whose unknown fields must be.

use std::{ffi::c_char, time::Duration};

use portkeeper_core::{
    ExportRequest, Filter, HistoryQuery, ImportRequest, Options, PortRequest, Release,
    ReserveRequest, Result,
};

use crate::input::{self, invalid};

mod sized;

pub(crate) use sized::read;

/// pk_open_options.flags: no file; the registry vanishes with its keeper. For tests.
pub const PK_OPEN_IN_MEMORY: u64 = 1;
/// pk_reserve_options.flags: claims the port although a process listens there that is neither the caller
/// nor its child.
pub const PK_RESERVE_ADOPT: u64 = 1;
/// pk_reserve_options.flags: a refusal names the next free port. Looking for it costs a probe a port.
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
    /// How durable every write is: "full" or "normal". NULL: claims survive a power cut, and what a scan
    /// finds or a process's end would undo anyway is written without waiting for the disk.
    pub durability: *const c_char,
    /// How long to wait for other writers before PK_DATABASE_BUSY. 0: 10 seconds.
    pub busy_timeout_ms: u64,
    /// PK_OPEN_IN_MEMORY or 0.
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
    /// Labels, at most 100 of 100 characters each. Not NULL with a count of 0 removes them.
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
    /// How many ports. 0: one, or one for each role. pk_keeper_request_many() has a parameter for it.
    pub count: usize,
    /// In which order ports are tried: "lowest", "contiguous", "random" or "stable". NULL: "lowest".
    pub strategy: *const c_char,
    /// None of these ports.
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
    /// The first port that may be chosen. With range_last 0: 3000-9999, without those that the system has
    /// plans for.
    pub range_first: i64,
    /// The last port that may be chosen.
    pub range_last: i64,
    /// The process that the claims end with. 0: none.
    pub owner_pid: i64,
    /// How long the claims last, in whole seconds, rounded up. 0: for ever.
    pub ttl_ms: u64,
    /// PK_REQUEST_AUTO_RELEASE or 0.
    pub flags: u64,
}

/// Which rows pk_keeper_list() returns. Begin with PK_LIST_OPTIONS_INIT.
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
    /// The first port. With range_last 0: every port.
    pub range_first: i64,
    /// The last port.
    pub range_last: i64,
}

/// Which entries pk_keeper_history() returns. Begin with PK_HISTORY_OPTIONS_INIT.
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
    /// The next page: "id" of the same entry.
    pub before_id: i64,
    /// At most this many entries. 0: 100.
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

// In the order of the structs: what makes a request of the engine of each.

impl pk_open_options {
    /// # Safety
    /// The texts are as [`input::text`] wants them, here and below.
    pub(crate) unsafe fn apply(&self, path: Option<&str>) -> Result<Options> {
        let Self {
            size: _,
            actor,
            durability,
            busy_timeout_ms,
            flags,
        } = *self;
        // SAFETY: as above.
        let (actor, durability) = unsafe {
            (
                input::text_or_null("actor", actor)?,
                input::text_or_null("durability", durability)?,
            )
        };
        let in_memory = known(flags, PK_OPEN_IN_MEMORY)? & PK_OPEN_IN_MEMORY != 0;
        let mut options = Options::new();
        options = match (path, in_memory) {
            (Some(path), true) => {
                return Err(invalid("path", path, "is given for a registry in memory"));
            }
            (Some(path), false) => options.path(path),
            (None, true) => options.in_memory(),
            (None, false) => options,
        };
        if let Some(actor) = actor {
            options = options.actor(actor);
        }
        if let Some(durability) = durability {
            options = options.durability(durability.parse()?);
        }
        if busy_timeout_ms > 0 {
            options = options.busy_timeout(Duration::from_millis(busy_timeout_ms));
        }
        Ok(options)
    }
}

impl pk_reserve_options {
    pub(crate) unsafe fn apply(&self, project: &str) -> Result<ReserveRequest> {
        let Self {
            size: _,
            description,
            tags,
            tags_count,
            metadata,
            flags,
        } = *self;
        // SAFETY: as above.
        let (description, tags, metadata) = unsafe {
            (
                input::text_or_null("description", description)?,
                input::texts("tags", tags, tags_count)?,
                input::text_or_null("metadata", metadata)?,
            )
        };
        let flags = known(flags, PK_RESERVE_ADOPT | PK_RESERVE_SUGGEST)?;
        let mut request = ReserveRequest::new(project)
            .adopt(flags & PK_RESERVE_ADOPT != 0)
            .suggest(flags & PK_RESERVE_SUGGEST != 0);
        if let Some(description) = description {
            request = request.description(description);
        }
        if let Some(tags) = tags {
            request = request.tags(tags);
        }
        if let Some(metadata) = metadata {
            request = request.metadata(metadata);
        }
        Ok(request)
    }
}

impl pk_request_options {
    pub(crate) unsafe fn apply(&self, project: &str) -> Result<PortRequest> {
        let Self {
            size: _,
            roles,
            roles_count,
            count,
            strategy,
            avoid,
            avoid_count,
            description,
            tags,
            tags_count,
            address,
            range_first,
            range_last,
            owner_pid,
            ttl_ms,
            flags,
        } = *self;
        // SAFETY: as above.
        let (roles, strategy, avoid) = unsafe {
            (
                input::texts("roles", roles, roles_count)?,
                input::text_or_null("strategy", strategy)?,
                input::slice("avoid", avoid, avoid_count)?,
            )
        };
        // SAFETY: as above.
        let (description, tags, address) = unsafe {
            (
                input::text_or_null("description", description)?,
                input::texts("tags", tags, tags_count)?,
                input::text_or_null("address", address)?,
            )
        };
        let flags = known(flags, PK_REQUEST_AUTO_RELEASE)?;
        let mut request = PortRequest::new(project)
            .roles(roles.unwrap_or_default())
            .avoid(avoid.unwrap_or_default().iter().copied());
        if count > 0 {
            request = request.count(count);
        }
        if let Some(strategy) = strategy {
            request = request.strategy(strategy.parse()?);
        }
        if let Some(description) = description {
            request = request.description(description);
        }
        if let Some(tags) = tags {
            request = request.tags(tags);
        }
        if let Some(text) = address {
            let parsed: Result<std::net::IpAddr, _> = text.parse();
            let address = parsed.map_err(|_| invalid("address", text, "is no IP address"))?;
            request = request.address(address);
        }
        if (range_first, range_last) != (0, 0) {
            request = request.range(range_first..=range_last);
        }
        if flags & PK_REQUEST_AUTO_RELEASE != 0 {
            request = request.auto_release();
        }
        if let Some(pid) = input::pid("owner_pid", owner_pid)? {
            request = request.owned_by(pid);
        }
        if ttl_ms > 0 {
            request = request.ttl(Duration::from_millis(ttl_ms));
        }
        Ok(request)
    }
}

impl pk_list_options {
    pub(crate) unsafe fn apply(&self) -> Result<Filter> {
        let Self {
            size: _,
            status,
            project,
            tag,
            range_first,
            range_last,
        } = *self;
        // SAFETY: as above.
        let (status, project, tag) = unsafe {
            (
                input::text_or_null("status", status)?,
                input::text_or_null("project", project)?,
                input::text_or_null("tag", tag)?,
            )
        };
        let mut filter = Filter::claims();
        if let Some(status) = status {
            filter = filter.status(status.parse()?);
        }
        if let Some(project) = project {
            filter = filter.project(project);
        }
        if let Some(tag) = tag {
            filter = filter.tag(tag);
        }
        if (range_first, range_last) != (0, 0) {
            filter = filter.range(range_first..=range_last);
        }
        Ok(filter)
    }
}

impl pk_history_options {
    pub(crate) unsafe fn apply(&self, mut query: HistoryQuery) -> Result<HistoryQuery> {
        let Self {
            size: _,
            project,
            action,
            since,
            until,
            before_time,
            before_id,
            limit,
        } = *self;
        // SAFETY: as above.
        let (project, action) = unsafe {
            (
                input::text_or_null("project", project)?,
                input::text_or_null("action", action)?,
            )
        };
        // SAFETY: as above.
        let (since, until, before) = unsafe {
            (
                input::text_or_null("since", since)?,
                input::text_or_null("until", until)?,
                input::text_or_null("before_time", before_time)?,
            )
        };
        if let Some(project) = project {
            query = query.project(project);
        }
        if let Some(action) = action {
            query = query.action(action.parse()?);
        }
        if let Some(since) = since {
            query = query.since(input::time("since", since)?);
        }
        if let Some(until) = until {
            query = query.until(input::time("until", until)?);
        }
        if let Some(time) = before {
            query = query.before_place(input::time("before_time", time)?, before_id);
        }
        if limit > 0 {
            query = query.limit(u32::try_from(limit).unwrap_or(u32::MAX));
        }
        Ok(query)
    }
}

impl pk_export_options {
    pub(crate) unsafe fn apply(&self) -> Result<ExportRequest> {
        let Self {
            size: _,
            project,
            name,
        } = *self;
        // SAFETY: as above.
        let (project, name) = unsafe {
            (
                input::text_or_null("project", project)?,
                input::text_or_null("name", name)?,
            )
        };
        let request = project.map_or_else(ExportRequest::all, ExportRequest::project);
        Ok(match name {
            Some(name) => request.name(name),
            None => request,
        })
    }
}

impl pk_import_options {
    pub(crate) unsafe fn apply(&self, mut request: ImportRequest) -> Result<ImportRequest> {
        let Self {
            size: _,
            mode,
            project,
            name,
            flags,
        } = *self;
        // SAFETY: as above.
        let (mode, project, name) = unsafe {
            (
                input::text_or_null("mode", mode)?,
                input::text_or_null("project", project)?,
                input::text_or_null("name", name)?,
            )
        };
        let flags = known(flags, PK_IMPORT_DRY_RUN | PK_IMPORT_SKIP_CONFLICTS)?;
        if let Some(mode) = mode {
            request = request.mode(mode.parse()?);
        }
        if let Some(project) = project {
            request = request.project(project);
        }
        if let Some(name) = name {
            request = request.name(name);
        }
        Ok(request
            .dry_run(flags & PK_IMPORT_DRY_RUN != 0)
            .skip_conflicts(flags & PK_IMPORT_SKIP_CONFLICTS != 0))
    }
}

/// The flags, where this version knows all of them.
fn known(flags: u64, all: u64) -> Result<u64> {
    match flags & !all {
        0 => Ok(flags),
        unknown => Err(invalid(
            "flags",
            &format!("{unknown:#x}"),
            "are none that this version knows",
        )),
    }
}

/// A release of what is this project's; an argument of its own, since a release has no other option.
pub(crate) fn limited(release: Release, project: Option<&str>) -> Release {
    match project {
        Some(project) => release.only_of(project),
        None => release,
    }
}
