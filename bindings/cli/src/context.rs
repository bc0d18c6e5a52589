//! What every command is given.

use std::path::PathBuf;

use portkeeper_core::{Keeper, Options, Project};

use crate::{cli::Global, failure::Outcome, interrupt::Interrupt};

/// The options that every command has, and the way to the registry.
pub struct Context {
    db: Option<PathBuf>,
    json: bool,
    allow_network_file_system: bool,
}

impl Context {
    /// From the command line.
    pub fn new(global: Global) -> Self {
        Self {
            db: global.db,
            json: global.json,
            allow_network_file_system: global.allow_network_file_system,
        }
    }

    /// Whether the answer is for a program.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Opens the registry.
    pub fn keeper(&self) -> Outcome<Keeper> {
        let mut options = Options::new().allow_network_file_system(self.allow_network_file_system);
        if let Some(path) = &self.db {
            options = options.path(path);
        }
        Ok(options.open()?)
    }

    /// Opens the registry for a command that may take long, and that Ctrl-C is to end cleanly.
    pub fn interruptible(&self) -> Outcome<(Keeper, Interrupt)> {
        let interrupt = Interrupt::listen()?;
        let asked = interrupt.clone();
        let keeper = self.keeper()?.interruptible(move || asked.happened());
        Ok((keeper, interrupt))
    }
}

/// The project that was named, or the one of the current folder.
pub fn project(named: Option<String>) -> Outcome<String> {
    match named {
        Some(name) => Ok(name),
        None => Ok(Project::detect(".")?.id()),
    }
}
