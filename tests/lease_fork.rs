//! A forked child has a copy of every guard, and none of the leases.
//!
//! There is no test harness, whose threads would make a fork undefined.

#![cfg(target_os = "linux")]
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    mem,
    net::{TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{exit, id},
};

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use portkeeper_core::{ErrorKind, Keeper, PortRequest, Status, Verdict};

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::open_at(folder.path().join("database.db")).unwrap();
    let request = || PortRequest::new("shop").range(14_500..=14_599);
    let lease = keeper.lease(request()).unwrap();
    let explicit = keeper.lease(request()).unwrap();
    let bound = keeper.bind(request()).unwrap();
    let kept = keeper.request(request().role("web")).unwrap()[0].number;
    let hold = keeper.hold(kept).unwrap();
    let ports = [lease.port(), explicit.port(), bound.port(), kept];

    // SAFETY: this process has one thread.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                drop((lease, bound, hold));
                let error = explicit.release().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                keeper.scan().unwrap();
                for port in ports {
                    assert_ne!(status(&keeper, port), Status::Free, "port {port}");
                }
                // A lease of its own ends as usual.
                let own = keeper.lease(request()).unwrap();
                assert_eq!(own.reservations()[0].owner().unwrap().pid, id());
                let port = own.port();
                drop(own);
                assert_eq!(status(&keeper, port), Status::Free);
                // This one ends with the process.
                mem::forget(keeper.lease(request().role("child")).unwrap());
            }));
            exit(i32::from(outcome.is_err()));
        }
    };
    assert_eq!(
        waitpid(child, None).unwrap(),
        WaitStatus::Exited(child, 0),
        "the child failed"
    );

    let report = keeper.scan().unwrap();
    let freed = report
        .changes
        .iter()
        .filter(|change| change.to == Status::Free);
    assert_eq!(freed.count(), 1, "{report:?}");
    for port in ports {
        assert_ne!(status(&keeper, port), Status::Free, "port {port}");
    }
    TcpStream::connect(("127.0.0.1", bound.port())).unwrap();
    let verdict = keeper.check(kept).unwrap().verdict;
    assert!(
        matches!(verdict, Verdict::Held { pid, .. } if pid == id()),
        "{verdict}"
    );
    assert!(TcpListener::bind(("127.0.0.1", bound.port())).is_err());

    explicit.release().unwrap();
    drop((lease, bound, hold));
    for port in &ports[..3] {
        assert_eq!(status(&keeper, *port), Status::Free, "port {port}");
    }
    assert_eq!(status(&keeper, kept), Status::Reserved);
    println!("test a forked child has no leases ... ok");
}

fn status(keeper: &Keeper, port: u16) -> Status {
    keeper.get(port).unwrap().unwrap().status
}
