//! Waiting until the right process answers.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    host::{Earlier, Wanted},
    keeper::{BoundPort, Keeper, Lease},
    model::{Fate, Reservation, Socket, SocketState, Status},
    request::Ready,
    value,
};

/// How often the machine is looked at. One look for one port takes a fraction of a millisecond, and is
/// not a probe: nothing is bound that could be in the server's way.
const PAUSE: Duration = Duration::from_millis(10);

impl Keeper {
    /// Waits until a TCP server listens on the port, and makes sure that it is the right one: the
    /// owner of the lease, or one of its descendants. Returns its socket.
    ///
    /// Fails with `WRONG_LISTENER`, which names who answers instead, as soon as anyone else listens
    /// on the port, on any address; a listener whose process may not be looked at counts as someone
    /// else. A lease that has ended or gone to another owner is `PORT_NOT_FOUND` or `PORT_RESERVED`.
    /// Fails with `TIMEOUT` when nobody does within that time, and at once when the process
    /// that is waited for has ended.
    ///
    /// ```
    /// use std::{net::TcpListener, time::Duration};
    ///
    /// use portkeeper_core::{PortRequest, Strategy};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let request = PortRequest::new("my-tests").range(20_000..=29_999).strategy(Strategy::Random);
    /// let lease = keeper.lease(request)?;
    /// let server = TcpListener::bind(("127.0.0.1", lease.port())).unwrap();
    /// let socket = keeper.wait_ready(&lease, Duration::from_secs(10))?;
    /// assert_eq!(socket.pid(), Some(std::process::id()));
    /// # drop(server);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn wait_ready(&self, ready: impl Into<Ready>, within: Duration) -> Result<Socket> {
        let Ready {
            port,
            process,
            lease,
        } = ready.into();
        let port = value::port(port)?;
        self.check_lease(port, lease.as_deref())?;
        // A lease names its owner, which may have ended since; a pid alone is whoever has it now.
        let (expected, identity) = match process {
            Some(pid) => (pid, self.host.identity(pid).ok().flatten()),
            None => match self.row(port)?.as_ref().and_then(Reservation::owner) {
                Some(owner) => (owner.pid, Some(owner.clone())),
                None => {
                    let me = self.this_process()?;
                    (me.pid, Some(me))
                }
            },
        };
        let timed_out = |what: String, begin: Instant| Error::Timeout {
            what,
            within: begin.elapsed(),
        };
        let begin = Instant::now();
        loop {
            let (mut right, mut wrong) = self.listening(
                self.host
                    .look(Wanted::Server(port), &Earlier::default())?
                    .sockets,
                expected,
            );
            if !wrong.is_empty() {
                // The socket may be open in a descendant, too, that was not looked for.
                (right, wrong) = self.listening(self.host.sockets(Wanted::Server(port))?, expected);
            }
            // Asked after the descent: as long as it lived then, the pid was nobody else's.
            let fate = match &identity {
                Some(identity) => self.host.fate(identity),
                None => match self.host.identity(expected) {
                    Ok(None) => Fate::Dead,
                    _ => Fate::Alive,
                },
            };
            let (right, wrong) = match fate {
                Fate::Alive => (right, wrong),
                Fate::Dead | Fate::Unknown => (Vec::new(), [right, wrong].concat()),
            };
            if !wrong.is_empty() {
                return Err(Error::WrongListener {
                    port,
                    listeners: wrong,
                });
            }
            if let Some(socket) = right.into_iter().next() {
                self.check_lease(port, lease.as_deref())?;
                return Ok(socket);
            }
            if fate == Fate::Dead {
                let what =
                    format!("listening on port {port} by process {expected}, which has ended,");
                return Err(timed_out(what, begin));
            }
            let left = within.saturating_sub(begin.elapsed());
            if left.is_zero() {
                let what = format!("listening on port {port} by process {expected}");
                return Err(timed_out(what, begin));
            }
            self.stop.check("waiting for a listener")?;
            thread::sleep(left.min(PAUSE));
        }
    }

    /// The TCP listeners of `expected` and its descendants, and those of others.
    fn listening(&self, sockets: Vec<Socket>, expected: u32) -> (Vec<Socket>, Vec<Socket>) {
        let listening = sockets
            .into_iter()
            .filter(|socket| socket.state == SocketState::Listen);
        listening.partition(|socket| {
            let mut processes = socket.processes.iter();
            processes.any(|process| self.host.descends(process.pid, expected))
        })
    }

    /// Refuses when the port is no longer had under this lease.
    fn check_lease(&self, port: u16, lease: Option<&str>) -> Result<()> {
        let Some(id) = lease else { return Ok(()) };
        match self.row(port)?.filter(|row| row.status != Status::Free) {
            Some(row) if row.lease.as_ref().is_some_and(|lease| lease.id == id) => Ok(()),
            Some(row) => Err(Error::reserved(&row)),
            None => Err(Error::PortNotFound(port)),
        }
    }
}

/// The first of the lease's ports, as long as the lease is what it was.
impl From<&Lease> for Ready {
    fn from(lease: &Lease) -> Self {
        let terms = lease
            .reservations()
            .first()
            .and_then(|row| row.lease.as_ref());
        Self {
            lease: terms.map(|terms| terms.id.clone()),
            ..Self::port(lease.port())
        }
    }
}

impl From<&BoundPort> for Ready {
    fn from(bound: &BoundPort) -> Self {
        bound.lease().into()
    }
}
