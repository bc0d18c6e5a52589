//! The Rust side of `benches/peers`. Reads a line `name argument` at a time, does that once, and answers with
//! the nanoseconds that it took; `writers` is the other program in here, see [`writers`].

use std::{
    env,
    io::{BufRead, Write, stdin, stdout},
    time::Instant,
};

use netstat2::{AddressFamilyFlags, ProtocolFlags};
use portkeeper_core::{Durability, Keeper, Options, PortRequest};

mod writers;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    if let Some(place) = env::args().nth(1) {
        return writers::run(&place);
    }
    let path = env::var("PORTKEEPER_DB_PATH")?;
    let keeper = Options::new().path(path).open()?;
    for line in stdin().lock().lines() {
        let line = line?;
        let (name, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let begin = Instant::now();
        run(&keeper, name, argument).map_err(|error| format!("{line}: {error}"))?;
        writeln!(stdout(), "{}", begin.elapsed().as_nanos())?;
    }
    Ok(())
}

fn run(keeper: &Keeper, name: &str, argument: &str) -> Result<(), Failure> {
    let port = || argument.parse::<u16>();
    match name {
        "portkeeper.scan" => drop(keeper.scan()?),
        "portkeeper.listeners" => drop(keeper.listeners()?),
        "portkeeper.check" => drop(keeper.check(port()?)?),
        // The peers' ports are their process's, too, and end with it.
        "portkeeper.request" => drop(keeper.request(PortRequest::new("bench").auto_release())?),
        "portkeeper.claim" => drop(keeper.request(PortRequest::new("bench"))?),
        "netstat2.listeners" | "netstat2.check" => {
            let sockets = netstat2::iterate_sockets_info(AddressFamilyFlags::all(), ProtocolFlags::all())?;
            drop(sockets.collect::<Result<Vec<_>, _>>()?);
        }
        "listeners.listeners" => drop(listeners::get_all()?),
        "listeners.check" => {
            listeners::get_process_by_port(port()?, listeners::Protocol::TCP)?;
        }
        "portpicker.request" => drop(portpicker::pick_unused_port().ok_or("no port")?),
        "port_check.request" => drop(port_check::free_local_port().ok_or("no port")?),
        other => return Err(format!("{other} is unknown").into()),
    }
    Ok(())
}

/// The options that every writer uses.
fn writer(path: &str) -> Result<Keeper, Failure> {
    Ok(Options::new().path(path).durability(Durability::Normal).open()?)
}
