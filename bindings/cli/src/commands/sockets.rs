//! The sockets of one server, told together.

use chrono::{DateTime, Utc};
use portkeeper_core::{
    Owner, Process, Protocol, Socket,
    host::{Host, System},
};
use serde::Serialize;

use crate::output::text;

/// What listens on one port for the same processes: usually one server with an address or two.
pub struct Group<'a> {
    pub first: &'a Socket,
    pub addresses: String,
}

/// Sockets of the same port, protocol and owner, in their order.
pub fn groups(sockets: &[Socket]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for socket in sockets {
        let address = text::address(socket.address);
        let same = |group: &&mut Group<'_>| {
            let first = group.first;
            first.protocol == socket.protocol
                && first.owner == socket.owner
                && first.uid == socket.uid
                && first.processes == socket.processes
        };
        // Sockets come by port, so that only the last few can be of the same one.
        let of_port = groups
            .iter_mut()
            .rev()
            .take_while(|group| group.first.port == socket.port);
        let known = of_port.into_iter().find(same);
        match known {
            Some(group) => {
                if !group.addresses.split(", ").any(|known| known == address) {
                    group.addresses.push_str(", ");
                    group.addresses.push_str(&address);
                }
            }
            None => groups.push(Group {
                first: socket,
                addresses: address,
            }),
        }
    }
    groups
}

/// `node 41213`, of several the first with their number; who it is that may not be named otherwise.
pub fn owner(socket: &Socket) -> String {
    match (socket.owner, socket.processes.as_slice()) {
        (_, [only]) => text::process(only),
        (_, [first, rest @ ..]) => format!("{} and {} more", text::process(first), rest.len()),
        (Owner::Denied, []) => socket.uid.map_or_else(
            || "a process of another user".to_owned(),
            |uid| format!("a process of user {uid}"),
        ),
        (Owner::OtherNamespace, []) => "outside this container".to_owned(),
        (Owner::Known | Owner::None, []) => String::new(),
    }
}

/// Nothing for TCP, which is what people mean.
pub fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "",
        Protocol::Udp => " (udp)",
    }
}

/// A process with the time it was started at, where that can be known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    pub pid: u32,
    pub name: String,
    pub started_at: Option<DateTime<Utc>>,
    /// The same as the platform counts it: exact, so that it tells a process from a later one.
    #[serde(skip)]
    pub start: Option<u64>,
    /// The command line, where it may be read.
    pub command: Option<String>,
}

/// Every process of these sockets, once.
pub fn processes<'a>(sockets: impl IntoIterator<Item = &'a Socket>) -> Vec<Running> {
    let mut found: Vec<Running> = Vec::new();
    for Process { pid, name } in sockets.into_iter().flat_map(|socket| &socket.processes) {
        if !found.iter().any(|known| known.pid == *pid) {
            found.push(Running {
                pid: *pid,
                name: name.clone(),
                started_at: started_at(*pid),
                start: System.identity(*pid).ok().flatten().map(|it| it.start),
                command: command(*pid),
            });
        }
    }
    found
}

/// When a process was started, to about a second.
fn started_at(pid: u32) -> Option<DateTime<Utc>> {
    let start = System.identity(pid).ok()??.start;
    #[cfg(target_os = "linux")]
    {
        // Ticks since boot. The wall clock of the boot moves when the clock is set; the uptime does not.
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let ticks = rustix::param::clock_ticks_per_second();
        let up = std::time::Duration::try_from_secs_f64(uptime).ok()?;
        let since_boot = std::time::Duration::from_millis(start.checked_mul(1_000)? / ticks.max(1));
        let age = chrono::TimeDelta::from_std(up.saturating_sub(since_boot)).ok()?;
        Utc::now().checked_sub_signed(age)
    }
    #[cfg(not(target_os = "linux"))]
    return DateTime::from_timestamp(i64::try_from(start).ok()?, 0);
}

/// The command line of a process, in one line.
fn command(pid: u32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.split('\0').filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
