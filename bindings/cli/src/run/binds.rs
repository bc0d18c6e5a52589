//! Letting go of a held port at the very call that binds it.
//!
//! A server that sets `SO_REUSEADDR` can bind a held port, and any other one cannot. So every `bind` of
//! the command and its descendants is seen before it happens (see [`sys::watch_binds`]), and for one that
//! the hold would refuse, the hold is lent: nobody else has time to take the port.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::FileExt,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::Hold;
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{SocketType, sockopt},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use super::sys::{self, Bind};

/// How long a `bind` that was let through may take, where it cannot be seen to be over.
const LONGEST: Duration = Duration::from_secs(1);

/// A hold, and to whom it is lent.
pub struct Lending {
    hold: Hold,
    lent: Option<(Instant, u32)>,
    /// Whether the port is kept at all.
    is_kept: bool,
}

/// The same one, for the thread that watches.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Lending>>);

impl Shared {
    pub fn new(hold: Hold) -> Self {
        Self(Arc::new(Mutex::new(Lending {
            hold,
            lent: None,
            is_kept: true,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Lending> {
        // Nothing in here is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the port for good: its server listens, or nobody can be seen to bind.
    pub fn let_go(&self) {
        let mut lending = self.lock();
        lending.is_kept = false;
        lending.hold.lend();
    }

    /// Keeps the port again, where whoever it was lent to has not taken it.
    pub fn take_back(&self) {
        let mut lending = self.lock();
        if let Some((since, thread)) = lending.lent
            && lending.is_kept
            && !is_binding(thread, since)
            && lending.hold.take_back()
        {
            lending.lent = None;
        }
    }

    fn lend(&self, thread: u32) {
        let mut lending = self.lock();
        lending.lent = Some((Instant::now(), thread));
        lending.hold.lend();
    }

    fn port(&self) -> u16 {
        self.lock().hold.port()
    }
}

/// Whether a thread that was let through may still be within its `bind`.
fn is_binding(thread: u32, since: Instant) -> bool {
    if since.elapsed() > LONGEST {
        return false;
    }
    let Ok(call) = fs::read_to_string(format!("/proc/{thread}/syscall")) else {
        // Gone, or not to be looked at.
        return fs::exists(format!("/proc/{thread}")).unwrap_or(true);
    };
    // "running" may be within the call.
    match call.split_whitespace().next().map(str::parse::<i64>) {
        Some(Ok(number)) => number == libc::SYS_bind,
        _ => true,
    }
}

/// Answers every `bind` until there is nobody left to make one.
pub fn serve(listener: OwnedFd, shared: Shared) -> io::Result<thread::JoinHandle<()>> {
    let port = shared.port();
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
                        if wants(port, bind) && !passes(bind) {
                            shared.lend(bind.thread);
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

/// Whether the hold is in nobody's way: the socket has `SO_REUSEADDR`, or is not TCP.
fn passes(bind: Bind) -> bool {
    socket(bind).is_some_and(|socket| {
        let is_stream = sockopt::socket_type(&socket) == Ok(SocketType::STREAM);
        !is_stream || sockopt::socket_reuseaddr(&socket) == Ok(true)
    })
}

fn socket(bind: Bind) -> Option<OwnedFd> {
    let process = Pid::from_raw(i32::try_from(process(bind.thread)?).ok()?)?;
    let process = pidfd_open(process, PidfdFlags::empty()).ok()?;
    // The number belongs to that process, not to this one; only the kernel looks at it.
    pidfd_getfd(&process, bind.descriptor, PidfdGetfdFlags::empty()).ok()
}

/// The process that a thread belongs to.
fn process(thread: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

