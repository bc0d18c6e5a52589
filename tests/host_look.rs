//! The cheap look finds a process for each socket, in the promised order, and without netlink.
#![cfg(target_os = "linux")]

#[path = "support/altered.rs"]
mod altered;
mod support;

use std::{net::TcpListener, process, sync::Arc};

use altered::Altered;
use nix::libc::{AF_NETLINK, SYS_socket};
use portkeeper_core::{
    Keeper, Options, Owner, Socket, Source,
    host::{Earlier, Host, Known, System, Wanted},
};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use support::{Holder, child, child_argument, succeeds};

/// A server whose child's child serves, and which has another socket of its own.
const SERVER: &str = "s = socket.create_server(('127.0.0.1', 0))\n\
    other = socket.create_server(('127.0.0.1', 0))\n\
    r, w = os.pipe()\n\
    if os.fork() == 0:\n    \
        if os.fork() == 0:\n        \
            other.close(); os.write(w, b'x'); os.close(w); os.read(0, 1); os._exit(0)\n    \
        other.close(); os.wait(); os._exit(0)\n\
    os.read(r, 1)\n\
    hold(s.getsockname()[1])";

fn look(port: u16, holders: &[Known]) -> Socket {
    let earlier = Earlier {
        holders: holders.to_vec(),
        unowned: Vec::new(),
    };
    let look = System.look(Wanted::Server(port), &earlier).unwrap();
    assert_eq!(look.source, Source::SockDiag);
    let [socket] = look.sockets.try_into().unwrap();
    assert_eq!(socket.owner, Owner::Known);
    socket
}

fn pids(socket: &Socket) -> Vec<u32> {
    socket.processes.iter().map(|process| process.pid).collect()
}

#[test]
fn a_worker_leads_to_its_server() {
    let server = Holder::stranger(SERVER);
    let seen = look(server.port, &[]);
    // The newest of the three has it, and so do its two ancestors.
    assert_eq!(pids(&seen).len(), 3, "{seen:?}");
    assert_eq!(seen.pid(), Some(server.pid));
    let every = System.sockets(Wanted::Server(server.port)).unwrap();
    assert_eq!(every, [seen]);
}

#[test]
fn what_was_seen_is_looked_at_first_and_checked() {
    let server = Holder::stranger(SERVER);
    let every = System
        .look(Wanted::Server(server.port), &Earlier::default())
        .unwrap();
    let [socket] = every.sockets.try_into().unwrap();
    assert_eq!(every.holders.len(), 3);
    for known in every.holders {
        assert_eq!(pids(&look(server.port, &[known])), [known.pid]);
        // Whoever does not have it, has it elsewhere, has another there, or never lived, is passed over, and so is
        // another socket.
        let elsewhere = known.fd + 100;
        let other = known.fd + 1;
        for wrong in [
            Known { fd: other, ..known },
            Known { pid: 1, ..known },
            Known {
                pid: u32::MAX,
                ..known
            },
            Known {
                fd: elsewhere,
                ..known
            },
            Known {
                inode: known.inode + 1,
                ..known
            },
        ] {
            assert_eq!(look(server.port, &[wrong]), socket, "{wrong:?}");
        }
    }
}

#[test]
fn what_nobody_had_is_not_looked_for_again() {
    let server = Holder::stranger(SERVER);
    let inode = look(server.port, &[]).inode;
    let look = |owner| {
        let earlier = Earlier {
            holders: Vec::new(),
            unowned: vec![(inode, owner)],
        };
        let look = System.look(Wanted::Server(server.port), &earlier).unwrap();
        let [socket] = look.sockets.try_into().unwrap();
        (socket.owner, socket.processes.len())
    };
    for owner in [Owner::OtherNamespace, Owner::Denied] {
        assert_eq!(look(owner), (owner, 0));
    }
}

#[test]
fn another_keeper_profits_from_a_scan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let server = Holder::stranger(SERVER);
    let seen = |keeper: &Keeper| {
        let report = keeper.scan().unwrap();
        let mut sockets = report.listeners.into_iter();
        sockets.find(|socket| socket.port == server.port).unwrap()
    };
    let first = seen(&Keeper::open_at(&path).unwrap());
    assert_eq!(pids(&first).len(), 3);
    assert_eq!(seen(&Keeper::open_at(&path).unwrap()), first);
    let state = Keeper::open_at(&path).unwrap().check(server.port).unwrap();
    assert_eq!(state.listeners(), [first]);
}

#[test]
fn a_keeper_remembers_whom_it_found() {
    let host = Arc::new(Altered::default());
    let keeper = Options::new()
        .in_memory()
        .host(host.clone())
        .open()
        .unwrap();
    let server = Holder::stranger(SERVER);
    let first = keeper.check(server.port).unwrap();
    assert_eq!(host.told(), [[]]);
    assert_eq!(keeper.check(server.port).unwrap(), first);
    let [told] = host.told().try_into().unwrap();
    let mut told: Vec<u32> = told.iter().map(|known| known.pid).collect();
    told.sort_unstable();
    assert_eq!(told, pids(&first.listeners()[0]));
}

#[test]
fn without_netlink_the_tables_are_read_as_text() {
    if child_argument().is_some() {
        forbid_netlink();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let v6 = TcpListener::bind("[::1]:0").unwrap();
        let keeper = Keeper::in_memory().unwrap();
        let report = keeper.scan().unwrap();
        assert_eq!(report.source, Source::ProcNet);
        for listener in [&server, &v6] {
            let address = listener.local_addr().unwrap();
            let state = keeper.check(address.port()).unwrap();
            let [socket] = state.listeners() else {
                panic!("{state:?}");
            };
            assert_eq!(socket.address, address.ip());
            assert_eq!(socket.pid(), Some(process::id()));
            assert!(report.listeners.contains(socket));
        }
        return;
    }
    let test = "without_netlink_the_tables_are_read_as_text";
    succeeds(child(test, "child").spawn().unwrap());
}

/// Refuses `socket(AF_NETLINK, …)`, as some containers do.
fn forbid_netlink() {
    const NETLINK: u64 = AF_NETLINK as u64;
    let netlink =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, NETLINK).unwrap();
    let rules = [(SYS_socket, vec![SeccompRule::new(vec![netlink]).unwrap()])];
    let filter = SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(1),
        std::env::consts::ARCH.try_into().unwrap(),
    )
    .unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    // The test's thread, and every one that it starts.
    seccompiler::apply_filter(&program).unwrap();
}
