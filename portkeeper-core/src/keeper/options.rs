use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::AtomicI64},
    time::Duration,
};

use crate::{
    error::{Error, ErrorKind, Result},
    host::{Host, System},
    keeper::Keeper,
    stop::Stop,
    store::{Durability, Location, Store, file_system},
    value,
};

/// How to open a [`Keeper`].
///
/// ```
/// use portkeeper_core::{Durability, Options};
///
/// let keeper = Options::new().in_memory().actor("nightly tests").open()?;
/// # Ok::<(), portkeeper_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    location: Option<Location>,
    host: Arc<dyn Host>,
    actor: Option<String>,
    durability: Option<Durability>,
    busy_timeout: Duration,
    allow_network_file_system: bool,
    stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// What [`Keeper::open`] uses.
    pub fn new() -> Self {
        Self {
            location: None,
            host: Arc::new(System),
            actor: None,
            durability: None,
            busy_timeout: Duration::from_secs(10),
            allow_network_file_system: false,
            stop: Stop::default(),
        }
    }

    /// The file of the registry.
    #[must_use]
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        self.location = Some(Location::File(path.as_ref().to_owned()));
        self
    }

    /// No file: the registry vanishes with the keeper.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.location = Some(Location::Memory);
        self
    }

    /// Who the history says did it: 1–200 characters. By default the program's name and pid.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// The durability of every write. By default claims survive a power cut, and what a scan finds
    /// or a process's end would undo anyway is written without waiting for the disk.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// How long to wait for other writers before `DATABASE_BUSY`; 10 seconds by default.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Whether the registry may be on a network or FUSE file system, which is `UNSUPPORTED` otherwise. The
    /// environment variable `PORTKEEPER_ALLOW_NETWORK_FILE_SYSTEM=1` allows it, too.
    ///
    /// Such a file system may lose what was acknowledged once a second machine, or a program that goes past
    /// the mount, uses the same file.
    #[must_use]
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.allow_network_file_system = allow;
        self
    }

    /// Lets the caller stop every wait, of the opening too: see [`Keeper::interruptible`].
    #[must_use]
    pub fn interruptible(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Stop::new(stop);
        self
    }

    /// Another machine than the real one, and another clock, for tests.
    #[must_use]
    pub fn host(mut self, host: Arc<dyn Host>) -> Self {
        self.host = host;
        self
    }

    /// Opens the registry.
    pub fn open(self) -> Result<Keeper> {
        if let Some(actor) = &self.actor {
            value::actor(actor)?;
        }
        let location = match self.location {
            Some(location) => location,
            None => Location::File(default_path()?),
        };
        if let Location::File(path) = &location
            && !self.allow_network_file_system
            && env::var_os(file_system::OVERRIDE).is_none_or(|value| value != "1")
        {
            file_system::check(path)?;
        }
        Ok(Keeper {
            store: Store::open(location, self.busy_timeout, self.stop.clone())?,
            host: self.host,
            actor: self.actor.map(Arc::from),
            durability: self.durability,
            swept: Arc::new(AtomicI64::new(i64::MIN)),
            memory: Arc::default(),
            stop: self.stop,
        })
    }
}

fn default_path() -> Result<PathBuf> {
    let set = |value: &OsString| !value.is_empty();
    if let Some(path) = env::var_os("PORTKEEPER_DB_PATH").filter(set) {
        return Ok(path.into());
    }
    match env::home_dir().filter(|home| home.is_absolute()) {
        Some(home) => Ok(home.join(".portkeeper").join("database.db")),
        None => Err(Error::Database {
            kind: ErrorKind::DatabaseError,
            path: PathBuf::from("~/.portkeeper/database.db"),
            reason: "the home directory is not known; set PORTKEEPER_DB_PATH".to_owned(),
            source: None,
        }),
    }
}

/// The file name of this program, without its folder and extension.
pub(super) fn program_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    if let Some(name) = NAME.get() {
        return name;
    }
    // Found out outside of the lock, which a fork at that moment would leave locked for ever.
    let program = env::current_exe().ok();
    let name = match program.as_deref().and_then(Path::file_stem) {
        Some(stem) => stem.to_string_lossy().into_owned(),
        None => "unknown".to_owned(),
    };
    NAME.get_or_init(|| name)
}
