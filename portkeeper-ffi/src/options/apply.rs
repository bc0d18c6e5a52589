//! What the engine is asked for with each struct of options.

use std::time::Duration;

use portkeeper_core::{
    ExportRequest, Filter, HistoryQuery, ImportRequest, Options, PortRequest, Release,
    ReserveRequest, Result,
};

use super::{
    PK_IMPORT_DRY_RUN, PK_IMPORT_SKIP_CONFLICTS, PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM,
    PK_OPEN_IN_MEMORY, PK_REQUEST_AUTO_RELEASE, PK_RESERVE_ADOPT, PK_RESERVE_SUGGEST,
    pk_export_options, pk_history_options, pk_import_options, pk_list_options, pk_open_options,
    pk_request_options, pk_reserve_options,
};
use crate::input::{self, invalid};

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
        let flags = known(flags, PK_OPEN_IN_MEMORY | PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM)?;
        let mut options = Options::new()
            .allow_network_file_system(flags & PK_OPEN_ALLOW_NETWORK_FILE_SYSTEM != 0);
        options = match (path, flags & PK_OPEN_IN_MEMORY != 0) {
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
        if before.is_none() && before_id != 0 {
            let reason = "is given without before_time";
            return Err(invalid("before_id", &before_id.to_string(), reason));
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
