//! The operations of the conformance table, on the public API of the engine.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    ops::{ControlFlow, RangeInclusive},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use portkeeper_core::{
    BoundPort, Document, Error, ExportRequest, Filter, HistoryQuery, Hold, ImportRequest, Keeper,
    KillRequest, Lease, Options, PortRequest, Project, PruneRequest, Ready, Release,
    ReserveRequest, Result, Watch,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

enum Guard {
    Lease(Lease),
    Bound(BoundPort),
    Hold(Hold),
}

/// One case under way.
pub struct Runner {
    keeper: Keeper,
    guards: HashMap<String, Guard>,
    listeners: Vec<TcpListener>,
    stranger: Option<(Child, u32)>,
}

/// The arguments of one step; a missing one is `None`.
struct Args<'a>(&'a Value);

impl Args<'_> {
    fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.0.get(name)?;
        let value = serde_json::from_value(value.clone());
        Some(value.unwrap_or_else(|error| panic!("{name} of {}: {error}", self.0)))
    }

    fn need<T: DeserializeOwned>(&self, name: &str) -> T {
        self.get(name)
            .unwrap_or_else(|| panic!("{name} is missing in {}", self.0))
    }

    fn word<T: FromStr<Err = Error>>(&self, name: &str) -> Result<Option<T>> {
        let word: Option<String> = self.get(name);
        word.map(|word| word.parse()).transpose()
    }

    fn range(&self) -> Option<RangeInclusive<i64>> {
        let ends: Option<(i64, i64)> = self.get("range");
        ends.map(|(first, last)| first..=last)
    }

    fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        self.get(name)
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name).map(Duration::from_millis)
    }

    fn age(&self, name: &str) -> Option<TimeDelta> {
        self.get(name).map(TimeDelta::milliseconds)
    }
}

impl Runner {
    pub fn new(folder: &Path) -> Self {
        let options = Options::new().path(folder.join("database.db"));
        Self {
            keeper: options.actor("conformance").open().expect("a new registry"),
            guards: HashMap::new(),
            listeners: Vec::new(),
            stranger: None,
        }
    }

    pub fn stranger(&self) -> Option<u32> {
        self.stranger.as_ref().map(|(_, pid)| *pid)
    }

    /// Runs one step; `name` is that of the guard it makes.
    pub fn run(
        &mut self,
        op: &str,
        args: &Value,
        name: Option<&str>,
        cancel: bool,
    ) -> Result<Value> {
        let keeper = &self.keeper;
        let args = Args(args);
        let watch = || match cancel {
            true => Watch::new(|_| ControlFlow::Break(())),
            false => Watch::none(),
        };
        match op {
            "open" => open(&args).map(|_| Value::Null),
            "check" => json(keeper.check(args.need::<i64>("port"))),
            "reserve" => json(keeper.reserve(args.need::<i64>("port"), reserve(&args))),
            "release" => json(keeper.release(release(&args))),
            "nextFree" => json(keeper.next_free(args.need::<i64>("port"))),
            "setRoles" => {
                let port: i64 = args.need("port");
                let port = u16::try_from(port).map_err(|_| Error::PortInvalid(port))?;
                match self.guard(&args) {
                    Guard::Lease(lease) => json(
                        lease.set_roles([(port, args.get::<Option<String>>("role").flatten())]),
                    ),
                    _ => panic!("no lease"),
                }
            }
            "lend" => {
                self.hold(&args).lend();
                Ok(Value::Null)
            }
            "takeBack" => Ok(self.hold(&args).take_back().into()),
            "get" => json(keeper.get(args.need::<i64>("port"))),
            "list" => json(keeper.list(filter(&args)?)),
            "history" => json(keeper.history(history(&args)?)),
            "holderAt" => {
                let time = args.time("time").expect("a time");
                json(keeper.holder_at(args.need::<i64>("port"), time))
            }
            "stale" => json(keeper.stale(args.age("olderThanMs").expect("an age"))),
            "summary" => json(keeper.summary()),
            "projects" => json(keeper.projects()),
            "listeners" => json(keeper.listeners()),
            "scan" => json(keeper.scan()),
            "request" => json(keeper.request(ports(&args)?)),
            "lease" => {
                let lease = keeper.lease(ports(&args)?)?;
                Ok(self.keep(name, Guard::Lease(lease)))
            }
            "bind" => {
                let bound = keeper.bind(ports(&args)?)?;
                Ok(self.keep(name, Guard::Bound(bound)))
            }
            "hold" => {
                let hold = keeper.hold(args.need::<i64>("port"))?;
                Ok(self.keep(name, Guard::Hold(hold)))
            }
            "end" => {
                let name: String = args.need("guard");
                let guard = self.guards.remove(&name).expect("a guard");
                match guard {
                    Guard::Lease(lease) => lease.release()?,
                    Guard::Bound(bound) => drop(bound),
                    Guard::Hold(hold) => drop(hold),
                }
                Ok(Value::Null)
            }
            "waitReady" => {
                let timeout = args.duration("timeoutMs").expect("a deadline");
                json(keeper.wait_ready(self.ready(&args), timeout))
            }
            "kill" => {
                let mut request = KillRequest::port(args.need::<i64>("port"));
                if let Some(grace) = args.duration("graceMs") {
                    request = request.grace(grace);
                }
                json(keeper.kill(request))
            }
            "export" => json(keeper.export(export(&args))),
            "import" => json(keeper.import(import(&args)?, watch())),
            "configurations" => json(keeper.configurations()),
            "configuration" => json(keeper.configuration(args.need("id"))),
            "removeConfiguration" => json(keeper.remove_configuration(args.need("id"))),
            "backup" => json(keeper.backup(args.need::<PathBuf>("path"), watch())),
            "restore" => json(keeper.restore(args.need::<PathBuf>("path"), watch())),
            "dump" => {
                let path: PathBuf = args.need("path");
                let mut file = fs::File::create(path).expect("a file");
                json(keeper.dump(&mut file, watch()))
            }
            "prune" => {
                let mut request = PruneRequest::new();
                if let Some(age) = args.age("historyOlderThanMs") {
                    request = request.history_older_than(age);
                }
                if let Some(age) = args.age("scansOlderThanMs") {
                    request = request.scans_older_than(age);
                }
                json(keeper.prune(request, watch()))
            }
            "compact" => json(keeper.compact(watch())),
            "verify" => json(keeper.verify(watch())),
            "stats" => json(keeper.stats()),
            "detect" => json(Project::detect(args.need::<PathBuf>("path"))),
            "listen" => {
                let listener = TcpListener::bind(("127.0.0.1", args.need("port")));
                self.listeners.push(listener.expect("a free port"));
                Ok(Value::Null)
            }
            "stranger" => {
                self.stranger = Some(stranger(args.need("port")));
                Ok(Value::Null)
            }
            "write" => {
                let (path, text): (PathBuf, String) = (args.need("path"), args.need("text"));
                fs::write(path, text).expect("a file");
                Ok(Value::Null)
            }
            other => panic!("{other} is no operation"),
        }
    }

    fn guard(&mut self, args: &Args<'_>) -> &mut Guard {
        let name: String = args.need("guard");
        self.guards.get_mut(&name).expect("a guard")
    }

    fn hold(&mut self, args: &Args<'_>) -> &mut Hold {
        match self.guard(args) {
            Guard::Hold(hold) => hold,
            _ => panic!("no hold"),
        }
    }

    fn ready(&self, args: &Args<'_>) -> Ready {
        let guard: Option<String> = args.get("guard");
        let ready = match guard.as_deref().map(|name| &self.guards[name]) {
            Some(Guard::Lease(lease)) => lease.into(),
            Some(Guard::Bound(bound)) => bound.into(),
            Some(Guard::Hold(hold)) => Ready::port(hold.port()),
            None => Ready::port(args.need::<i64>("port")),
        };
        match args.get("pid") {
            Some(pid) => ready.by(pid),
            None => ready,
        }
    }

    fn keep(&mut self, name: Option<&str>, guard: Guard) -> Value {
        let lease = |lease: &Lease| json!({"port": lease.port(), "ports": lease.ports(), "reservations": lease.reservations()});
        let shown = match &guard {
            Guard::Lease(guard) => lease(guard),
            Guard::Bound(bound) => lease(bound.lease()),
            Guard::Hold(hold) => json!({"port": hold.port()}),
        };
        let name = name.unwrap_or("").to_owned();
        self.guards.insert(name, guard);
        shown
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.stranger {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

fn stranger(port: u16) -> (Child, u32) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/stranger.py");
    let mut child = Command::new("python3")
        .args([script, &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut line = String::new();
    let output = child.stdout.take().expect("its output");
    BufReader::new(output)
        .read_line(&mut line)
        .expect("it listens");
    (child, line.trim().parse().expect("a pid"))
}

fn json<T: Serialize>(outcome: Result<T>) -> Result<Value> {
    outcome.map(|value| serde_json::to_value(value).expect("every result is JSON"))
}

fn open(args: &Args<'_>) -> Result<Keeper> {
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

fn reserve(args: &Args<'_>) -> ReserveRequest {
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

fn release(args: &Args<'_>) -> Release {
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

fn filter(args: &Args<'_>) -> Result<Filter> {
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

fn history(args: &Args<'_>) -> Result<HistoryQuery> {
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

fn ports(args: &Args<'_>) -> Result<PortRequest> {
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

fn export(args: &Args<'_>) -> ExportRequest {
    let request = match args.get::<String>("project") {
        Some(project) => ExportRequest::project(project),
        None => ExportRequest::all(),
    };
    match args.get::<String>("name") {
        Some(name) => request.name(name),
        None => request,
    }
}

fn import(args: &Args<'_>) -> Result<ImportRequest> {
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
