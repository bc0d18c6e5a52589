//! Ends claims whose process ended or whose time is over.

use std::{collections::HashMap, sync::atomic::Ordering};

use rusqlite::Connection;
use serde_json::json;

use crate::{
    error::Result,
    host::{Earlier, Wanted},
    keeper::{Journal, Keeper, lease::lease_id},
    model::{
        Action, Details, Fate, LeaseTerms, Probe, Process, ProcessIdentity, Reservation, Socket,
        Status, StatusChange,
    },
    rules::{self, LeaseState},
    store::{Durability, Failure, leases, ports},
};

/// A lease that was found to have ended. It is named, so that a newer one on the port is left alone.
pub(super) struct Ended {
    port: u16,
    lease: String,
    how: Ending,
}

impl Ended {
    /// Whether the claim goes on, with another process.
    pub(super) fn is_inherited(&self) -> bool {
        matches!(self.how, Ending::Inherited(..))
    }

    /// Whether it is this lease that ended. One that was prolonged or held since keeps its name.
    fn is_of(&self, lease: &LeaseTerms, journal: &Journal) -> bool {
        let is_over = lease.expires_at.is_some_and(|end| end <= journal.now);
        let is_kept = lease.held && lease.owner.is_some();
        lease.id == self.lease && (is_over && !is_kept || !matches!(self.how, Ending::Expired))
    }
}

enum Ending {
    Expired,
    /// The owner is gone and nothing listens.
    Abandoned,
    /// The owner is gone and this process listens.
    Inherited(ProcessIdentity, Process),
}

impl Keeper {
    /// Sweeps, unless this keeper has done so within the present second.
    pub(super) fn sweep_lazily(&self) -> Result<()> {
        let now = self.host.now().timestamp();
        if self.swept.swap(now, Ordering::Relaxed) != now
            && let Err(error) = self.sweep()
        {
            self.swept.store(i64::MIN, Ordering::Relaxed);
            return Err(error);
        }
        Ok(())
    }

    /// Ends what has ended, of all claims, and tells whether anything had.
    pub(super) fn sweep(&self) -> Result<bool> {
        let rows = self.store.read_one(|db| Ok(ports::conditional(db)?))?;
        self.sweep_rows(&rows)
    }

    /// Ends what has ended, of these claims, and tells whether their rows have to be read again. The
    /// machine is looked at before the transaction.
    pub(super) fn sweep_rows(&self, rows: &[Reservation]) -> Result<bool> {
        let ended = self.ended(rows, None)?;
        if ended.is_empty() {
            return Ok(false);
        }
        self.store
            .write(self.durability(Durability::Normal), |tx| {
                settle(tx, &Journal::new(self), &ended)
            })?;
        Ok(true)
    }

    /// Which of these claims have ended. `listeners` are all of the machine's, where they are known.
    pub(super) fn ended(
        &self,
        rows: &[Reservation],
        listeners: Option<&[Socket]>,
    ) -> Result<Vec<Ended>> {
        let now = self.host.now();
        let mut fates: HashMap<ProcessIdentity, Fate> = HashMap::new();
        let mut ended = Vec::new();
        for row in rows {
            let Some(lease) = &row.lease else { continue };
            // Many ports have one owner, which is looked at once.
            let fate = |owner: &ProcessIdentity| {
                *fates
                    .entry(owner.clone())
                    .or_insert_with(|| self.host.fate(owner))
            };
            let state = rules::lease_state(lease, now, fate);
            let how = match state {
                LeaseState::Holds => continue,
                LeaseState::Expired => Ending::Expired,
                LeaseState::Orphaned => match self.heir(row.number, listeners)? {
                    Heir::None => Ending::Abandoned,
                    Heir::Process(identity, process) => Ending::Inherited(identity, process),
                    Heir::Unknown => continue,
                },
            };
            ended.push(Ended {
                port: row.number,
                lease: lease.id.clone(),
                how,
            });
        }
        Ok(ended)
    }

    /// Who listens on the port of an owner that is gone.
    fn heir(&self, port: u16, listeners: Option<&[Socket]>) -> Result<Heir> {
        let known = listeners.unwrap_or_default().iter();
        let mut sockets: Vec<&Socket> = known.filter(|socket| socket.port == port).collect();
        let read;
        // A server may have started since the listeners were read, before its parent ended.
        if sockets.is_empty() && self.host.probe(port)? != Probe::Free {
            read = self
                .host
                .look(Wanted::Server(port), &Earlier::default())?
                .sockets;
            sockets = read.iter().collect();
        }
        if sockets.is_empty() {
            return Ok(Heir::None);
        }
        let Some(process) = rules::main_process(&sockets) else {
            return Ok(Heir::Unknown);
        };
        // A process that ended since then is looked for again by the next sweep.
        Ok(match self.host.identity(process.pid) {
            Ok(Some(identity)) => Heir::Process(identity, process),
            Ok(None) | Err(_) => Heir::Unknown,
        })
    }
}

enum Heir {
    /// Nothing listens.
    None,
    Process(ProcessIdentity, Process),
    /// Something listens, and nobody can tell which process.
    Unknown,
}

/// Writes what became of the leases that are still the ones that were looked at.
pub(super) fn settle(
    db: &Connection,
    journal: &Journal,
    ended: &[Ended],
) -> Result<Vec<StatusChange>, Failure> {
    let mut changes = Vec::new();
    for end in ended {
        let Some(row) = ports::get(db, end.port)? else {
            continue;
        };
        let Some(lease) = row.lease.as_ref().filter(|lease| end.is_of(lease, journal)) else {
            continue;
        };
        // The claim is its project's still; only the right to use it has ended.
        let claim_is_over = match end.how {
            Ending::Expired => row.auto_release,
            Ending::Abandoned | Ending::Inherited(..) => row.auto_release && !lease.borrowed,
        };
        if !claim_is_over {
            let is_unused = matches!(end.how, Ending::Abandoned);
            if vacate(db, journal, &row, is_unused, "its process ended")? {
                changes.push(StatusChange {
                    port: row.number,
                    project_name: row.project_name.clone(),
                    from: row.status,
                    to: Status::Reserved,
                    process: None,
                });
            }
            continue;
        }
        let (after, reason) = match &end.how {
            Ending::Expired => (rules::hand_back(&row, journal.now), "its time was over"),
            Ending::Abandoned => (rules::hand_back(&row, journal.now), "its process ended"),
            Ending::Inherited(identity, process) => {
                let mut after = row.clone();
                after.status = Status::InUse;
                after.pid = Some(process.pid);
                after.process_name = Some(process.name.clone());
                after.last_seen_at = Some(journal.now);
                after.updated_at = journal.now;
                if let Some(lease) = &mut after.lease {
                    lease.id = lease_id()?;
                    lease.owner = Some(identity.clone());
                    lease.held = false;
                    lease.borrowed = false;
                }
                (after, "its process ended, and another one listens")
            }
        };
        let mut details = Details::from_iter([
            ("reason".to_owned(), json!(reason)),
            ("leaseId".to_owned(), json!(lease.id)),
        ]);
        if let Some(owner) = &lease.owner {
            details.insert("previousPid".to_owned(), json!(owner.pid));
        }
        let action = rules::claim_action(after.status);
        if action == Action::Released {
            leases::remove(db, row.number)?;
        }
        journal.write(db, &after, action, &details)?;
        changes.push(StatusChange {
            port: row.number,
            project_name: row.project_name.clone(),
            from: row.status,
            to: after.status,
            process: match &end.how {
                Ending::Inherited(_, process) => Some(process.clone()),
                _ => None,
            },
        });
    }
    Ok(changes)
}

/// Takes the owner from a claim that goes on without it, and its end from one that lasts. A port that
/// `is_unused` since then is no longer in use; tells whether it was.
pub(super) fn vacate(
    db: &Connection,
    journal: &Journal,
    row: &Reservation,
    is_unused: bool,
    reason: &str,
) -> Result<bool, Failure> {
    let end = row.lease.as_ref().and_then(|lease| lease.expires_at);
    let lease = LeaseTerms {
        id: lease_id()?,
        role: row.role().map(str::to_owned),
        owner: None,
        held: false,
        borrowed: false,
        expires_at: end.filter(|_| row.auto_release),
    };
    let lease = (lease.role.is_some() || lease.expires_at.is_some()).then_some(lease);
    match &lease {
        Some(lease) => leases::put(db, row.number, lease, journal.now)?,
        None => leases::remove(db, row.number)?,
    }
    // Nobody would say so before the next scan, which may be days away.
    let was_used = is_unused && row.status == Status::InUse;
    if was_used {
        let after = Reservation {
            status: Status::Reserved,
            pid: None,
            process_name: None,
            updated_at: journal.now,
            lease,
            ..row.clone()
        };
        let mut details = Details::from_iter([("reason".to_owned(), json!(reason))]);
        if let Some(owner) = row.owner() {
            details.insert("previousPid".to_owned(), json!(owner.pid));
        }
        journal.write(db, &after, Action::Reserved, &details)?;
    }
    Ok(was_used)
}
