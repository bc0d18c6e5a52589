//! The killing itself, without the registry.
//!
//! Each round asks who listens, takes hold of who is new, asks again, and signals those that still
//! listen. The handle is older than the second answer, so whoever has both the pid and the socket is
//! the process that is held. Rounds are needed because a server may have forked meanwhile.

use std::{
    process, thread,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    host::{Host, ProcessHandle, Signal, Wanted},
    model::{KilledProcess, Process},
    rules::{self, Target},
    stop::Stop,
};

/// How long a process may take to end after `SIGKILL`; usually a millisecond or two.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// How often, and after which pause, a socket without a known owner is looked at again.
const SECOND_LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);
/// How often to look for processes that have come to listen while others are waited for.
const TICK: Duration = Duration::from_millis(250);
/// How often to ask whether to stop.
const QUESTION: Duration = Duration::from_millis(40);

#[derive(Debug)]
pub(super) struct Rounds<'a> {
    host: &'a dyn Host,
    port: u16,
    /// Until then processes are asked, and afterwards forced.
    force_from: Instant,
    /// Since they are: until when that may take. On a busy machine a look alone takes seconds.
    deadline: Option<Instant>,
    victims: Vec<Victim>,
    stop: Stop,
}

#[derive(Debug)]
struct Victim {
    process: Process,
    handle: Box<dyn ProcessHandle>,
    sent: Option<Signal>,
}

impl<'a> Rounds<'a> {
    pub fn new(host: &'a dyn Host, port: u16, grace: Duration, stop: Stop) -> Self {
        let force_from = Instant::now() + grace;
        Self {
            host,
            port,
            force_from,
            deadline: None,
            victims: Vec::new(),
            stop,
        }
    }

    /// Goes on until nobody listens and everybody who was signalled has ended.
    pub fn run(&mut self) -> Result<()> {
        loop {
            let listening = self.listening()?;
            let living = self.living()?;
            if listening.is_empty() && living.is_none() {
                return Ok(());
            }
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                return Err(self.failure(living, &listening));
            }
            self.take_hold(&listening)?;
            let until = if now < self.force_from {
                self.signal(Signal::Term)?;
                self.force_from
            } else {
                self.signal(Signal::Kill)?;
                *self
                    .deadline
                    .get_or_insert_with(|| Instant::now() + LAST_WAIT)
            };
            let next_look = until.min(Instant::now() + TICK);
            for victim in &self.victims {
                self.wait(victim, next_look)?;
            }
            if self.living()?.is_none() {
                // Nothing was waited for, and somebody may listen who is about to end.
                thread::sleep(PAUSE);
            }
        }
    }

    fn wait(&self, victim: &Victim, until: Instant) -> Result<()> {
        loop {
            self.stop.check("ending the listeners of a port")?;
            let next_question = until.min(Instant::now() + QUESTION);
            if victim.handle.wait(next_question)? || Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// Who was signalled and has ended. Where an error came right after a signal, those who got it
    /// are given a moment, and a short one where the caller is in a hurry.
    pub fn killed(&self, is_stopped: bool) -> Result<Vec<KilledProcess>> {
        let deadline = Instant::now() + if is_stopped { QUESTION } else { TICK };
        let mut killed = Vec::new();
        for victim in &self.victims {
            if let Some(signal) = victim.sent
                && victim.handle.wait(deadline)?
            {
                killed.push(KilledProcess {
                    pid: victim.process.pid,
                    name: victim.process.name.clone(),
                    forced: signal == Signal::Kill,
                });
            }
        }
        Ok(killed)
    }

    fn listening(&self) -> Result<Vec<Process>> {
        let mut looks = 0;
        loop {
            let sockets = self.host.sockets(Wanted::Server(self.port))?;
            match rules::listening_processes(self.port, &sockets) {
                // A process that is about to end has let go of its sockets before they are closed.
                Err(_) if looks < SECOND_LOOKS => {
                    looks += 1;
                    thread::sleep(PAUSE);
                }
                answer => return answer,
            }
        }
    }

    fn living(&self) -> Result<Option<&Victim>> {
        for victim in &self.victims {
            if !victim.handle.has_ended()? {
                return Ok(Some(victim));
            }
        }
        Ok(None)
    }

    /// Adds those to the victims that are not held yet, may be signalled, and still listen.
    fn take_hold(&mut self, listening: &[Process]) -> Result<()> {
        let mut fresh: Vec<Box<dyn ProcessHandle>> = Vec::new();
        for process in listening {
            if !self.holds(process.pid)?
                && let Some(handle) = self.host.handle(process.pid)?
            {
                self.check(process, handle.as_ref())?;
                fresh.push(handle);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let confirmed = self.listening()?;
        for handle in fresh {
            let found = confirmed.iter().find(|process| process.pid == handle.pid());
            if let Some(process) = found {
                self.victims.push(Victim {
                    process: process.clone(),
                    handle,
                    sent: None,
                });
            }
        }
        Ok(())
    }

    fn holds(&self, pid: u32) -> Result<bool> {
        for victim in self.victims.iter().filter(|v| v.process.pid == pid) {
            if !victim.handle.has_ended()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn check(&self, process: &Process, handle: &dyn ProcessHandle) -> Result<()> {
        let Some(nature) = handle.nature()? else {
            return Ok(());
        };
        let me = process::id();
        let target = Target {
            pid: process.pid,
            is_self: process.pid == me,
            is_ancestor: self.host.descends(me, process.pid),
            is_kernel: nature.kernel,
            same_namespace: nature.same_namespace,
        };
        if let Some(reason) = rules::spared(target) {
            return Err(Error::ProcessKill {
                port: self.port,
                process: Some(process.clone()),
                reason: reason.to_owned(),
            });
        }
        if !nature.may_signal {
            return Err(Error::PermissionDenied {
                what: format!("ending {process} on port {}", self.port),
                source: std::io::ErrorKind::PermissionDenied.into(),
            });
        }
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        for victim in &mut self.victims {
            if victim.sent < Some(signal) && victim.handle.signal(signal)? {
                victim.sent = Some(signal);
            }
        }
        Ok(())
    }

    fn failure(&self, living: Option<&Victim>, listening: &[Process]) -> Error {
        let waited = LAST_WAIT.as_millis();
        let (process, reason) = match living {
            Some(victim) => (
                Some(victim.process.clone()),
                format!("it still runs {waited} ms after SIGKILL"),
            ),
            None => (
                listening.first().cloned(),
                "it took the place of others that were ended, until the deadline".to_owned(),
            ),
        };
        Error::ProcessKill {
            port: self.port,
            process,
            reason,
        }
    }
}
