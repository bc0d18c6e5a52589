//! Processes told apart by pid and start time.
//!
//! Between the comparison and the signal there is a moment in which the process may end and its pid
//! come back; these platforms offer nothing against it, but do not reuse a pid that soon. This code
//! is reviewed and, beside its own tests on Linux, untested.

use std::{
    thread,
    time::{Duration, Instant},
};

use sysinfo::Pid;

use super::{present, read};
use crate::{
    error::{Error, Result},
    host::{Nature, ProcessHandle, Signal, fate::Present},
};

/// How often to look whether a process has ended.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct Handle {
    pid: u32,
    start: u64,
}

pub(in crate::host) fn handle(pid: u32) -> Result<Option<Box<dyn ProcessHandle>>> {
    match present(pid) {
        Present::Gone => Ok(None),
        Present::Running { start, .. } => Ok(Some(Box::new(Handle { pid, start }))),
        Present::Hidden { .. } => Err(denied(pid)),
    }
}

fn denied(pid: u32) -> Error {
    Error::PermissionDenied {
        what: format!("signalling process {pid}"),
        source: std::io::ErrorKind::PermissionDenied.into(),
    }
}

impl ProcessHandle for Handle {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn nature(&self) -> Result<Option<Nature>> {
        let nature = Nature {
            // Windows: the kernel is process 4, which listens for every service on http.sys.
            kernel: cfg!(windows) && self.pid == 4,
            same_namespace: Some(true),
            // Not known before it is tried.
            may_signal: true,
        };
        Ok((!self.has_ended()?).then_some(nature))
    }

    fn signal(&self, signal: Signal) -> Result<bool> {
        let system = read(&[self.pid]).ok_or_else(|| denied(self.pid))?;
        let process = match system.process(Pid::from_u32(self.pid)) {
            Some(process) if process.start_time() == self.start => process,
            _ => return Ok(false),
        };
        let sent = match signal {
            // Windows has no polite way to ask; there the process is ended at once.
            Signal::Term => process
                .kill_with(sysinfo::Signal::Term)
                .unwrap_or_else(|| process.kill()),
            Signal::Kill => process.kill(),
        };
        if sent {
            return Ok(true);
        }
        if self.has_ended()? {
            Ok(false)
        } else {
            Err(denied(self.pid))
        }
    }

    fn wait(&self, deadline: Instant) -> Result<bool> {
        loop {
            let ended = match present(self.pid) {
                Present::Gone => true,
                Present::Running { start, .. } => start != self.start,
                Present::Hidden { .. } => false,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if ended || left.is_zero() {
                return Ok(ended);
            }
            thread::sleep(PAUSE.min(left));
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        process::{Child, Command},
        time::{Duration, Instant},
    };

    use super::{Handle, handle};
    use crate::host::{ProcessHandle, Signal};

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_process_is_ended_once() {
        let mut child = sleeper();
        let process = handle(child.id()).unwrap().unwrap();
        assert!(process.nature().unwrap().is_some());
        assert!(process.signal(Signal::Kill).unwrap());
        child.wait().unwrap();
        assert!(
            process
                .wait(Instant::now() + Duration::from_secs(5))
                .unwrap()
        );
        assert!(!process.signal(Signal::Kill).unwrap());
        assert_eq!(process.nature().unwrap(), None);
    }

    #[test]
    fn a_later_process_on_the_same_pid_is_left_alone() {
        let mut child = sleeper();
        let start = match super::present(child.id()) {
            super::Present::Running { start, .. } => start,
            other => panic!("{other:?}"),
        };
        let earlier = Handle {
            pid: child.id(),
            start: start - 1,
        };
        assert!(!earlier.signal(Signal::Kill).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
