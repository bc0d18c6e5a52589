//! Processes held by their pidfds, so that a pid that comes back is never signalled.
//!
//! What is read by number (`/proc/PID/…`) counts only where the pidfd says afterwards that the
//! process has not ended: as long as it has not, nobody else can have had the number.

use std::{
    fs,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{self, Pid, PidfdFlags, pidfd_open, pidfd_send_signal, test_kill_process},
};

use super::process::{here, number, read, refusal};
use crate::{
    error::{Error, Result},
    host::{Nature, ProcessHandle, Signal},
};

#[derive(Debug)]
struct Handle {
    pid: u32,
    number: Pid,
    pidfd: OwnedFd,
}

/// Takes hold of `pid`; a thread that is no process counts as none.
pub(in crate::host) fn handle(pid: u32) -> Result<Option<Box<dyn ProcessHandle>>> {
    let Some(number) = number(pid) else {
        return Ok(None);
    };
    match pidfd_open(number, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(Box::new(Handle { pid, number, pidfd }))),
        Err(Errno::SRCH | Errno::NOENT | Errno::INVAL) => Ok(None),
        // Linux before 5.3, or a sandbox. To signal by number would be to risk a stranger.
        Err(Errno::NOSYS | Errno::PERM) => Err(Error::Unsupported(format!(
            "ending process {pid} safely, for which pidfds are needed,"
        ))),
        Err(error) => Err(Error::ScanFailed(format!(
            "process {pid} could not be opened: {error}"
        ))),
    }
}

impl ProcessHandle for Handle {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn nature(&self) -> Result<Option<Nature>> {
        let stat = read(self.number);
        let namespace = fs::metadata(format!("/proc/{}/ns/pid", self.pid));
        let may_signal = test_kill_process(self.number) != Err(Errno::PERM);
        if self.has_ended()? {
            return Ok(None);
        }
        let stat = stat.map_err(|source| refusal(self.pid, source))?;
        let ours = here().namespace;
        Ok(Some(Nature {
            kernel: stat.is_kernel_thread(),
            same_namespace: match namespace {
                Ok(entry) if ours != 0 => Some(entry.ino() == ours),
                _ => None,
            },
            may_signal,
        }))
    }

    fn signal(&self, signal: Signal) -> Result<bool> {
        // A process that only waits to be waited for would still take a signal, to no effect.
        if self.has_ended()? {
            return Ok(false);
        }
        let number = match signal {
            Signal::Term => process::Signal::TERM,
            Signal::Kill => process::Signal::KILL,
        };
        match pidfd_send_signal(&self.pidfd, number) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(Errno::PERM) => Err(Error::PermissionDenied {
                what: format!("signalling process {}", self.pid),
                source: Errno::PERM.into(),
            }),
            Err(error) => Err(Error::Internal(format!(
                "process {} could not be signalled: {error}",
                self.pid
            ))),
        }
    }

    fn wait(&self, deadline: Instant) -> Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => {
                    return Err(Error::Internal(format!(
                        "process {} could not be waited for: {error}",
                        self.pid
                    )));
                }
            }
        }
    }
}
