//! Whose a socket is that moves while it is looked for: from one process to another, or out of every table of
//! descriptors and back.
#![cfg(target_os = "linux")]

#[path = "support/altered.rs"]
mod altered;
#[path = "support/in_flight.rs"]
mod in_flight;
#[path = "support/size.rs"]
mod size;
#[path = "support/host.rs"]
mod support;

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, id},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use altered::Altered;
use in_flight::{receive, send};
use portkeeper_core::{
    Options, Owner, Socket,
    host::{Earlier, Host, System, Wanted},
};
use size::size;
use support::{Running, V4, eventually};

/// The most looks.
const LOOKS: usize = 200;

/// Processes that take long to read. They are older than the one that takes the sockets, and newer than this one,
/// so that they are read after the one and before the other.
const CROWD_SIZE: usize = 6;
const CROWD: &str = "import os\n\
    for _ in range(6):\n    \
        if os.fork() == 0:\n        \
            for _ in range(900): os.dup(1)\n        \
            os.write(1, b'.\\n'); os.read(0, 1); os._exit(0)\n\
    os.read(0, 1)";

/// Takes a socket, says so, and has it until it is told to close it.
const TAKER: &str = "import os, socket\n\
    link = socket.socket(fileno=0)\n\
    while True:\n    \
        taken = socket.recv_fds(link, 1, 1)[1]\n    \
        if not taken: break\n    \
        link.send(b'.'); link.recv(1); os.close(taken[0]); link.send(b'.')";

fn listener() -> (OwnedFd, u16) {
    let listener = TcpListener::bind(V4).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener.into(), port)
}

#[test]
fn one_that_is_handed_over_has_an_owner_at_every_moment() {
    let (_life, theirs) = UnixStream::pair().unwrap();
    let mut crowd = Command::new("python3");
    let mut crowd = Running::start(crowd.args(["-c", CROWD]).stdin(OwnedFd::from(theirs)));
    for _ in 0..CROWD_SIZE {
        crowd.line();
    }
    let (mut link, theirs) = UnixStream::pair().unwrap();
    let mut taker = Command::new("python3");
    let _taker = Running::start(taker.args(["-c", TAKER]).stdin(OwnedFd::from(theirs)));

    // Each time at another moment of the look.
    let mut longest = Duration::ZERO;
    let mut amid = 0;
    let mut looks = 0;
    while amid < size(5, 20) && looks < LOOKS {
        looks += 1;
        let (socket, port) = listener();
        let wait = longest.mul_f64(fastrand::f64());
        let begin = Instant::now();
        let (look, lasted, handed_over) = thread::scope(|scope| {
            let hand_over = scope.spawn(|| {
                thread::sleep(wait);
                send(&link, &socket);
                (&link).read_exact(&mut [0]).unwrap();
                drop(socket);
                begin.elapsed()
            });
            let look = System.look(Wanted::Server(port), &Earlier::default());
            (look.unwrap(), begin.elapsed(), hand_over.join().unwrap())
        });
        let socket = only(look.sockets);
        assert_eq!(socket.owner, Owner::Known, "{socket:?}");
        longest = longest.max(lasted);
        amid += usize::from(handed_over < lasted);
        link.write_all(b".").unwrap();
        link.read_exact(&mut [0]).unwrap();
    }
    // Where the numbers of processes have just begun anew, this one is read first, and nothing can be missed.
    println!("{amid} of {looks} looks had a socket handed over amid them");
}

fn only(sockets: Vec<Socket>) -> Socket {
    let [socket] = sockets.try_into().unwrap();
    socket
}

/// Its process opens and closes lower descriptors all the time.
#[test]
fn one_that_stays_has_an_owner_whatever_its_process_opens() {
    let files = |count| -> Vec<File> {
        let file = |_| File::open("/dev/null").unwrap();
        (0..count).map(file).collect()
    };
    let _below = files(60);
    let numbers = files(8);
    let (_socket, port) = listener();
    drop(numbers);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    drop(files(4));
                }
            });
        }
        let looks = (0..LOOKS).map(|_| System.look(Wanted::Server(port), &Earlier::default()));
        let unowned =
            looks.filter(|look| only(look.as_ref().unwrap().sockets.clone()).pid().is_none());
        let unowned = unowned.count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(unowned, 0, "of {LOOKS} looks");
    });
}

/// Then the kernel is asked for its port alone, to see that it is still there.
#[test]
fn one_that_nobody_has_stays_in_a_long_list() {
    let listed = |port| {
        let look = System.look(Wanted::Listeners, &Earlier::default());
        let sockets = look.unwrap().sockets;
        sockets.into_iter().find(|socket| socket.port == port)
    };
    let (socket, port) = listener();
    let (sender, _receiver) = UnixStream::pair().unwrap();
    send(&sender, &socket);
    drop(socket);
    let every = System.sockets(Wanted::Listeners).unwrap();
    let unowned = every.iter().filter(|socket| socket.pid().is_none());
    let _others: Vec<_> = (0..80 * (unowned.count() + 2))
        .map(|_| listener())
        .collect();
    // Whoever is just being started by a parallel test has a copy of every descriptor, for a moment.
    eventually("a look finds nobody", || {
        listed(port).expect("the socket is listed").pid().is_none()
    });
}

/// For ten minutes nobody looks again for the owner of a socket that had none.
#[test]
fn one_that_had_no_owner_is_looked_for_again_after_a_while() {
    let host = Arc::new(Altered::default());
    let keeper = Options::new()
        .in_memory()
        .host(host.clone())
        .open()
        .unwrap();
    let (socket, port) = listener();
    // Of this port alone, for whoever looks for others may find it besides.
    let pid = || keeper.check(port).unwrap().verdict.pid();
    let (sender, receiver) = UnixStream::pair().unwrap();
    send(&sender, &socket);
    drop(socket);
    // Whoever is just being started by a parallel test has a copy of every descriptor, for a moment.
    eventually("a scan finds nobody", || {
        let listeners = keeper.scan().unwrap().listeners;
        let ours = listeners.iter().find(|socket| socket.port == port);
        ours.is_some_and(|socket| socket.pid().is_none())
    });
    let _socket = receive(&receiver);
    host.forward(599);
    assert_eq!(pid(), None);
    host.forward(2);
    assert_eq!(pid(), Some(id()));
}
