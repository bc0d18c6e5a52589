//! Keeping strangers off a port until its server listens.

use std::io;

use socket2::Socket;

use crate::{
    error::{Error, Result},
    host,
    keeper::{Keeper, lease::lease_id},
    model::{LeaseTerms, Reservation, Status},
    store::{Durability, leases, ports},
    value,
};

impl Keeper {
    /// Keeps a claimed port bound, without listening, for as long as the guard lives: the kernel
    /// gives it to nobody who asks for any port, and to no outgoing connection.
    ///
    /// A server that sets `SO_REUSEADDR` starts on a held port as if it were free: those of Rust, Go
    /// and Node, Python's `http.server` and `asyncio`, and most others on Unix. One that does not,
    /// such as Python's plain `socketserver.TCPServer`, is refused the port until the guard is
    /// dropped, and [`check`](Self::check) explains why. So a hold is a choice; a claim without one
    /// keeps the port from everybody who asks the registry. UDP is not held.
    ///
    /// Refused with `PORT_NOT_FOUND` when nobody has claimed the port, with `PORT_RESERVED` when
    /// another living process has the claim or the port is held already, and with `PORT_IN_USE` when
    /// somebody has the port.
    ///
    /// ```
    /// use portkeeper_core::{PortRequest, Strategy, Verdict};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let request = PortRequest::new("my-app").role("web").range(20_000..=29_999).strategy(Strategy::Random);
    /// let port = keeper.request(request)?[0].number;
    /// let hold = keeper.hold(port)?;
    /// assert!(matches!(keeper.check(port)?.verdict, Verdict::Held { .. }));
    ///
    /// let server = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    /// drop(hold);
    /// # drop(server);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn hold(&self, port: impl Into<i64>) -> Result<Hold> {
        self.hold_with(port.into(), host::hold)
    }

    /// The same for a parent that lets its child bind through [`Hold::admit`], which only Linux allows:
    /// a server that sets `SO_REUSEADDR` is refused the port, too.
    #[doc(hidden)]
    #[cfg(target_os = "linux")]
    pub fn hold_exclusively(&self, port: impl Into<i64>) -> Result<Hold> {
        self.hold_with(port.into(), host::hold_exclusively)
    }

    fn hold_with(&self, port: i64, bind: fn(u16) -> io::Result<Socket>) -> Result<Hold> {
        let port = value::port(port)?;
        let row = self.claim_to_use(port)?;
        let me = self.this_process()?;
        // Dead owners were swept away. Two holds of one process would not know of each other.
        let is_held = row.lease.as_ref().is_some_and(|lease| lease.held);
        if is_held || row.owner().is_some_and(|owner| *owner != me) {
            return Err(Error::reserved(&row));
        }
        let socket = match bind(port) {
            Ok(socket) => socket,
            Err(error) => return Err(self.not_bound(port, &row, error)),
        };

        let seen = row.lease.as_ref().map(|lease| lease.id.clone());
        let was_mine = row.owner() == Some(&me);
        let lease = self
            .store
            .write(self.durability(Durability::Normal), |tx| {
                let now = ports::get(tx, port)?.filter(|now| now.status != Status::Free);
                let now = now.ok_or(Error::PortNotFound(port))?;
                let id = now.lease.as_ref().map(|lease| lease.id.clone());
                // Somebody else claimed or took it since it was looked at.
                if id != seen || now.project_name != row.project_name {
                    return Err(Error::reserved(&now).into());
                }
                let lease = LeaseTerms {
                    id: match id {
                        Some(id) if was_mine => id,
                        _ => lease_id()?,
                    },
                    role: now.role().map(str::to_owned),
                    owner: Some(me.clone()),
                    held: true,
                    borrowed: !was_mine,
                    expires_at: now.lease.as_ref().and_then(|lease| lease.expires_at),
                };
                leases::put(tx, port, &lease, self.host.now())?;
                Ok(lease.id)
            })?;
        Ok(Hold {
            keeper: self.patient(),
            port,
            lease,
            was_mine,
            pid: std::process::id(),
            bind,
            socket: Some(socket),
        })
    }

    /// The claim on a port that the caller is about to use; dead owners are swept away first.
    fn claim_to_use(&self, port: u16) -> Result<Reservation> {
        let claim = || {
            let row = self.row(port)?;
            row.filter(|row| row.status != Status::Free)
                .ok_or(Error::PortNotFound(port))
        };
        let row = claim()?;
        if self.sweep_rows(std::slice::from_ref(&row))? {
            return claim();
        }
        Ok(row)
    }

    /// The error for a port of ours that could not be bound.
    pub(super) fn not_bound(&self, port: u16, row: &Reservation, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::AddrInUse => match self.verdict(port, Some(row)) {
                Ok(verdict) => Error::PortInUse {
                    port,
                    verdict: Box::new(verdict),
                    next_free: None,
                },
                Err(error) => error,
            },
            io::ErrorKind::PermissionDenied => Error::PermissionDenied {
                what: format!("binding port {port}"),
                source: error,
            },
            _ => Error::ScanFailed(format!("port {port} could not be bound: {error}")),
        }
    }

    /// Ends what [`Keeper::hold`] wrote, if it is still there, and with it a lease whose guard was
    /// dropped in between.
    fn end_hold(&self, port: u16, id: &str, was_mine: bool) -> Result<()> {
        let row = self
            .store
            .write(self.durability(Durability::Normal), |tx| {
                let Some(mut row) = ports::get(tx, port)? else {
                    return Ok(None);
                };
                let Some(lease) = row.lease.as_mut().filter(|lease| lease.id == id) else {
                    return Ok(None);
                };
                lease.held = false;
                if !was_mine {
                    lease.id = lease_id()?;
                    lease.owner = None;
                    lease.borrowed = false;
                }
                if was_mine || lease.role.is_some() || lease.expires_at.is_some() {
                    leases::put(tx, port, lease, self.host.now())?;
                } else {
                    leases::remove(tx, port)?;
                }
                Ok(Some(row))
            })?;
        if let Some(row) = row {
            self.sweep_rows(&[row])?;
        }
        Ok(())
    }
}

/// A port that is kept bound until this is dropped; see [`Keeper::hold`].
///
/// Dropped by a callback in the middle of an operation, it lets go of the port at once, and the registry
/// says so when that operation has ended.
#[derive(Debug)]
#[must_use = "dropping a hold gives the port up"]
pub struct Hold {
    keeper: Keeper,
    port: u16,
    lease: String,
    was_mine: bool,
    pid: u32,
    /// How it was bound, and is again.
    bind: fn(u16) -> io::Result<Socket>,
    socket: Option<Socket>,
}

impl Hold {
    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets go of the port for a server that does not set `SO_REUSEADDR`, which can bind it from now
    /// on, and so can everybody else. The claim is as it was, and the registry goes on saying that the
    /// port is held.
    ///
    /// ```
    /// use portkeeper_core::{PortRequest, Strategy};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let request = PortRequest::new("my-app").role("web").range(20_000..=29_999).strategy(Strategy::Random);
    /// let mut hold = keeper.hold(keeper.request(request)?[0].number)?;
    /// hold.lend();
    /// let other = std::net::TcpListener::bind(("127.0.0.1", hold.port())).unwrap();
    /// assert!(!hold.take_back());
    /// drop(other);
    /// assert!(hold.take_back());
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn lend(&mut self) {
        self.socket = None;
    }

    /// Binds the port again after [`lend`](Self::lend); `false` where it cannot be had. Next to a server
    /// that sets `SO_REUSEADDR` and does not listen yet, it can.
    pub fn take_back(&mut self) -> bool {
        if self.socket.is_none() {
            self.socket = (self.bind)(self.port).ok();
        }
        self.socket.is_some()
    }

    /// Whether the port is bound, and not lent.
    #[doc(hidden)]
    pub fn is_bound(&self) -> bool {
        self.socket.is_some()
    }

    /// Calls `enter`, which binds a socket that sets `SO_REUSEADDR`, or listens on one, beside an
    /// exclusive hold. For as long as that takes, anybody can who sets the option.
    #[doc(hidden)]
    #[cfg(target_os = "linux")]
    pub fn admit<T>(&mut self, enter: impl FnOnce() -> T) -> io::Result<T> {
        let Some(socket) = &self.socket else {
            return Ok(enter());
        };
        let was_open = socket.reuse_address()?;
        socket.set_reuse_address(true)?;
        let entered = enter();
        socket.set_reuse_address(was_open)?;
        Ok(entered)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.socket.take());
        // In a forked child this is a copy.
        if self.pid == std::process::id() {
            let (keeper, pid) = (self.keeper.clone(), self.pid);
            let (port, was_mine) = (self.port, self.was_mine);
            let lease = std::mem::take(&mut self.lease);
            self.keeper.store.soon(move || {
                if pid == std::process::id() {
                    // Nobody can be told here. What is left, the next sweep after this process ends.
                    let _ = keeper.end_hold(port, &lease, was_mine);
                }
            });
        }
    }
}
