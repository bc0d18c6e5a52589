//! The first process of `portman run`: it has the claim and the hold, and the guard is its child.

use std::{
    ffi::OsString,
    io,
    net::{IpAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use portkeeper_core::{
    Error, ErrorKind, Keeper, Ready,
    host::{Fate, Host, System},
};
use rustix::io::Errno;

use super::{
    Claim,
    binds::{self, Shared},
    guard::{self, Options},
    link::{Link, Watch},
    signals, tree,
};
use crate::failure::{Failure, Outcome};

/// How long it is looked all the time whether the command listens; after that, every second.
const EAGER: Duration = Duration::from_mins(1);

/// A command to be run on a port.
pub struct Job<'a> {
    pub keeper: &'a Keeper,
    pub claim: Claim,
    pub command: Vec<OsString>,
    /// The variables that are to have the port.
    pub variables: Vec<String>,
    /// How long the command may take to listen, where that is waited for.
    pub wait: Option<Duration>,
    pub grace: Duration,
    /// Whether the port is kept until the very call that binds it.
    pub watched: bool,
    /// Whether a person is told where that cannot be.
    pub remarks: bool,
    /// Where to listen, for a command that is given the socket.
    pub listen: Option<IpAddr>,
}

enum Event {
    Signal(i32),
    Ended(io::Result<std::process::ExitStatus>),
    Listens,
    /// Somebody else answers, or nobody in time.
    Unready(Error),
}

/// Where the command is.
pub struct Place {
    /// The process below which it runs.
    pub guard: u32,
    /// Whether nobody else can have the port before the command listens.
    pub kept: bool,
}

/// Runs the command, and returns its exit code. `announce` is called once the command may be used: when
/// it was started or, if that is waited for, when it listens.
pub fn supervise(job: Job<'_>, announce: impl FnOnce(Place) -> io::Result<()>) -> Outcome<u8> {
    let Job {
        keeper,
        claim,
        command,
        variables,
        wait,
        grace,
        watched,
        remarks,
        listen,
    } = job;
    tree::adopt_orphans()?;
    let (events, received) = mpsc::channel();
    // Before there is anything to be ended.
    let mut caught = signals::listen(&[])?;

    let (port, project) = (claim.port(), claim.project().to_owned());
    let (hold, lease) = claim.into_parts();
    // Dropped before the lease, which would go on until the hold ends.
    let mut hold = hold;
    let socket = listen.map(|address| {
        // It sets SO_REUSEADDR.
        let entered = hold.admit(|| TcpListener::bind((address, port)));
        entered.flatten().map_err(|error| {
            let message = format!("port {port} cannot be listened on at {address}: {error}");
            Failure::Refused(ErrorKind::InvalidInput, message)
        })
    });
    let socket = socket.transpose()?;
    let options = Options {
        grace,
        watched: watched && socket.is_none(),
        listens: socket.is_some(),
    };
    let (mut link, theirs) = Link::pair()?;
    let mut starter = Command::new(std::env::current_exe()?);
    starter
        // Who ends portman by its name means this process, and needs the other one to clean up.
        .arg0(guard::PROCESS)
        .args(options.to_args())
        .args(command)
        .env(guard::REGISTRY, keeper.path());
    for variable in variables {
        starter.env(variable, port.to_string());
    }
    inherit(&mut starter, theirs, socket)?;
    let child = starter.spawn()?;
    // It has the other ends, and the socket, as its own.
    drop(starter);
    let guard = child.id();

    let hold = Shared::new(hold);
    let is_kept = keep(&hold, port, link.greeted(), options.listens, remarks)?;
    let _ = link.go();

    spawn(&events, move |events| {
        for signal in caught.forever() {
            let _ = events.send(Event::Signal(signal));
        }
    })?;
    spawn(&events, move |events| wait_for(child, &events))?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let looking = keeper.interruptible(move || asked.load(Ordering::Relaxed));
    spawn(&events, move |events| {
        look(&looking, port, guard, wait, &events);
    })?;

    let mut attendant = Attendant {
        hold: &hold,
        link,
        announce: Some(announce),
        guard,
        is_kept,
        is_waited_for: wait.is_some(),
        failure: None,
    };
    if wait.is_none() {
        // Whoever reads it has gone away, and the command goes on.
        let _ = attendant.announce();
    }
    let code = attendant.attend(&received, &project);
    stop.store(true, Ordering::Relaxed);
    // What the guard has left is now this process's: all, where it was ended by force, else what it may
    // not end.
    if let Some(pid) = tree::end_all(grace.min(Duration::from_secs(2)), |_, _| {}) {
        let pid = pid.as_raw_nonzero();
        crate::output::remark(&format!("process {pid} may not be ended, and is left"));
    }
    let failure = attendant.failure;
    // Before the lease, which would go on until it has ended.
    drop(hold);
    drop(lease);
    match failure {
        Some(failure) => Err(failure),
        None => Ok(code),
    }
}

/// Gives the guard its end of the link, and the command its socket.
fn inherit(starter: &mut Command, link: OwnedFd, socket: Option<TcpListener>) -> io::Result<()> {
    let mut mappings = vec![FdMapping {
        parent_fd: link,
        child_fd: guard::LINK,
    }];
    if let Some(socket) = socket {
        mappings.push(FdMapping {
            parent_fd: socket.into(),
            child_fd: guard::LISTENER,
        });
    }
    starter.fd_mappings(mappings).map_err(io::Error::other)?;
    Ok(())
}

/// Keeps the port until the command listens, or lets go of it where that cannot be: says whether it is,
/// now and later.
fn keep(
    hold: &Shared,
    port: u16,
    watch: io::Result<Watch>,
    listens: bool,
    remarks: bool,
) -> io::Result<Arc<AtomicBool>> {
    let is_kept = Arc::new(AtomicBool::new(listens));
    match watch {
        Ok(Watch::Granted(listener)) => {
            is_kept.store(true, Ordering::Relaxed);
            let flag = Arc::clone(&is_kept);
            let lost = move |error| {
                flag.store(false, Ordering::Relaxed);
                unkept(remarks, port, error);
            };
            binds::serve(port, listener, hold, lost)?;
        }
        // A socket listens already.
        Ok(Watch::Unwanted) if listens => hold.let_go(),
        // Nobody can say when the command binds.
        Ok(Watch::Unwanted) => hold.vacate(),
        Ok(Watch::Refused(error)) => {
            unkept(remarks, port, error);
            hold.vacate();
        }
        // It has ended, and said why.
        Err(_) => {}
    }
    Ok(is_kept)
}

/// Says that the port is not kept until the command has it.
fn unkept(remarks: bool, port: u16, error: Errno) {
    if remarks {
        crate::output::remark(&format!(
            "port {port} is not kept until the command listens, whose sockets cannot be watched: {error}"
        ));
    }
}

struct Attendant<'a, A> {
    hold: &'a Shared,
    link: Link,
    announce: Option<A>,
    guard: u32,
    is_kept: Arc<AtomicBool>,
    is_waited_for: bool,
    failure: Option<Failure>,
}

impl<A: FnOnce(Place) -> io::Result<()>> Attendant<'_, A> {
    fn announce(&mut self) -> io::Result<()> {
        let place = Place {
            guard: self.guard,
            kept: self.is_kept.load(Ordering::Relaxed),
        };
        match self.announce.take() {
            Some(announce) => announce(place),
            None => Ok(()),
        }
    }

    /// To the command. A guard that has ended has nobody to pass it to.
    fn pass_on(&mut self, signal: i32) {
        let _ = u8::try_from(signal).map(|signal| self.link.signal(signal));
    }

    /// Until the guard has ended.
    fn attend(&mut self, events: &Receiver<Event>, project: &str) -> u8 {
        while let Ok(event) = events.recv() {
            match event {
                Event::Signal(signal) => {
                    self.pass_on(signal);
                }
                Event::Ended(Ok(status)) => {
                    let code = status.code().or(status.signal().map(|signal| 128 + signal));
                    return code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
                }
                Event::Ended(Err(_)) => return 1,
                Event::Listens => {
                    self.hold.let_go();
                    // Whoever reads it has gone away, and the command goes on.
                    let _ = self.announce();
                }
                Event::Unready(error) => {
                    if self.is_waited_for {
                        self.failure = Some(error.into());
                        self.pass_on(libc::SIGTERM);
                    } else if error.kind() == ErrorKind::WrongListener {
                        crate::output::remark(&format!("warning for {project}: {error}"));
                    }
                }
            }
        }
        1
    }
}

/// Looks until the command listens on its port.
fn look(keeper: &Keeper, port: u16, guard: u32, wait: Option<Duration>, events: &Sender<Event>) {
    let mut within = wait.unwrap_or(EAGER);
    let identity = System.identity(guard);
    // Its end says all there is to say, and a listener that was seen a moment before it was its own.
    let has_ended = || match &identity {
        Ok(Some(guard)) => System.fate(guard) == Fate::Dead,
        Ok(None) => true,
        Err(_) => false,
    };
    loop {
        match keeper.wait_ready(Ready::port(port).by(guard), within) {
            Ok(_) => {
                let _ = events.send(Event::Listens);
                return;
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return,
            Err(_) if has_ended() => return,
            Err(error) if error.kind() == ErrorKind::Timeout && wait.is_none() => {
                // A command that has not listened for so long may never do so.
                thread::sleep(Duration::from_secs(1));
                within = Duration::ZERO;
            }
            Err(error) => {
                let _ = events.send(Event::Unready(error));
                return;
            }
        }
    }
}

fn wait_for(mut child: Child, events: &Sender<Event>) {
    let _ = events.send(Event::Ended(child.wait()));
}

fn spawn(
    events: &Sender<Event>,
    body: impl FnOnce(Sender<Event>) + Send + 'static,
) -> io::Result<()> {
    let events = events.clone();
    thread::Builder::new().spawn(move || body(events))?;
    Ok(())
}
