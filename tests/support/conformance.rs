//! The operations of the conformance table, on the public API of the engine.

#[path = "conformance_requests.rs"]
mod requests;

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use portkeeper_core::{
    BoundPort, Error, Hold, Keeper, Lease, Options, Project, Ready, Result, Watch,
};
use requests::{Args, export, filter, history, import, kill, open, ports, prune, release, reserve};
use serde::Serialize;
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
            "kill" => json(keeper.kill(kill(&args))),
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
            "prune" => json(keeper.prune(prune(&args), watch())),
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
