//! The worker in Rust, with bugs on request.

use std::{
    collections::HashMap,
    io::{Write, stdin, stdout},
};

use portkeeper_core::{
    Durability, Keeper, Lease, Options, PortRequest, Release, ReserveRequest, Result, Status,
};

use crate::{ledger::clock, support::child_argument};

/// Serves, if this is a worker's process.
pub fn serve() -> bool {
    let Some(argument) = child_argument() else {
        return false;
    };
    let words: Vec<&str> = argument.split('\n').collect();
    let [database, actor, durability, bug] = *words else {
        panic!("{argument}");
    };
    let durability: Durability = durability.parse().unwrap();
    let options = Options::new().path(database).actor(actor);
    let keeper = options.durability(durability).open().unwrap();
    let mut obedient = Obedient {
        keeper,
        leases: HashMap::new(),
        told: (bug == "stale").then(HashMap::new),
    };
    say("ready");
    let mut postponed: Option<String> = None;
    for order in stdin().lines() {
        let order = order.unwrap();
        let begin = clock();
        // The bug: what is acknowledged is not yet done.
        if bug == "early" && order.starts_with("reserve") {
            say(&format!("{begin} {} ok -", clock()));
            if let Some(order) = postponed.replace(order) {
                let _ = obedient.obey(&order);
            }
            continue;
        }
        let outcome = obedient.obey(&order);
        let end = clock();
        let text = match outcome {
            Ok(value) => format!("ok {}", value.as_deref().unwrap_or("-")),
            Err(error) => format!("{} {}", error.name(), error.project().unwrap_or("-")),
        };
        say(&format!("{begin} {end} {text}"));
    }
    true
}

struct Obedient {
    keeper: Keeper,
    leases: HashMap<u16, Lease>,
    /// The bug: what was read once is told for ever.
    told: Option<HashMap<u16, Option<String>>>,
}

impl Obedient {
    fn obey(&mut self, order: &str) -> Result<Option<String>> {
        let words: Vec<&str> = order.split(' ').collect();
        let number = |word: &str| word.parse::<u16>().unwrap();
        match *words {
            ["reserve", port, project, text] => {
                let request = ReserveRequest::new(project).description(text).adopt(true);
                self.keeper.reserve(number(port), request)?;
                Ok(None)
            }
            ["release", port, project] => {
                let release = Release::port(number(port)).only_of(project);
                self.keeper.release(release)?;
                Ok(None)
            }
            ["request", low, high, project, text] => {
                let request = PortRequest::new(project).description(text);
                let rows = self
                    .keeper
                    .request(request.range(number(low)..=number(high)))?;
                Ok(Some(rows[0].number.to_string()))
            }
            ["lease", low, high, project, text] => {
                let request = PortRequest::new(project).description(text);
                let lease = self
                    .keeper
                    .lease(request.range(number(low)..=number(high)))?;
                let port = lease.port();
                self.leases.insert(port, lease);
                Ok(Some(port.to_string()))
            }
            ["drop", port] => {
                self.leases.remove(&number(port)).unwrap().release()?;
                Ok(None)
            }
            ["get", port] => {
                let port = number(port);
                let row = self.keeper.get(port)?;
                let row = row.filter(|row| row.status != Status::Free);
                let project = row.map(|row| row.project_name);
                Ok(match &mut self.told {
                    Some(told) => told.entry(port).or_insert(project).clone(),
                    None => project,
                })
            }
            _ => panic!("unknown order {order}"),
        }
    }
}

fn say(line: &str) {
    let mut out = stdout().lock();
    out.write_all(format!("\n> {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
