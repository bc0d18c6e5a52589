//! Whose socket it is, as far as the caller may see.
#![cfg(target_os = "linux")]

use std::{
    env, fs, io,
    net::TcpListener,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{self, Command, Stdio},
};

use portkeeper_core::{
    Keeper, Owner, Protocol, Socket, SocketState,
    host::{Host, Probe, System, Wanted, ephemeral_ports, reserved_by_kernel},
};

#[path = "support/host.rs"]
mod support;

use support::{Actor, Running, V4, announce, answer, is_root};

const LISTENER: u32 = 65_534;
const STRANGER: u32 = 65_533;

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(V4).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// The one listener on a port.
fn listening(sockets: Vec<Socket>) -> Socket {
    let mut listeners = sockets
        .into_iter()
        .filter(|socket| socket.state == SocketState::Listen);
    let socket = listeners.next().unwrap();
    assert_eq!(listeners.next(), None);
    socket
}

fn pids(socket: &Socket) -> Vec<u32> {
    socket.processes.iter().map(|process| process.pid).collect()
}

/// What another process sees on a port.
fn seen_by(command: &mut Command, port: u16) -> Socket {
    let mut running = Running::start(command.env("PORT", port.to_string()));
    listening(serde_json::from_str(&running.answer()).unwrap())
}

#[test]
fn every_process_that_shares_a_socket_is_named() {
    let (listener, port) = listener();
    // Its standard input is the socket, as a server's worker inherits it.
    let child = || {
        let copy: OwnedFd = listener.try_clone().unwrap().into();
        Running::start(Command::new("sleep").arg("600").stdin(copy))
    };
    let workers = [child(), child()];
    let mut expected = vec![process::id(), workers[0].pid(), workers[1].pid()];
    expected.sort_unstable();
    // Whoever is just being started by a parallel test has a copy of every descriptor, for a moment.
    let mut socket = listening(System.sockets(Wanted::Port(port)).unwrap());
    support::eventually("exactly the sharers", || {
        socket = listening(System.sockets(Wanted::Port(port)).unwrap());
        pids(&socket) == expected
            && socket
                .processes
                .iter()
                .filter(|process| process.name == "sleep")
                .count()
                == 2
    });
    assert_eq!(socket.owner, Owner::Known);
    drop(listener);
    support::eventually("the workers alone", || {
        let socket = listening(System.sockets(Wanted::Port(port)).unwrap());
        pids(&socket)
            == expected
                .iter()
                .copied()
                .filter(|&pid| pid != process::id())
                .collect::<Vec<_>>()
    });
}

#[test]
fn the_socket_of_a_process_whose_main_thread_has_ended_is_found() {
    let mut child = Running::start(Command::new("python3").args([
        "-c",
        "import ctypes, socket, threading, time\n\
         s = socket.create_server(('127.0.0.1', 0))\n\
         threading.Thread(target=lambda: (print(s.getsockname()[1], flush=True), time.sleep(600))).start()\n\
         ctypes.CDLL(None).pthread_exit(None)",
    ]));
    let port = child.line().parse().unwrap();
    let stat = format!("/proc/{}/stat", child.pid());
    support::eventually("the end of the main thread", || {
        fs::read_to_string(&stat).unwrap().contains(") Z ")
    });
    let socket = listening(System.sockets(Wanted::Port(port)).unwrap());
    assert_eq!(pids(&socket), [child.pid()]);
}

/// Whatever gaps are below it.
#[test]
fn a_socket_is_found_at_every_descriptor() {
    // For each argument `FD/STEP` a process that has its socket there, and others at every so many numbers below.
    const SCRIPT: &str = "import os, socket, sys\n\
        for place in sys.argv[1:]:\n    \
            fd, step = map(int, place.split('/'))\n    \
            s = socket.create_server(('127.0.0.1', 0))\n    \
            if os.fork() == 0:\n        \
                port = s.getsockname()[1]\n        \
                if s.fileno() != fd: os.dup2(s.fileno(), fd); s.close()\n        \
                for other in range(3 + step, fd, step): os.dup2(0, other)\n        \
                os.write(1, f'{os.getpid()} {port}\\n'.encode()); os.read(0, 1); os._exit(0)\n    \
            s.close()\n\
        os.write(1, b'closed\\n'); os.read(0, 1)";
    let alone = (3..30).map(|fd| (fd, fd));
    let places: Vec<(u32, u32)> = alone.chain([(700, 700), (200, 2), (200, 9)]).collect();
    let mut script = Command::new("python3");
    script.args(["-c", SCRIPT]).stdin(Stdio::piped());
    script.args(places.iter().map(|(fd, step)| format!("{fd}/{step}")));
    let mut processes = Running::start(&mut script);
    let mut servers: Vec<(u32, u16)> = Vec::new();
    // One more says that their parent has none of their sockets any more.
    for _ in 0..=places.len() {
        if let Some((pid, port)) = processes.line().split_once(' ') {
            servers.push((pid.parse().unwrap(), port.parse().unwrap()));
        }
    }
    let listeners = Keeper::in_memory().unwrap().scan().unwrap().listeners;
    let keeper = Keeper::in_memory().unwrap();
    for (pid, port) in servers {
        let mut of_port = listeners.clone();
        of_port.retain(|socket| socket.port == port && socket.protocol == Protocol::Tcp);
        assert_eq!(pids(&listening(of_port)), [pid]);
        let state = keeper.check(port).unwrap();
        assert_eq!(state.verdict.pid(), Some(pid), "{state:?}");
    }
}

#[test]
fn another_users_listener_is_denied_and_never_free() {
    if !is_root() {
        return;
    }
    let actor = Actor::new();
    let mut server = Running::start(actor.command("listen").uid(LISTENER).stdin(Stdio::piped()));
    let port = server.answer().parse().unwrap();

    let socket = listening(System.sockets(Wanted::Port(port)).unwrap());
    assert_eq!((socket.owner, socket.uid), (Owner::Known, Some(LISTENER)));
    assert_eq!(pids(&socket), [server.pid()]);

    let socket = seen_by(actor.command("look").uid(STRANGER), port);
    assert_eq!((socket.owner, socket.uid), (Owner::Denied, Some(LISTENER)));
    assert_eq!(socket.processes, []);
    assert_eq!(
        socket.to_string(),
        "a process of user 65534 that may not be read listening on 127.0.0.1 (tcp)"
    );

    let socket = seen_by(actor.command("look").uid(LISTENER), port);
    assert_eq!(
        (socket.owner, pids(&socket)),
        (Owner::Known, vec![server.pid()])
    );
}

#[test]
fn a_hidden_process_is_not_taken_for_another_namespaces() {
    if !is_root() {
        return;
    }
    let actor = Actor::new();
    let mut server = Running::start(actor.command("listen").uid(LISTENER).stdin(Stdio::piped()));
    let port = server.answer().parse().unwrap();
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc && \
         exec setpriv --reuid {STRANGER} --regid {STRANGER} --clear-groups {} {}",
        actor.path().display(),
        Actor::ARGUMENTS.join(" ")
    );
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", &script])
        .env(support::ROLE, "look");
    assert_eq!(seen_by(&mut command, port).owner, Owner::Denied);
}

#[test]
fn a_listener_outside_the_pid_namespace_is_said_to_be() {
    if !is_root() {
        return;
    }
    let actor = Actor::new();
    let (_listener, port) = listener();
    let inner = ["unshare", "--pid", "--fork", "--mount-proc"];
    let socket = seen_by(&mut actor.within(&inner, "look"), port);
    assert_eq!((socket.owner, socket.uid), (Owner::OtherNamespace, Some(0)));
    assert_eq!(socket.processes, []);

    // Where /proc is the outer one, its pids mean nothing inside.
    let socket = seen_by(
        &mut actor.within(&["unshare", "--pid", "--fork"], "look"),
        port,
    );
    assert_eq!((socket.owner, socket.processes), (Owner::Denied, vec![]));
}

#[test]
fn a_low_port_is_privileged_rather_than_taken() {
    if !is_root() {
        return;
    }
    let actor = Actor::new();
    let mut stranger = Running::start(actor.command("probe").uid(STRANGER).env("PORT", "1"));
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let expected = match start.trim().parse::<u16>().unwrap() {
        0 | 1 => Probe::Free,
        _ => Probe::Privileged,
    };
    assert_eq!(stranger.answer(), format!("{expected:?}"));
}

/// A network namespace has its own settings, so they can be changed there without harm.
#[test]
fn the_settings_of_the_network_namespace_are_followed() {
    if !is_root() {
        return;
    }
    let actor = Actor::new();
    let mut inner = Running::start(&mut actor.within(&["unshare", "--net"], "settings"));
    assert_eq!(
        inner.answer(),
        "Some(30000..=30009) [8080..=8080, 9000..=9100] Taken Free"
    );
}

#[test]
fn actor() {
    // Other tests run this program again, in another namespace or as another user, to act here.
    if env::var_os(support::ROLE).is_none() {
        return;
    }
    let port = || env::var("PORT").unwrap().parse().unwrap();
    match env::var(support::ROLE).unwrap().as_str() {
        "listen" => {
            let (_listener, port) = listener();
            announce(port);
            // Until the test that started it ends, whatever its end.
            io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
            process::exit(0);
        }
        "look" => {
            let sockets = System.sockets(Wanted::Port(port())).unwrap();
            answer(serde_json::to_string(&sockets).unwrap());
        }
        "probe" => answer(format!("{:?}", System.probe(port()).unwrap())),
        "settings" => {
            for (name, value) in [
                ("ipv4/ip_local_port_range", "30000 30009"),
                ("ipv4/ip_local_reserved_ports", "8080,9000-9100"),
                ("ipv6/conf/all/disable_ipv6", "1"),
            ] {
                fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
            }
            // The interface is down, so only the wildcard address can be bound.
            let listener = TcpListener::bind("0.0.0.0:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let taken = System.probe(port).unwrap();
            drop(listener);
            answer(format!(
                "{:?} {:?} {taken:?} {:?}",
                ephemeral_ports(),
                reserved_by_kernel(),
                System.probe(port).unwrap()
            ));
        }
        role => unreachable!("{role}"),
    }
}
