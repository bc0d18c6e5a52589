//! What the steps of the conformance table ask for, as requests of the engine.

use std::{ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use portkeeper_core::{
    Document, Error, ExportRequest, Filter, HistoryQuery, ImportRequest, Keeper, KillRequest,
    Options, PortRequest, PruneRequest, Release, ReserveRequest, Result,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The arguments of one step; a missing one is `None`.
pub struct Args<'a>(pub &'a Value);

impl Args<'_> {
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.0.get(name)?;
        let value = serde_json::from_value(value.clone());
        Some(value.unwrap_or_else(|error| panic!("{name} of {}: {error}", self.0)))
    }

    pub fn need<T: DeserializeOwned>(&self, name: &str) -> T {
        self.get(name)
            .unwrap_or_else(|| panic!("{name} is missing in {}", self.0))
    }

    pub fn word<T: FromStr<Err = Error>>(&self, name: &str) -> Result<Option<T>> {
        let word: Option<String> = self.get(name);
        word.map(|word| word.parse()).transpose()
    }

    pub fn range(&self) -> Option<RangeInclusive<i64>> {
        let ends: Option<(i64, i64)> = self.get("range");
        ends.map(|(first, last)| first..=last)
    }

    pub fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        self.get(name)
    }

    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name).map(Duration::from_millis)
    }

    pub fn age(&self, name: &str) -> Option<TimeDelta> {
        self.get(name).map(TimeDelta::milliseconds)
    }
}

pub fn open(args: &Args<'_>) -> Result<Keeper> {
    let mut options = Options::new();
    if let Some(path) = args.get::<PathBuf>("path") {
        options = options.path(path);
    }
    if args.get("inMemory") == Some(true) {
        options = options.in_memory();
    }
    if let Some(actor) = args.get::<String>("actor") {
        options = options.actor(actor);
    }
    if let Some(durability) = args.word("durability")? {
        options = options.durability(durability);
    }
    if let Some(timeout) = args.duration("busyTimeoutMs") {
        options = options.busy_timeout(timeout);
    }
    if args.get("allowNetworkFileSystem") == Some(true) {
        options = options.allow_network_file_system(true);
    }
    options.open()
}

pub fn reserve(args: &Args<'_>) -> ReserveRequest {
    let mut request = ReserveRequest::new(args.need::<String>("project"))
        .adopt(args.get("adopt").unwrap_or_default())
        .suggest(args.get("suggest").unwrap_or_default());
    if let Some(description) = args.get::<String>("description") {
        request = request.description(description);
    }
    if let Some(tags) = args.get::<Vec<String>>("tags") {
        request = request.tags(tags);
    }
    if let Some(metadata) = args.get::<Value>("metadata") {
        request = request.metadata(metadata);
    }
    request
}

pub fn release(args: &Args<'_>) -> Release {
    let release = match (args.get::<i64>("port"), args.get::<Vec<i64>>("ports")) {
        (Some(port), _) => Release::port(port),
        (None, Some(ports)) => Release::ports(ports),
        (None, None) => Release::project(args.need::<String>("project")),
    };
    match args.get::<String>("onlyOf") {
        Some(project) => release.only_of(project),
        None => release,
    }
}

pub fn filter(args: &Args<'_>) -> Result<Filter> {
    let mut filter = Filter::claims();
    if let Some(status) = args.word("status")? {
        filter = filter.status(status);
    }
    if let Some(project) = args.get::<String>("project") {
        filter = filter.project(project);
    }
    if let Some(tag) = args.get::<String>("tag") {
        filter = filter.tag(tag);
    }
    if let Some(range) = args.range() {
        filter = filter.range(range);
    }
    Ok(filter)
}

pub fn history(args: &Args<'_>) -> Result<HistoryQuery> {
    let mut query = match args.get::<i64>("port") {
        Some(port) => HistoryQuery::port(port),
        None => HistoryQuery::all(),
    };
    if let Some(project) = args.get::<String>("project") {
        query = query.project(project);
    }
    if let Some(action) = args.word("action")? {
        query = query.action(action);
    }
    if let Some(time) = args.time("since") {
        query = query.since(time);
    }
    if let Some(time) = args.time("until") {
        query = query.until(time);
    }
    if let Some(place) = args.get::<Value>("before") {
        let time = Args(&place).time("performedAt").expect("a time");
        query = query.before_place(time, Args(&place).need("id"));
    }
    if let Some(limit) = args.get("limit") {
        query = query.limit(limit);
    }
    Ok(query)
}

pub fn ports(args: &Args<'_>) -> Result<PortRequest> {
    let mut request = PortRequest::new(args.need::<String>("project"))
        .roles(args.get::<Vec<String>>("roles").unwrap_or_default())
        .avoid(args.get::<Vec<i64>>("avoid").unwrap_or_default());
    if let Some(count) = args.get("count") {
        request = request.count(count);
    }
    if let Some(range) = args.range() {
        request = request.range(range);
    }
    if let Some(strategy) = args.word("strategy")? {
        request = request.strategy(strategy);
    }
    if let Some(description) = args.get::<String>("description") {
        request = request.description(description);
    }
    if let Some(tags) = args.get::<Vec<String>>("tags") {
        request = request.tags(tags);
    }
    if args.get("autoRelease") == Some(true) {
        request = request.auto_release();
    }
    if let Some(pid) = args.get("ownedBy") {
        request = request.owned_by(pid);
    }
    if let Some(ttl) = args.duration("ttlMs") {
        request = request.ttl(ttl);
    }
    if let Some(address) = args.get::<std::net::IpAddr>("address") {
        request = request.address(address);
    }
    Ok(request)
}

pub fn export(args: &Args<'_>) -> ExportRequest {
    let request = match args.get::<String>("project") {
        Some(project) => ExportRequest::project(project),
        None => ExportRequest::all(),
    };
    match args.get::<String>("name") {
        Some(name) => request.name(name),
        None => request,
    }
}

pub fn import(args: &Args<'_>) -> Result<ImportRequest> {
    let mut request = if let Some(document) = args.get::<Value>("document") {
        ImportRequest::document(Document::from_json(&document.to_string())?)
    } else if let Some(text) = args.get::<String>("json") {
        ImportRequest::json(text)
    } else if let Some(id) = args.get("configuration") {
        ImportRequest::configuration(id)
    } else {
        ImportRequest::predecessor(args.need::<PathBuf>("predecessor"))
    };
    if let Some(mode) = args.word("mode")? {
        request = request.mode(mode);
    }
    if let Some(project) = args.get::<String>("project") {
        request = request.project(project);
    }
    if let Some(name) = args.get::<String>("name") {
        request = request.name(name);
    }
    Ok(request
        .dry_run(args.get("dryRun").unwrap_or_default())
        .skip_conflicts(args.get("skipConflicts").unwrap_or_default()))
}

pub fn kill(args: &Args<'_>) -> KillRequest {
    let request = KillRequest::port(args.need::<i64>("port"));
    match args.duration("graceMs") {
        Some(grace) => request.grace(grace),
        None => request,
    }
}

pub fn prune(args: &Args<'_>) -> PruneRequest {
    let mut request = PruneRequest::new();
    if let Some(age) = args.age("historyOlderThanMs") {
        request = request.history_older_than(age);
    }
    if let Some(age) = args.age("scansOlderThanMs") {
        request = request.scans_older_than(age);
    }
    request
}
