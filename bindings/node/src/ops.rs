//! The operations by name, with the arguments that they share with every other language.

use std::{ops::ControlFlow, sync::Arc};

use portkeeper_core::{Durability, Keeper, Options, Progress, Result, Watch};

use crate::{
    args::{Args, invalid},
    guards::Guards,
    lanes::Lane,
    outcome::Answer,
};

mod care;
mod claims;
mod guarded;
mod machine;
mod transfer;

/// What an operation may use beside the keeper.
pub struct Context<'a> {
    pub guards: &'a Arc<Guards>,
    /// Whether the caller wants it to end.
    pub stopped: &'a dyn Fn() -> bool,
    pub progress: &'a dyn Fn(Progress),
}

impl<'a> Context<'a> {
    /// Tells the caller how far a long operation is, and stops it for them.
    fn watch(&'a self) -> Watch<'a> {
        Watch::new(|progress| {
            (self.progress)(progress);
            if (self.stopped)() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    }
}

type Run = Box<dyn FnOnce(&Keeper, &Context<'_>) -> Result<Answer> + Send>;

/// An operation whose arguments were read.
pub struct Plan {
    pub lane: Lane,
    pub run: Run,
}

impl Plan {
    /// A `Result`, since every plan ends with it, after arguments that may have been refused.
    #[allow(clippy::unnecessary_wraps)]
    fn new(
        lane: Lane,
        run: impl FnOnce(&Keeper, &Context<'_>) -> Result<Answer> + Send + 'static,
    ) -> Result<Self> {
        Ok(Self {
            lane,
            run: Box::new(run),
        })
    }
}

/// Reads the arguments of an operation, all of them.
pub fn plan(operation: &str, mut args: Args) -> Result<Plan> {
    let plan = claims::plan(operation, &mut args)
        .or_else(|| guarded::plan(operation, &mut args))
        .or_else(|| machine::plan(operation, &mut args))
        .or_else(|| transfer::plan(operation, &mut args))
        .or_else(|| care::plan(operation, &mut args));
    let plan = plan.ok_or_else(|| invalid("operation", operation, "is not known"))??;
    args.finish(operation)?;
    Ok(plan)
}

/// How to open a registry.
pub struct Opening(Options);

impl Opening {
    pub fn read(mut args: Args) -> Result<Self> {
        let mut options = Options::new();
        let path = args.text("path")?;
        let in_memory = args.flag("inMemory")?;
        match path {
            Some(path) if in_memory => {
                return Err(invalid("path", path, "is given for a registry in memory"));
            }
            Some(path) if path.is_empty() => return Err(invalid("path", path, "is empty")),
            Some(path) => options = options.path(path),
            None if in_memory => options = options.in_memory(),
            None => {}
        }
        if let Some(actor) = args.text("actor")? {
            options = options.actor(actor);
        }
        if let Some(durability) = args.word::<Durability>("durability")? {
            options = options.durability(durability);
        }
        if let Some(timeout) = args.duration("busyTimeout")? {
            options = options.busy_timeout(timeout);
        }
        options = options.allow_network_file_system(args.flag("allowNetworkFileSystem")?);
        args.finish("open")?;
        Ok(Self(options))
    }

    /// `stopped` is asked while the registry is waited for.
    pub fn open(self, stopped: impl Fn() -> bool + Send + Sync + 'static) -> Result<Answer> {
        self.0.interruptible(stopped).open().map(Answer::registry)
    }
}
