//! Letting a command bind a port that is held.
//!
//! A server that sets `SO_REUSEADDR` can bind a held port, and any other one cannot. So every `bind` of
//! the command and its descendants is seen before it happens (see [`sys::prepare`]), and a socket that is
//! to be bound to this port gets the option. The port is never let go of: nobody else
//! can take it who does not set the option, too.

use std::{
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use portkeeper_core::Hold;
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{SocketType, sockopt},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use super::sys::{self, Bind};

/// The hold, shared with the thread that watches.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Option<Hold>>>);

impl Shared {
    pub fn new(hold: Hold) -> Self {
        Self(Arc::new(Mutex::new(Some(hold))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Hold>> {
        // Nothing in here is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the port: its server listens, or nobody can be seen to bind. The claim is kept.
    pub fn let_go(&self) {
        if let Some(hold) = self.lock().as_mut() {
            hold.lend();
        }
    }

    /// Ends the hold, also while the other thread goes on.
    pub fn end(&self) {
        drop(self.lock().take());
    }
}

/// Answers every `bind` until there is nobody left to make one.
pub fn serve(port: u16, listener: OwnedFd, shared: Shared) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name("binds".to_owned())
        .spawn(move || {
            loop {
                let mut polled = [PollFd::new(&listener, PollFlags::IN)];
                match poll(&mut polled, None) {
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(_) => return,
                    Ok(_) => {}
                }
                if polled[0].revents().contains(PollFlags::HUP) {
                    return;
                }
                match sys::next_bind(&listener) {
                    Ok(Some(bind)) => {
                        if wants(port, bind) && admit(bind).is_none() {
                            // The next best: somebody else has some microseconds to take it.
                            shared.let_go();
                        }
                        sys::go_on(&listener, bind);
                    }
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        })
}

/// Whether the call is for this port; one whose address cannot be read may be.
fn wants(port: u16, bind: Bind) -> bool {
    let mut address = [0; 4];
    if bind.length < address.len() as u64 {
        return false;
    }
    let memory = File::open(format!("/proc/{}/mem", bind.thread));
    match memory.and_then(|memory| memory.read_exact_at(&mut address, bind.address)) {
        Err(_) => true,
        Ok(()) => {
            let [family_low, family_high, high, low] = address;
            let family = i32::from(u16::from_ne_bytes([family_low, family_high]));
            let is_internet = family == libc::AF_INET || family == libc::AF_INET6;
            is_internet && u16::from_be_bytes([high, low]) == port
        }
    }
}

/// Makes sure that the hold is not in the way of a socket; `None` where that cannot be done.
fn admit(bind: Bind) -> Option<()> {
    let socket = socket(bind)?;
    let is_stream = sockopt::socket_type(&socket).ok()? == SocketType::STREAM;
    // Only TCP is held.
    if is_stream && !sockopt::socket_reuseaddr(&socket).ok()? {
        sockopt::set_socket_reuseaddr(&socket, true).ok()?;
    }
    Some(())
}

/// The same socket, as a descriptor of this process.
fn socket(bind: Bind) -> Option<OwnedFd> {
    let process = Pid::from_raw(i32::try_from(process(bind.thread)?).ok()?)?;
    let process = pidfd_open(process, PidfdFlags::empty()).ok()?;
    pidfd_getfd(&process, bind.descriptor, PidfdGetfdFlags::empty()).ok()
}

/// The process that a thread belongs to.
fn process(thread: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}
