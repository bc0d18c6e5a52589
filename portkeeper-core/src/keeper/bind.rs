//! A claim together with its listening socket: no gap between the two.

use std::{io, net::TcpListener};

use crate::{
    error::{Error, Result},
    keeper::{Keeper, Lease},
    model::Reservation,
    request::PortRequest,
    store::leases,
};

/// How many ports are tried when strangers take them between the choice and the bind.
const TRIES: usize = 16;

impl Keeper {
    /// Claims one port as [`lease`](Self::lease) does and listens on it: there is no moment at which
    /// the port is the caller's and somebody else could bind it.
    ///
    /// Listens on 127.0.0.1, unless the request names an [`address`](PortRequest::address). The
    /// socket can be served in this process or handed to a child, see [`BoundPort::command`].
    ///
    /// ```
    /// use std::net::TcpStream;
    ///
    /// use portkeeper_core::{PortRequest, Strategy};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let request = PortRequest::new("my-tests").range(20_000..=29_999).strategy(Strategy::Random);
    /// let bound = keeper.bind(request)?;
    /// let client = TcpStream::connect(("127.0.0.1", bound.port())).unwrap();
    /// let (server_side, _) = bound.listener().accept().unwrap();
    /// assert_eq!(server_side.local_addr().unwrap().port(), bound.port());
    /// # drop(client);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn bind(&self, request: PortRequest) -> Result<BoundPort> {
        let wanted = request.count.unwrap_or(1).max(request.roles.len());
        if wanted != 1 {
            return Err(Error::invalid(
                "count",
                wanted.to_string(),
                "is not 1, and a socket has one port",
            ));
        }
        let mut request = request;
        let mut tries = 0;
        loop {
            // The port of a role that the project has is always the same one.
            let is_final = tries == TRIES || self.has_role(&request)?;
            let lease = self.lease(request.clone())?;
            let port = lease.port();
            let error = match TcpListener::bind((request.address, port)) {
                Ok(listener) => return Ok(BoundPort { listener, lease }),
                Err(error) => error,
            };
            if error.kind() == io::ErrorKind::AddrNotAvailable {
                let address = request.address.to_string();
                return Err(Error::invalid("address", address, "is not this machine's"));
            }
            if is_final || error.kind() != io::ErrorKind::AddrInUse {
                return Err(match lease.reservations().first() {
                    Some(row) => self.not_bound(port, row, error),
                    None => Error::Internal("a lease has no port".to_owned()),
                });
            }
            tries += 1;
            request.avoid.push(port.into());
        }
    }

    fn has_role(&self, request: &PortRequest) -> Result<bool> {
        let Some(role) = request.roles.first() else {
            return Ok(false);
        };
        let roles = self
            .store
            .read_one(|db| Ok(leases::roles(db, &request.project)?))?;
        Ok(roles.iter().any(|(had, _)| had == role))
    }
}

/// A leased port and the socket that listens on it; see [`Keeper::bind`].
#[derive(Debug)]
#[must_use = "dropping it closes the socket and releases the port"]
pub struct BoundPort {
    // Closed before the lease ends, so that nobody is given a port that still listens.
    listener: TcpListener,
    lease: Lease,
}

impl BoundPort {
    /// The port.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// The claim as it was granted.
    pub fn reservation(&self) -> Option<&Reservation> {
        self.lease.reservations().first()
    }

    /// The lease on the port.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The listening socket. On Unix its descriptor is closed in children; see
    /// [`command`](Self::command).
    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// The socket and the lease apart. Dropping the lease releases the port, whatever becomes of the
    /// socket.
    pub fn into_parts(self) -> (TcpListener, Lease) {
        (self.listener, self.lease)
    }
}

#[cfg(unix)]
mod handoff {
    use std::{ffi::OsStr, os::fd::OwnedFd, process::Command};

    use command_fds::{CommandFdExt, FdMapping};

    use super::BoundPort;
    use crate::error::{Error, Result};

    /// The first descriptor that `LISTEN_FDS` passes on, by `sd_listen_fds(3)`.
    const FIRST: i32 = 3;

    impl BoundPort {
        /// A command that runs `program` with the listening socket as its descriptor 3, in the way of
        /// `systemd`: `LISTEN_FDS` is 1 and `LISTEN_PID` the process's own id.
        ///
        /// The descriptor stays open across `exec`, also where it already was number 3. A shell sets
        /// `LISTEN_PID`, because only the child knows its id, and becomes the program; where there is
        /// no such program, it ends with 127.
        ///
        /// ```
        /// use portkeeper_core::{PortRequest, Strategy};
        ///
        /// # let keeper = portkeeper_core::Keeper::in_memory()?;
        /// let request = PortRequest::new("my-tests").range(20_000..=29_999).strategy(Strategy::Random);
        /// let bound = keeper.bind(request)?;
        /// let script = "import os, socket; s = socket.socket(fileno=3); \
        ///               print(os.environ['LISTEN_PID'] == str(os.getpid()), s.getsockname()[1])";
        /// let output = bound.command("python3")?.args(["-c", script]).output().unwrap();
        /// let expected = format!("True {}\n", bound.port());
        /// assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        /// # Ok::<(), portkeeper_core::Error>(())
        /// ```
        pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
            let failed = |error: &dyn std::fmt::Display| {
                Error::ScanFailed(format!(
                    "the socket of port {} cannot be handed over: {error}",
                    self.port()
                ))
            };
            let copy = self.listener.try_clone().map_err(|error| failed(&error))?;
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@""#])
                .arg(program)
                .env("LISTEN_FDS", "1")
                .env_remove("LISTEN_FDNAMES");
            command
                .fd_mappings(vec![FdMapping {
                    parent_fd: OwnedFd::from(copy),
                    child_fd: FIRST,
                }])
                .map_err(|error| failed(&error))?;
            Ok(command)
        }
    }
}
