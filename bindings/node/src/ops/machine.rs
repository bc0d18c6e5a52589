//! What asks the machine, or acts on it.

use std::time::Duration;

use portkeeper_core::{KillRequest, Ready, Result};

use super::Plan;
use crate::{
    args::{Args, invalid},
    lanes::Lane,
    outcome::Answer,
    record::{self, Rows},
};

pub fn plan(operation: &str, args: &mut Args) -> Option<Result<Plan>> {
    Some(match operation {
        "listeners" => Plan::new(Lane::Machine, |keeper, _| {
            Ok(Answer::of(Rows::<record::Socket>::of(keeper.listeners()?)))
        }),
        "scan" => Plan::new(Lane::Machine, |keeper, _| {
            Ok(Answer::of(record::ScanReport::from(keeper.scan()?)))
        }),
        "waitReady" => wait_ready(args),
        "kill" => kill(args),
        #[cfg(debug_assertions)]
        "panic" => Plan::new(Lane::Read, |_, _| panic_for_a_test()),
        _ => return None,
    })
}

/// For the test that a panic becomes `INTERNAL`; a release build does not have it.
#[cfg(debug_assertions)]
#[allow(clippy::panic)]
fn panic_for_a_test() -> Result<Answer> {
    panic!("asked for by a test")
}

fn wait_ready(args: &mut Args) -> Result<Plan> {
    let port = args.optional_number("port")?;
    let guard = args.natural("guard")?;
    let pid = args.pid("pid")?;
    let within = args.duration("timeout")?.unwrap_or(Duration::from_secs(30));
    Plan::new(Lane::Long, move |keeper, context| {
        let mut ready = match (port, guard.and_then(|guard| u32::try_from(guard).ok())) {
            (Some(port), None) => Ready::port(port),
            (None, Some(guard)) => context.guards.ready(guard)?,
            _ => return Err(invalid("waitReady", "", "takes a port or a lease")),
        };
        if let Some(pid) = pid {
            ready = ready.by(pid);
        }
        Ok(Answer::of(record::Socket::from(
            keeper.wait_ready(ready, within)?,
        )))
    })
}

fn kill(args: &mut Args) -> Result<Plan> {
    let mut request = KillRequest::port(args.number("port")?);
    if let Some(grace) = args.duration("grace")? {
        request = request.grace(grace);
    }
    Plan::new(Lane::Long, move |keeper, _| {
        Ok(Answer::of(record::KillReport::from(keeper.kill(request)?)))
    })
}
