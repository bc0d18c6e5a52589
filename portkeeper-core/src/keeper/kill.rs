//! Ending what listens on a port.

use crate::{
    error::{Error, Result},
    keeper::{Journal, Keeper},
    model::{Action, KillReport, KilledProcess, Reservation, Status},
    request::KillRequest,
    rules,
    store::{Durability, ports},
    value,
};

mod rounds;

use rounds::Rounds;

impl Keeper {
    /// Ends the processes that listen on a port, TCP and UDP, and never its clients.
    ///
    /// They get `SIGTERM`, and `SIGKILL` where they still run after the
    /// [`grace`](KillRequest::grace), also those that have stopped listening by then. A server of
    /// several processes that share the socket is ended wholly, with the workers that it starts
    /// meanwhile. This returns when nobody listens and all of them have ended, two seconds after
    /// the grace at the latest. The claim on the port stays its project's, and the history gets one
    /// entry, [`Action::Killed`]; where nobody listened the report is empty and nothing is written.
    ///
    /// Left alone are the first process, the caller, its ancestors, the kernel, and processes of
    /// another pid namespace. Where one of these listens, nobody is signalled, and the error,
    /// `PROCESS_KILL_ERROR`, says who and why. The same error names a process that does not end.
    /// `PERMISSION_DENIED` means a process of another user. On Linux a process that ends
    /// meanwhile and whose pid comes back is told apart by its pidfd (Linux 5.3; else
    /// `UNSUPPORTED`), elsewhere by its start time.
    ///
    /// When others were ended before an error, that is in the history too. When the registry cannot
    /// be written, the error says so though the processes have ended.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use portkeeper_core::{Keeper, KillRequest};
    ///
    /// let keeper = Keeper::open()?;
    /// keeper.kill(3000)?;
    /// for process in keeper.kill(KillRequest::port(3001).grace(Duration::from_secs(30)))?.killed {
    ///     println!("{} (pid {}) ended, forced: {}", process.name, process.pid, process.forced);
    /// }
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    ///
    /// The caller is safe from itself:
    ///
    /// ```
    /// use portkeeper_core::ErrorKind;
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let port = own.local_addr().unwrap().port();
    /// let refusal = keeper.kill(port).unwrap_err();
    /// assert_eq!(refusal.kind(), ErrorKind::ProcessKillError);
    /// assert_eq!(refusal.pid(), Some(std::process::id()));
    ///
    /// drop(own);
    /// assert!(keeper.kill(port)?.killed.is_empty());
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn kill(&self, request: impl Into<KillRequest>) -> Result<KillReport> {
        let KillRequest { port, grace } = request.into();
        let port = value::port(port)?;
        let mut rounds = Rounds::new(self.host.as_ref(), port, grace, self.stop.clone());
        let outcome = rounds.run();
        let is_stopped = matches!(outcome, Err(Error::Cancelled(_)));
        let killed = match (rounds.killed(is_stopped), &outcome) {
            (Ok(killed), _) => killed,
            // The first error is the one to report.
            (Err(_), Err(_)) => Vec::new(),
            (Err(error), Ok(())) => return Err(error),
        };
        let recorded = if killed.is_empty() {
            self.get(port)
        } else {
            // Who was ended is said in any case.
            self.patient().record(port, &killed, outcome.as_ref().err())
        };
        outcome?;
        let reservation = recorded?.filter(|row| row.status != Status::Free);
        Ok(KillReport {
            port,
            killed,
            reservation,
        })
    }

    fn record(
        &self,
        port: u16,
        killed: &[KilledProcess],
        failure: Option<&Error>,
    ) -> Result<Option<Reservation>> {
        self.store.write(self.durability(Durability::Full), |tx| {
            let journal = Journal::new(self);
            let before = ports::get(tx, port)?;
            let row = rules::after_kill(port, before.as_ref(), journal.now);
            let claimed = row.status != Status::Free;
            let details = rules::kill_details(killed, claimed, failure);
            if claimed {
                journal.write(tx, &row, Action::Killed, &details)?;
            } else {
                if before.is_none() {
                    ports::put(tx, &row)?;
                }
                journal.note(tx, port, Action::Killed, &details)?;
            }
            Ok(Some(row))
        })
    }
}
