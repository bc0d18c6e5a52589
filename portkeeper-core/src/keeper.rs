//! The façade: one method is one operation.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicI64},
};

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use crate::{
    error::{Error, Result},
    host::Host,
    model::{Action, Details, ProcessIdentity, Reservation},
    stop::Stop,
    store::{self, Durability, Store, history::NewEntry},
};

mod backup;
mod bind;
mod claim;
mod configurations;
mod dump;
mod export;
mod hold;
mod import;
mod kill;
mod lease;
mod maintenance;
mod memory;
mod options;
mod query;
mod ready;
mod request;
mod restore;
mod scan;
mod sweep;

pub use bind::BoundPort;
pub use hold::Hold;
pub use lease::Lease;
use memory::Memory;
pub use options::Options;

/// The registry of this machine's ports.
///
/// Every process of a user opens the same database, so that a Rust tool, a test run and a dev
/// server never hand out the same port twice. A keeper is `Send + Sync`; a clone is cheap and uses the
/// same connection. After a `fork` the child may go on using it; it opens a connection of its own.
///
/// ```
/// use portkeeper_core::{Keeper, ReserveRequest, Verdict};
///
/// let keeper = Keeper::in_memory()?;                  // Keeper::open()? for the user's registry
/// keeper.reserve(3000, ReserveRequest::new("my-app").description("React dev server"))?;
///
/// match keeper.check(3000)?.verdict {
///     Verdict::Reserved { project, since } => println!("{project} has it since {since}"),
///     other => println!("{other}"),
/// }
/// keeper.release(3000)?;
/// # Ok::<(), portkeeper_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Keeper {
    store: Store,
    host: Arc<dyn Host>,
    actor: Option<Arc<str>>,
    durability: Option<Durability>,
    /// The second of the last sweep, since 1970.
    swept: Arc<AtomicI64>,
    memory: Arc<Memory>,
    stop: Stop,
}

impl Keeper {
    /// Opens the user's registry: `PORTKEEPER_DB_PATH` where it is set, else
    /// `~/.portkeeper/database.db`. It is created, readable by the user alone, where it is missing.
    ///
    /// Fails with `DATABASE_CORRUPT`, `SCHEMA_MISMATCH` or `SCHEMA_TOO_NEW` on a file that is no
    /// registry or not this version's, and leaves such a file as it is. An empty file is one that lost
    /// what it held, and no new registry.
    pub fn open() -> Result<Self> {
        Options::new().open()
    }

    /// Opens the registry in the file `path`, and creates it where it is missing.
    pub fn open_at(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().path(path.as_ref()).open()
    }

    /// A registry of its own that vanishes with the keeper, for tests.
    ///
    /// It looks at the real machine. [`Options::host`] replaces that too.
    pub fn in_memory() -> Result<Self> {
        Options::new().in_memory().open()
    }

    /// The file of the registry; `:memory:` for one without.
    pub fn path(&self) -> &Path {
        self.store.path()
    }

    /// The same registry, whose waits can be stopped: for other writers of a busy database, in
    /// [`wait_ready`](Self::wait_ready), and for the processes that [`kill`](Self::kill) ends.
    ///
    /// A waiting operation asks `stop` every 50 ms or more often, on its caller's thread, and ends with
    /// `CANCELLED` once the answer is `true`. What it did is undone, but for a signal that a process got
    /// already. Operations that need not wait never ask, and giving back what a
    /// [`Lease`] or a [`Hold`] has cannot be stopped.
    ///
    /// ```
    /// use std::{
    ///     sync::{Arc, atomic::{AtomicBool, Ordering}},
    ///     time::Duration,
    /// };
    ///
    /// use portkeeper_core::{ErrorKind, Keeper};
    ///
    /// let keeper = Keeper::in_memory()?;
    /// let stopped = Arc::new(AtomicBool::new(false));
    /// let asked = Arc::clone(&stopped);
    /// let waiting = keeper.interruptible(move || asked.load(Ordering::Relaxed));
    ///
    /// stopped.store(true, Ordering::Relaxed);           // by another thread, or a signal handler
    /// let error = waiting.wait_ready(29_876, Duration::from_secs(60)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Cancelled);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    #[must_use = "the keeper itself stays as it is"]
    pub fn interruptible(&self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stopped_by(Stop::new(stop))
    }

    /// The same registry, whose waits nobody stops.
    fn patient(&self) -> Self {
        self.stopped_by(Stop::default())
    }

    fn stopped_by(&self, stop: Stop) -> Self {
        Self {
            store: self.store.stopped_by(stop.clone()),
            stop,
            ..self.clone()
        }
    }

    /// Who this keeper says it is in the history.
    fn actor(&self) -> String {
        match &self.actor {
            Some(actor) => actor.to_string(),
            // Asked each time: a forked child is somebody else.
            None => format!("{} (pid {})", options::program_name(), std::process::id()),
        }
    }

    /// This process, as a lease names its owner.
    fn this_process(&self) -> Result<ProcessIdentity> {
        let me = self.host.identity(std::process::id())?;
        me.ok_or_else(|| Error::ScanFailed("this process was not found".to_owned()))
    }

    /// How durable the claims of this kind are, unless the options say it for all.
    fn durability(&self, usual: Durability) -> Durability {
        self.durability.unwrap_or(usual)
    }
}

/// Writes a row, its lease, and the one history entry that belongs to the change. Who ends a lease
/// removes it before: a row without one leaves the table of leases alone.
struct Journal {
    actor: String,
    now: DateTime<Utc>,
}

impl Journal {
    fn new(keeper: &Keeper) -> Self {
        Self {
            actor: keeper.actor(),
            now: keeper.host.now(),
        }
    }

    fn write(
        &self,
        db: &Connection,
        row: &Reservation,
        action: Action,
        details: &Details,
    ) -> rusqlite::Result<()> {
        store::ports::put(db, row)?;
        if let Some(lease) = &row.lease {
            store::leases::put(db, row.number, lease, self.now)?;
        }
        store::history::append(
            db,
            &NewEntry {
                port: row.number,
                action,
                project: Some(&row.project_name),
                description: row.description.as_deref(),
                performed_by: &self.actor,
                performed_at: self.now,
                details,
            },
        )
    }

    /// Writes an entry for a port that nobody has claimed; it needs a row, which stays as it is.
    fn note(
        &self,
        db: &Connection,
        port: u16,
        action: Action,
        details: &Details,
    ) -> rusqlite::Result<()> {
        store::history::append(
            db,
            &NewEntry {
                port,
                action,
                project: None,
                description: None,
                performed_by: &self.actor,
                performed_at: self.now,
                details,
            },
        )
    }
}
