//! The second process of `portman run`, whose child the command is.
//!
//! It starts the command, passes signals on, and outlives neither the command nor the supervisor: it ends
//! what the command has left running, and when the supervisor is gone, all of it.

use std::{
    ffi::{CString, OsStr, OsString},
    io,
    os::fd::RawFd,
    process::{Command, ExitCode},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::Keeper;
use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process};
use signal_hook::consts::SIGCHLD;

use super::{
    filter,
    link::Link,
    signals, sys,
    tree::{self, Reaped},
};
use crate::output::text;

/// What the process is called.
pub const PROCESS: &str = "port-guard";
/// What the first argument is.
pub const NAME: &str = "__guard";
/// The guard's end of the link: below any usual limit, and above what the supervisor has open.
pub const LINK: RawFd = 63;
/// The first descriptor that `LISTEN_FDS` passes on, by `sd_listen_fds(3)`.
pub const LISTENER: RawFd = 3;

/// How long a signal that a whole process group got may take to arrive here.
const ARRIVAL: Duration = Duration::from_millis(20);
/// How long what the command leaves running has to end by itself.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// The registry of the supervisor, as the environment of the guard has it.
pub const REGISTRY: &str = "__PORTMAN_REGISTRY";

/// Runs as the guard, if that is what this process was started as.
pub fn main(args: &[OsString]) -> Option<ExitCode> {
    let [_, name, options @ ..] = args else {
        return None;
    };
    if name != NAME {
        return None;
    }
    Some(match Guard::new(options).and_then(Guard::run) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {}", text::clean(&error.to_string()));
            ExitCode::FAILURE
        }
    })
}

/// How the supervisor has it, in the order of the arguments.
pub struct Options {
    /// How long the command may take to end when it was asked to.
    pub grace: Duration,
    /// Whether its sockets are watched.
    pub watched: bool,
    /// Whether it is given a socket.
    pub listens: bool,
}

impl Options {
    /// As arguments, before those of the command.
    pub fn to_args(&self) -> [String; 4] {
        [
            NAME.to_owned(),
            self.grace.as_millis().to_string(),
            u8::from(self.watched).to_string(),
            u8::from(self.listens).to_string(),
        ]
    }

    fn parse(args: &[OsString]) -> Option<(Self, &[OsString])> {
        let [grace, watched, listens, command @ ..] = args else {
            return None;
        };
        let options = Self {
            grace: Duration::from_millis(grace.to_str()?.parse().ok()?),
            watched: watched == "1",
            listens: listens == "1",
        };
        (!command.is_empty()).then_some((options, command))
    }
}

enum Event {
    /// The supervisor got this signal.
    Passed(u8),
    /// This process got it.
    Got(i32),
    /// The supervisor is gone.
    Alone,
}

struct Guard<'a> {
    options: Options,
    command: &'a [OsString],
    link: Link,
    registry: Option<OsString>,
}

impl<'a> Guard<'a> {
    fn new(args: &'a [OsString]) -> io::Result<Self> {
        let (options, command) = Options::parse(args).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self {
            options,
            command,
            link: Link::from_fd(sys::inherited(LINK)?),
            registry: std::env::var_os(REGISTRY),
        })
    }

    fn run(self) -> io::Result<u8> {
        tree::adopt_orphans()?;
        rustix::thread::set_name(&CString::new(PROCESS)?)?;
        // Whatever arrives from now on is for the command.
        let (sender, events) = mpsc::channel();
        let mut signals = signals::listen(&[SIGCHLD])?;
        let command = match self.start() {
            Ok(pid) => pid,
            Err(error) => {
                let program = self.command[0].to_string_lossy();
                eprintln!("error: {}: {error}", text::clean(&program));
                let is_missing = error.kind() == io::ErrorKind::NotFound;
                return Ok(if is_missing { 127 } else { 126 });
            }
        };
        spawn(&sender, move |sender| {
            for signal in signals.forever() {
                if sender.send(Event::Got(signal)).is_err() {
                    return;
                }
            }
        })?;
        let mut link = self.link.try_clone()?;
        spawn(&sender, move |sender| {
            while let Some(signal) = link.word() {
                if sender.send(Event::Passed(signal)).is_err() {
                    return;
                }
            }
            let _ = sender.send(Event::Alone);
        })?;
        Ok(self.attend(command, &events))
    }

    /// Starts the command as a child that ends when this process does.
    fn start(&self) -> io::Result<Pid> {
        let (program, args) = self
            .command
            .split_first()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = if self.options.listens {
            // Only the new process knows its own id. A shell becomes the program at once.
            let mut shell = Command::new("/bin/sh");
            shell
                .args([
                    OsStr::new("-c"),
                    OsStr::new(r#"LISTEN_PID=$$ exec "$0" "$@""#),
                ])
                .arg(program)
                .env("LISTEN_FDS", "1")
                .env_remove("LISTEN_FDNAMES");
            shell
        } else {
            Command::new(program)
        };
        command.args(args).env_remove(REGISTRY);
        let watched = self.options.watched.then(filter::can_watch);
        sys::prepare(&mut command, self.link.try_clone()?, watched);
        let child = command.spawn()?;
        if self.options.listens {
            // The socket is the command's alone.
            drop(sys::inherited(LISTENER));
        }
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Waits until the command has ended, and with it all that it started.
    fn attend(&self, command: Pid, events: &Receiver<Event>) -> u8 {
        let mut got: Vec<(i32, Instant)> = Vec::new();
        let mut passed: Vec<(i32, Instant)> = Vec::new();
        let mut forced_at: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let soonest = passed.iter().map(|(_, at)| *at + ARRIVAL).chain(forced_at);
            let wait = soonest.min().map_or(Duration::from_hours(1), |at| {
                at.saturating_duration_since(now)
            });
            match events.recv_timeout(wait) {
                Ok(Event::Got(SIGCHLD)) => {
                    if let Some(code) = reap(command) {
                        tree::end_all(self.options.grace.min(LEFT_BEHIND), |_, _| {});
                        return code;
                    }
                }
                Ok(Event::Got(signal)) => got.push((signal, Instant::now())),
                Ok(Event::Passed(signal)) => passed.push((signal.into(), Instant::now())),
                Ok(Event::Alone) => return self.finish(command),
                Err(_) => {}
            }
            let now = Instant::now();
            got.retain(|(_, at)| now.duration_since(*at) < 10 * ARRIVAL);
            passed.retain(|(signal, at)| {
                if now.duration_since(*at) < ARRIVAL {
                    return true;
                }
                pass_on(command, *signal, &mut got);
                if matches!(*signal, libc::SIGTERM | libc::SIGHUP) {
                    forced_at.get_or_insert(now + self.options.grace);
                }
                false
            });
            if forced_at.is_some_and(|at| at <= now) {
                forced_at = None;
                if kill_process(command, Signal::KILL) == Err(rustix::io::Errno::PERM) {
                    // It would be waited for without end.
                    tree::end_all(Duration::ZERO, |_, _| {});
                    return 1;
                }
            }
        }
    }

    /// Ends everything, and gives back what the supervisor cannot any more.
    fn finish(&self, command: Pid) -> u8 {
        let mut code = 1;
        tree::end_all(self.options.grace.min(LEFT_BEHIND), |pid, status| {
            if pid == command {
                code = tree::exit_code(status);
            }
        });
        let keeper = match &self.registry {
            // Where it lies, the supervisor has judged.
            Some(path) => portkeeper_core::Options::new()
                .path(path)
                .allow_network_file_system(true)
                .open(),
            None => Keeper::open(),
        };
        // A look at the machine ends the claims of processes that have ended. Where it fails, the next
        // one does.
        let _ = keeper.and_then(|keeper| keeper.scan());
        code
    }
}

/// The command's exit code, once it has ended; waits for adopted processes, too.
fn reap(command: Pid) -> Option<u8> {
    let mut code = None;
    while let Reaped::Ended(pid, status) = tree::reap() {
        if pid == command {
            code = Some(tree::exit_code(status));
        }
    }
    code
}

/// Passes a signal on, unless the command got it already: what was sent to the whole process group, by
/// the terminal or by `kill` with a negative pid, came here, too.
fn pass_on(command: Pid, signal: i32, got: &mut Vec<(i32, Instant)>) {
    let same_group = getpgid(Some(command)).is_ok_and(|group| group == getpgrp());
    let came_here = got.iter().position(|(other, _)| *other == signal);
    if let Some(at) = came_here {
        got.swap_remove(at);
        if same_group {
            return;
        }
    }
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = kill_process(command, signal);
    }
}

fn spawn(
    sender: &Sender<Event>,
    body: impl FnOnce(Sender<Event>) + Send + 'static,
) -> io::Result<()> {
    let sender = sender.clone();
    thread::Builder::new().spawn(move || body(sender))?;
    Ok(())
}
