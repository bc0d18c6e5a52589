//! The kernel's table of sockets as text, for where netlink is denied: `/proc/net/tcp` and the like, see
//! `proc_pid_net(5)`. A hundred times slower, and without sockets that are bound and do not listen.

use std::{fs::File, net::SocketAddr, path::Path};

use procfs_core::{
    ExplicitSystemInfo, FromReadSI, ProcResult,
    net::{TcpNetEntries, TcpState, UdpNetEntries, UdpState},
};

use crate::{
    error::{Error, Result},
    host::{Wanted, sockets::Entry},
    model::{Owner, Protocol, Socket, SocketState},
};

/// Only the order of bytes is asked for.
const MACHINE: ExplicitSystemInfo = ExplicitSystemInfo {
    boot_time_secs: 0,
    ticks_per_second: 0,
    page_size: 0,
    is_little_endian: cfg!(target_endian = "little"),
};

/// Reads the wanted entries. A missing file is an error, except where IPv6 is off.
pub(super) fn read(wanted: Wanted) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for family in ["", "6"] {
        if let Some(table) = table::<TcpNetEntries>(&format!("tcp{family}"))? {
            entries.extend(table.0.into_iter().filter_map(|row| {
                let state = tcp_state(&row.state)?;
                let ends = (row.local_address, row.remote_address);
                entry(Protocol::Tcp, state, ends, row.uid, row.inode, wanted)
            }));
        }
        if let Some(table) = table::<UdpNetEntries>(&format!("udp{family}"))? {
            entries.extend(table.0.into_iter().filter_map(|row| {
                let state = match row.state {
                    UdpState::Established => SocketState::Connected,
                    UdpState::Close => SocketState::Bound,
                };
                let ends = (row.local_address, row.remote_address);
                entry(Protocol::Udp, state, ends, row.uid, row.inode, wanted)
            }));
        }
    }
    Ok(entries)
}

fn table<T: FromReadSI>(name: &str) -> Result<Option<T>> {
    let path = format!("/proc/net/{name}");
    let missing = name.ends_with('6') && !Path::new(&path).exists();
    if missing {
        return Ok(None);
    }
    let read = || -> ProcResult<T> { T::from_read(File::open(&path)?, &MACHINE) };
    read()
        .map(Some)
        .map_err(|error| Error::ScanFailed(format!("{path} could not be read: {error}")))
}

/// `None` for a socket that has no port any more.
fn tcp_state(state: &TcpState) -> Option<SocketState> {
    match state {
        TcpState::Close => None,
        TcpState::Listen => Some(SocketState::Listen),
        TcpState::TimeWait => Some(SocketState::TimeWait),
        _ => Some(SocketState::Connected),
    }
}

fn entry(
    protocol: Protocol,
    state: SocketState,
    (local, remote): (SocketAddr, SocketAddr),
    uid: u32,
    inode: u64,
    wanted: Wanted,
) -> Option<Entry> {
    let port = local.port();
    let socket = Socket {
        port,
        protocol,
        address: local.ip().to_canonical(),
        state,
        remote: matches!(state, SocketState::Connected | SocketState::TimeWait)
            .then(|| SocketAddr::new(remote.ip().to_canonical(), remote.port())),
        owner: Owner::Denied,
        processes: Vec::new(),
        uid: (inode != 0).then_some(uid),
        inode,
    };
    let is_wanted = match wanted {
        Wanted::Listeners => socket.is_listener(),
        Wanted::Server(wanted) => port == wanted && socket.is_listener(),
        Wanted::Port(wanted) => port == wanted,
        // They are not in these tables.
        Wanted::Bound(_) => false,
    };
    (is_wanted && port != 0).then_some(Entry {
        socket,
        pids: Vec::new(),
        verdict: None,
    })
}
