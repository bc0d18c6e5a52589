//! The Rust side of `benches/peers`. Reads lines `name argument`, does each once, and answers with the nanoseconds
//! that it took and what came out: how many listeners, whose the port is, which port is free. `writers` is the other
//! program in here, see [`writers`].

use std::{
    env,
    io::{BufRead, Write, stdin, stdout},
    time::Instant,
};

use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, SocketInfo, TcpState};
use portkeeper_core::{Durability, Keeper, Options, PortRequest, Socket};

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
        let (time, answer) = run(&keeper, name, argument).map_err(|error| format!("{line}: {error}"))?;
        writeln!(stdout(), "{time} {answer}")?;
    }
    Ok(())
}

fn run(keeper: &Keeper, name: &str, argument: &str) -> Result<(u128, usize), Failure> {
    let port = || argument.parse::<u16>();
    let begin = Instant::now();
    let taken = || begin.elapsed().as_nanos();
    let outcome = match name {
        "portkeeper.scan" => {
            let report = keeper.scan()?;
            (taken(), report.listeners.len())
        }
        "portkeeper.listeners" => {
            let sockets = keeper.listeners()?;
            (taken(), sockets.len())
        }
        "portkeeper.check" => {
            let state = keeper.check(port()?)?;
            (taken(), pid(state.listeners().first().and_then(Socket::pid))?)
        }
        "portkeeper.request" => {
            // The peers' ports are their process's, too, and end with it.
            let claims = keeper.request(PortRequest::new("bench").auto_release())?;
            (taken(), claims[0].number.into())
        }
        "portkeeper.claim" => {
            let claims = keeper.request(PortRequest::new("bench"))?;
            (taken(), claims[0].number.into())
        }
        "netstat2.listeners" => {
            let sockets = netstat2()?;
            (taken(), sockets.len())
        }
        // It has no question for one port.
        "netstat2.check" => {
            let port = port()?;
            let found = netstat2()?.into_iter().find(|socket| socket.local_port() == port);
            (taken(), pid(found.and_then(|socket| socket.associated_pids.first().copied()))?)
        }
        "listeners.listeners" => {
            let listeners = listeners::get_all()?;
            (taken(), listeners.len())
        }
        "listeners.check" => {
            let process = listeners::get_process_by_port(port()?, listeners::Protocol::TCP)?;
            (taken(), pid(Some(process.pid))?)
        }
        "portpicker.request" => {
            let port = portpicker::pick_unused_port().ok_or("no port")?;
            (taken(), port.into())
        }
        "port_check.request" => {
            let port = port_check::free_local_port().ok_or("no port")?;
            (taken(), port.into())
        }
        other => return Err(format!("{other} is unknown").into()),
    };
    Ok(outcome)
}

/// The listeners, among which netstat2 counts every UDP socket.
fn netstat2() -> Result<Vec<SocketInfo>, Failure> {
    let mut sockets = netstat2::iterate_sockets_info(AddressFamilyFlags::all(), ProtocolFlags::all())?
        .collect::<Result<Vec<_>, _>>()?;
    sockets.retain(|socket| match &socket.protocol_socket_info {
        ProtocolSocketInfo::Tcp(tcp) => tcp.state == TcpState::Listen,
        ProtocolSocketInfo::Udp(_) => true,
    });
    Ok(sockets)
}

fn pid(pid: Option<u32>) -> Result<usize, Failure> {
    Ok(usize::try_from(pid.ok_or("the owner was not found")?)?)
}

/// The options that every writer uses.
fn writer(path: &str) -> Result<Keeper, Failure> {
    Ok(Options::new().path(path).durability(Durability::Normal).open()?)
}
