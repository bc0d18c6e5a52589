//! Letting a command have a port that is held against everybody else.
//!
//! The hold refuses the port to whoever binds it, and would refuse it to the command. So every `bind` and
//! `listen` of the command and its descendants is seen before it happens (see [`filter`](super::filter)). One that
//! is for this port is made here instead, on the same socket, and the hold gives way for just as long:
//! both sockets then have `SO_REUSEADDR`, which is what the kernel asks for.

use std::{
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use portkeeper_core::Hold;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::{SocketType, getsockname, listen, sockopt},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use super::{
    notice::{self, Answer, Call, What},
    sys,
};

/// As long as any address there is.
const LONGEST_ADDRESS: usize = 128;
/// `PIDFD_THREAD`: of a thread that need not be the first of its process.
const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL as u32);
/// Milliseconds to wait for somebody to go who came in while the command was let in, and who cannot come
/// again. If it is not that, another socket of the command has the port.
const PAUSES: [u64; 5] = [0, 1, 2, 4, 8];
/// How long a closed socket may live on.
const LINGERING: Duration = Duration::from_secs(2);

/// The hold, shared with the thread that watches. It ends with this, also while that thread goes on.
pub struct Shared(Arc<Slot>);

type Slot = Mutex<Option<Hold>>;

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Hold>> {
    // Nothing in here is left half done.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(hold: Hold) -> Self {
        Self(Arc::new(Mutex::new(Some(hold))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Hold>> {
        lock(&self.0)
    }

    /// Lets go of the port: its server listens. The claim is kept.
    pub fn let_go(&self) {
        if let Some(hold) = self.lock().as_mut() {
            hold.lend();
        }
    }

    /// Lets go of the port, and waits until that shows: a closed socket lives on while another process looks
    /// at the descriptors of this one, and would refuse the port to a command that starts now. The same may
    /// befall the socket that finds it out, which is closed within microseconds.
    pub fn vacate(&self) {
        if let Some(hold) = self.lock().as_mut() {
            hold.lend();
            let end = Instant::now() + LINGERING;
            while !hold.take_back() && Instant::now() < end {
                thread::sleep(Duration::from_millis(1));
            }
            hold.lend();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.lock().take());
    }
}

/// Answers every call until there is nobody left to make one. `lost` hears of it when the port had to be
/// let go of before the command had it.
pub fn serve(
    port: u16,
    listener: OwnedFd,
    shared: &Shared,
    lost: impl Fn(Errno) + Send + 'static,
) -> io::Result<()> {
    let slot = Arc::clone(&shared.0);
    let body = move || {
        loop {
            let mut polled = [PollFd::new(&listener, PollFlags::IN)];
            match poll(&mut polled, None) {
                Err(Errno::INTR) => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            if polled[0].revents().contains(PollFlags::HUP) {
                return;
            }
            match notice::next_call(&listener) {
                Ok(Some(call)) => {
                    let answer = answer(port, &listener, call, &slot, &lost);
                    notice::answer(&listener, call, answer);
                }
                Ok(None) => {}
                Err(_) => return,
            }
        }
    };
    thread::Builder::new()
        .name("binds".to_owned())
        .spawn(body)?;
    Ok(())
}

fn answer(port: u16, listener: &OwnedFd, call: Call, slot: &Slot, lost: &impl Fn(Errno)) -> Answer {
    let mut slot = lock(slot);
    let Some(hold) = slot.as_mut().filter(|hold| hold.is_bound()) else {
        return Answer::GoOn;
    };
    let wanted = wanted(port, call);
    // Only now is it certain that all of that was about the process that waits.
    if !notice::is_waiting(listener, call) {
        return Answer::GoOn;
    }
    match wanted {
        Ok(None) => Answer::GoOn,
        Ok(Some((socket, entry))) => admit(hold, port, &socket, &entry),
        Err(error) => {
            // It may be for this port, and the hold would refuse it.
            hold.lend();
            lost(error);
            Answer::GoOn
        }
    }
}

/// What a socket is to do.
enum Entry {
    Bind(Vec<u8>),
    Listen(i32),
}

/// The socket, if the call is for this port; an error where that cannot be told.
fn wanted(port: u16, call: Call) -> Result<Option<(OwnedFd, Entry)>, Errno> {
    let (descriptor, entry) = match call.what {
        What::Older => return Err(Errno::NOSYS),
        What::Listen {
            descriptor,
            backlog,
        } => (descriptor, Entry::Listen(backlog)),
        What::Bind {
            descriptor,
            address,
            length,
        } => match read(call.thread, address, length)? {
            Some(address) if is_for(port, &address) => (descriptor, Entry::Bind(address)),
            _ => return Ok(None),
        },
    };
    let socket = match socket(call.thread, descriptor) {
        // There is no such descriptor, as the kernel is about to say.
        Err(Errno::BADF) => return Ok(None),
        other => other?,
    };
    // Only TCP is held.
    let is_stream = sockopt::socket_type(&socket) == Ok(SocketType::STREAM);
    let is_wanted = match entry {
        Entry::Bind(_) => is_stream,
        Entry::Listen(_) => is_stream && bound_to(&socket) == Some(port),
    };
    Ok(is_wanted.then_some((socket, entry)))
}

/// An address in the memory of a thread; `None` where there is none, as the kernel is about to say.
fn read(thread: u32, address: u64, length: u64) -> Result<Option<Vec<u8>>, Errno> {
    let Some(length) = usize::try_from(length)
        .ok()
        .filter(|length| *length <= LONGEST_ADDRESS)
    else {
        return Ok(None);
    };
    let memory = File::open(format!("/proc/{thread}/mem")).map_err(|error| errno(&error))?;
    let mut bytes = vec![0; length];
    let done = memory.read_exact_at(&mut bytes, address);
    Ok(done.is_ok().then_some(bytes))
}

/// Whether it is an address of the internet with this port.
fn is_for(port: u16, address: &[u8]) -> bool {
    let [family_low, family_high, high, low, ..] = *address else {
        return false;
    };
    let family = i32::from(u16::from_ne_bytes([family_low, family_high]));
    // The kernel takes no family at all for IPv4, too.
    let is_internet = [libc::AF_INET, libc::AF_INET6, libc::AF_UNSPEC].contains(&family);
    is_internet && u16::from_be_bytes([high, low]) == port
}

/// The same socket, as a descriptor of this process.
fn socket(thread: u32, descriptor: i32) -> Result<OwnedFd, Errno> {
    let pid = |number: u32| {
        let number = i32::try_from(number).ok().and_then(Pid::from_raw);
        number.ok_or(Errno::SRCH)
    };
    let process = match pidfd_open(pid(thread)?, THREAD) {
        // Linux before 6.9 has none of threads.
        Err(Errno::INVAL) => pidfd_open(pid(process(thread)?)?, PidfdFlags::empty())?,
        other => other?,
    };
    pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty())
}

/// The process that a thread belongs to.
fn process(thread: u32) -> Result<u32, Errno> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    line.and_then(|line| line.trim().parse().ok())
        .ok_or(Errno::SRCH)
}

fn bound_to(socket: &OwnedFd) -> Option<u16> {
    let address = std::net::SocketAddr::try_from(getsockname(socket).ok()?);
    address.ok().map(|address| address.port())
}

/// Does it in place of the process that waits.
fn admit(hold: &mut Hold, port: u16, socket: &OwnedFd, entry: &Entry) -> Answer {
    let done = sockopt::socket_reuseaddr(socket).and_then(|had| {
        sockopt::set_socket_reuseaddr(socket, true)?;
        let mut done = enter(hold, socket, entry);
        for pause in PAUSES {
            if done != Err(Errno::ADDRINUSE) {
                break;
            }
            thread::sleep(Duration::from_millis(pause));
            done = enter(hold, socket, entry);
        }
        // Another socket of the command is to be refused as ever. One that listens keeps the option, and
        // so do its connections: the next server need not wait until they are forgotten.
        if done.is_err() || matches!(entry, Entry::Bind(_)) {
            sockopt::set_socket_reuseaddr(socket, had)?;
        }
        done
    });
    Answer::Done(match (done, entry) {
        // A signal interrupted the call after it was made, and it is made again. Linux before 6.18 does that
        // in spite of the filter's flag, and tells nobody; so who binds a socket twice is not refused here.
        (Err(Errno::INVAL), Entry::Bind(_)) if bound_to(socket) == Some(port) => Ok(()),
        (done, _) => done,
    })
}

fn enter(hold: &mut Hold, socket: &OwnedFd, entry: &Entry) -> Result<(), Errno> {
    let entered = hold.admit(|| match entry {
        Entry::Bind(address) => sys::bind(socket, address),
        Entry::Listen(backlog) => listen(socket, *backlog),
    });
    entered.unwrap_or_else(|error| Err(errno(&error)))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::PERM)
}

#[cfg(test)]
mod tests {
    use portkeeper_core::{Keeper, PortRequest, Strategy};
    use rustix::{net::AddressFamily, process::getpid};

    use super::{
        Arc, Duration, Instant, PidfdFlags, PidfdGetfdFlags, Shared, SocketType, pidfd_getfd,
        pidfd_open, thread,
    };

    fn shared(keeper: &Keeper) -> (u16, Shared) {
        let request = PortRequest::new("shop")
            .range(20_000..=29_999)
            .strategy(Strategy::Random);
        let port = keeper.request(request).unwrap()[0].number;
        let hold = keeper.hold_exclusively(port).unwrap();
        (port, Shared::new(hold))
    }

    #[test]
    fn a_hold_ends_with_its_supervisor_though_the_watch_goes_on() {
        let keeper = Keeper::in_memory().unwrap();
        let (port, shared) = shared(&keeper);
        let lease = || keeper.get(port).unwrap().unwrap().lease;
        let is_held = || lease().is_some_and(|lease| lease.held);
        let watching = Arc::clone(&shared.0);
        assert!(is_held());
        drop(shared);
        assert!(!is_held());
        drop(watching);
    }

    #[test]
    fn a_port_is_vacant_once_nobody_has_its_socket() {
        let keeper = Keeper::in_memory().unwrap();
        let (port, shared) = shared(&keeper);
        // Another process looks at the descriptors of this one.
        let me = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let numbers = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut copies =
            numbers.filter_map(|fd| pidfd_getfd(&me, fd, PidfdGetfdFlags::empty()).ok());
        let looked = copies.find(|copy| super::bound_to(copy) == Some(port));
        assert!(looked.is_some());
        let begin = Instant::now();
        let looking = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            drop(looked);
        });
        shared.vacate();
        assert!(begin.elapsed() >= Duration::from_millis(100));
        let plain = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let address = std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, port);
        rustix::net::bind(&plain, &address).unwrap();
        looking.join().unwrap();
    }
}
