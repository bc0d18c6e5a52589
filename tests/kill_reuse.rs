//! Whoever gets the pid of a process that has ended is never signalled in its place.
#![cfg(target_os = "linux")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    ops::RangeInclusive,
    process::{self, Command},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use apart::sleep_as;
use chrono::{DateTime, Utc};
use kill_support::{APART, assert_untouched, child_within, handle, works};
use portkeeper_core::{
    Options, ProcessIdentity, Result, Socket,
    host::{Fate, Host, Probe, ProcessHandle, Signal, System, Wanted},
};
use support::{Holder, child_argument, succeeds};

#[test]
fn a_later_process_with_the_same_pid() {
    const TEST: &str = "a_later_process_with_the_same_pid";
    if child_argument().is_none() {
        if works(TEST, &APART) {
            succeeds(child_within(&APART, TEST, "inside").spawn().unwrap());
        }
        return;
    }
    for waits in [true, false] {
        let mut first = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = first.id();
        let held = handle(pid).unwrap();
        assert!(!held.has_ended().unwrap());
        first.kill().unwrap();
        if waits {
            assert!(held.wait(Instant::now() + Duration::from_secs(9)).unwrap());
        }
        first.wait().unwrap();

        let mut second = sleep_as(pid);
        assert!(held.has_ended().unwrap());
        for signal in [Signal::Term, Signal::Kill] {
            assert!(!held.signal(signal).unwrap(), "{signal:?} reached somebody");
        }
        assert_eq!(held.nature().unwrap(), None);
        assert_eq!(
            second.try_wait().unwrap(),
            None,
            "the later process was ended"
        );

        // A handle of its own does reach it, so the test can fail.
        let own = handle(pid).unwrap();
        assert!(own.signal(Signal::Kill).unwrap());
        assert!(own.wait(Instant::now() + Duration::from_secs(9)).unwrap());
        second.wait().unwrap();
    }
}

/// The machine, on which the server ends and its pid goes to a bystander while `kill` works.
#[derive(Debug)]
struct Swapped {
    /// After the answer to this question the swap happens.
    after: &'static str,
    server: Mutex<Option<Server>>,
    bystander: Mutex<Option<process::Child>>,
    held: AtomicBool,
}

/// A [`Holder`] that can be shown.
struct Server(Holder);

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.pid)
    }
}

impl Swapped {
    fn swap(&self, after: &str) {
        if after != self.after {
            return;
        }
        if let Some(Server(server)) = self.server.lock().unwrap().take() {
            let pid = server.pid;
            drop(server);
            *self.bystander.lock().unwrap() = Some(sleep_as(pid));
        }
    }
}

impl Host for Swapped {
    fn now(&self) -> DateTime<Utc> {
        System.now()
    }

    fn probe(&self, port: u16) -> Result<Probe> {
        System.probe(port)
    }

    fn ephemeral_ports(&self) -> Option<RangeInclusive<u16>> {
        System.ephemeral_ports()
    }

    fn reserved_ports(&self) -> Vec<RangeInclusive<u16>> {
        System.reserved_ports()
    }

    fn sockets(&self, wanted: Wanted) -> Result<Vec<Socket>> {
        let sockets = System.sockets(wanted)?;
        let question = if self.held.load(Ordering::SeqCst) {
            "sockets, holding"
        } else {
            "sockets"
        };
        self.swap(question);
        Ok(sockets)
    }

    fn identity(&self, pid: u32) -> Result<Option<ProcessIdentity>> {
        System.identity(pid)
    }

    fn fate(&self, process: &ProcessIdentity) -> Fate {
        System.fate(process)
    }

    fn descends(&self, pid: u32, ancestor: u32) -> bool {
        let answer = System.descends(pid, ancestor);
        self.swap("descends");
        answer
    }

    fn handle(&self, pid: u32) -> Result<Option<Box<dyn ProcessHandle>>> {
        let handle = System.handle(pid);
        self.held.store(true, Ordering::SeqCst);
        self.swap("handle");
        handle
    }
}

#[test]
fn a_pid_that_changes_hands_while_it_is_killed() {
    const TEST: &str = "a_pid_that_changes_hands_while_it_is_killed";
    if child_argument().is_none() {
        if works(TEST, &APART) {
            succeeds(child_within(&APART, TEST, "inside").spawn().unwrap());
        }
        return;
    }
    for after in ["sockets", "handle", "descends", "sockets, holding"] {
        let server = Holder::child("s = socket.create_server(('', 0)); hold(s.getsockname()[1])");
        let port = server.port;
        let host = Arc::new(Swapped {
            after,
            server: Mutex::new(Some(Server(server))),
            bystander: Mutex::new(None),
            held: AtomicBool::new(false),
        });
        let keeper = Options::new()
            .in_memory()
            .host(host.clone())
            .open()
            .unwrap();
        let report = keeper.kill(port).unwrap();
        assert_eq!(report.killed, [], "{after}");
        assert_untouched(&keeper, port);

        let mut bystander = host.bystander.lock().unwrap().take().expect(after);
        assert_eq!(bystander.try_wait().unwrap(), None, "ended after {after}");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
