//! A machine that a test alters: a clock, a boot, a few processes, and who uses which port.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    sync::{
        Mutex,
        mpsc::{Receiver, Sender},
    },
};

use chrono::{DateTime, Utc};
use portkeeper_core::{
    Error, Owner, Process, ProcessIdentity, Protocol, Result, Socket, SocketState,
    host::{Fate, Host, Probe, Wanted},
};

/// A place for a process. 0 is the test itself, which never ends and is never hidden; 1 is its child.
/// A process that takes a place again has the same pid and another start.
pub type Slot = usize;

pub const SLOTS: usize = 4;
/// A port that the administrator keeps back.
pub const KEPT_BACK: u16 = 6661;

#[derive(Debug, Clone)]
pub struct Machine {
    pub now: i64,
    boot: u32,
    born: u64,
    processes: [Option<Running>; SLOTS],
    used: BTreeMap<u16, (Slot, SocketState)>,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    start: u64,
    /// It may not be looked at.
    hidden: bool,
}

impl Machine {
    pub fn new() -> Self {
        let mut machine = Self {
            now: 1_795_000_000,
            boot: 0,
            born: 0,
            processes: [None; SLOTS],
            used: BTreeMap::new(),
        };
        for slot in 0..SLOTS {
            machine.start(slot);
        }
        machine
    }

    pub fn start(&mut self, slot: Slot) {
        if self.processes[slot].is_none() {
            self.born += 1;
            self.processes[slot] = Some(Running {
                start: self.born,
                hidden: false,
            });
        }
    }

    pub fn end(&mut self, slot: Slot) {
        if slot != 0 {
            self.processes[slot] = None;
            self.used.retain(|_, (user, _)| *user != slot);
        }
    }

    pub fn hide(&mut self, slot: Slot, hidden: bool) {
        if let Some(process) = &mut self.processes[slot]
            && slot != 0
        {
            process.hidden = hidden;
        }
    }

    pub fn take(&mut self, slot: Slot, port: u16, state: SocketState) {
        if self.processes[slot].is_some() {
            self.used.entry(port).or_insert((slot, state));
        }
    }

    pub fn close(&mut self, port: u16) {
        self.used.remove(&port);
    }

    /// Ends everything. The test goes on as a process that started after it.
    pub fn reboot(&mut self) {
        self.boot += 1;
        self.used.clear();
        self.processes = [None; SLOTS];
        self.start(0);
    }

    pub fn probe(&self, port: u16) -> Probe {
        if self.used.contains_key(&port) {
            Probe::Taken
        } else {
            Probe::Free
        }
    }

    pub fn sockets(&self) -> impl Iterator<Item = Socket> {
        self.used.iter().map(|(port, (slot, state))| {
            let process = Process {
                pid: pid(*slot),
                name: format!("server {slot}"),
            };
            let hidden = self.processes[*slot].is_some_and(|process| process.hidden);
            Socket {
                port: *port,
                protocol: Protocol::Tcp,
                address: Ipv4Addr::LOCALHOST.into(),
                state: *state,
                remote: (*state == SocketState::Connected)
                    .then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 443))),
                owner: if hidden { Owner::Denied } else { Owner::Known },
                processes: if hidden { Vec::new() } else { vec![process] },
                uid: Some(1000),
                inode: u64::from(*port),
            }
        })
    }

    /// Who listens on a port, and whether that can be told.
    pub fn listener(&self, port: u16) -> Option<Socket> {
        let mut sockets = self.sockets();
        sockets.find(|socket| socket.port == port && socket.is_listener())
    }

    pub fn identity(&self, wanted: u32) -> Result<Option<ProcessIdentity>> {
        let Some(process) = self.running(wanted) else {
            return Ok(None);
        };
        if process.hidden {
            return Err(Error::PermissionDenied {
                what: format!("looking at process {wanted}"),
                source: io::ErrorKind::PermissionDenied.into(),
            });
        }
        Ok(Some(ProcessIdentity {
            pid: wanted,
            start: process.start,
            boot: format!("boot {}", self.boot),
            namespace: 1,
            pidfd: 0,
        }))
    }

    pub fn fate(&self, identity: &ProcessIdentity) -> Fate {
        match self.running(identity.pid) {
            _ if identity.boot != format!("boot {}", self.boot) => Fate::Dead,
            None => Fate::Dead,
            Some(process) if process.hidden => Fate::Unknown,
            Some(process) if process.start == identity.start => Fate::Alive,
            Some(_) => Fate::Dead,
        }
    }

    fn running(&self, wanted: u32) -> Option<&Running> {
        let slot = (0..SLOTS).find(|slot| pid(*slot) == wanted)?;
        self.processes[slot].as_ref()
    }
}

/// The pid of whatever process has the place.
pub fn pid(slot: Slot) -> u32 {
    match u32::try_from(slot).unwrap() {
        0 => std::process::id(),
        // Above what Linux gives to any process.
        slot => 5_000_000 + slot,
    }
}

/// Whether the process is the test itself or its child.
pub fn is_own(wanted: u32) -> bool {
    wanted == pid(0) || wanted == pid(1)
}

/// The machine as the engine asks it.
#[derive(Debug)]
pub struct FakeHost {
    machine: Mutex<Machine>,
    /// The next look at all listeners says that it has seen them, and waits to be let go on.
    pub pause: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl FakeHost {
    pub fn new() -> Self {
        Self {
            machine: Mutex::new(Machine::new()),
            pause: Mutex::new(None),
        }
    }

    pub fn alter(&self, change: impl FnOnce(&mut Machine)) {
        change(&mut self.machine.lock().unwrap());
    }

    /// A copy of the machine as it is now.
    pub fn machine(&self) -> Machine {
        self.machine.lock().unwrap().clone()
    }
}

impl Host for FakeHost {
    fn now(&self) -> DateTime<Utc> {
        time(self.machine.lock().unwrap().now)
    }

    fn probe(&self, port: u16) -> Result<Probe> {
        Ok(self.machine.lock().unwrap().probe(port))
    }

    fn sockets(&self, wanted: Wanted) -> Result<Vec<Socket>> {
        let machine = self.machine.lock().unwrap();
        let is_wanted = |socket: &Socket| match wanted {
            Wanted::Listeners => socket.is_listener(),
            Wanted::Server(port) => socket.port == port && socket.is_listener(),
            Wanted::Port(port) => socket.port == port,
            Wanted::Bound(_) => false,
        };
        let sockets = machine.sockets().filter(is_wanted).collect();
        drop(machine);
        if wanted == Wanted::Listeners
            && let Some((seen, may_go_on)) = self.pause.lock().unwrap().take()
        {
            seen.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
        Ok(sockets)
    }

    fn ephemeral_ports(&self) -> Option<RangeInclusive<u16>> {
        Some(32_768..=60_999)
    }

    fn reserved_ports(&self) -> Vec<RangeInclusive<u16>> {
        vec![KEPT_BACK..=KEPT_BACK]
    }

    fn identity(&self, pid: u32) -> Result<Option<ProcessIdentity>> {
        self.machine.lock().unwrap().identity(pid)
    }

    fn fate(&self, process: &ProcessIdentity) -> Fate {
        self.machine.lock().unwrap().fate(process)
    }

    fn descends(&self, pid: u32, ancestor: u32) -> bool {
        ancestor == self::pid(0) && is_own(pid)
    }
}

pub fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}
