//! The way between the thread of JavaScript and those that work.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use napi::{
    Env, Status,
    bindgen_prelude::{Either, FnArgs, Function, Unknown},
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};
use napi_derive::napi;
use portkeeper_core::{Error, ErrorKind, Keeper, Progress, Result};

use crate::{
    args::{Args, invalid},
    guards::Guards,
    lanes::{self, Pool},
    ops::{self, Context, Opening, Plan},
    outcome::{Answer, Outcome},
    record::{ProgressReport, Project},
};

/// What a working thread tells JavaScript about call number `id`.
pub enum Message {
    Progress(u32, Progress),
    Done(u32, Outcome),
}

type Arguments = FnArgs<(u32, Either<ProgressReport, Outcome>)>;
/// Weak: it is `lib/call.cjs` that keeps the process alive, while a call is pending.
type Deliver = ThreadsafeFunction<Message, Unknown<'static>, Arguments, Status, false, true>;

/// The bridge of one JavaScript environment: the main thread's or a worker's.
#[napi]
pub struct Bridge {
    shared: Arc<Shared>,
}

struct Shared {
    deliver: Deliver,
    guards: Arc<Guards>,
    /// The environment has ended, and with it every wait.
    closed: Arc<AtomicBool>,
}

impl Shared {
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.guards.release_all();
    }
}

/// A registry that was opened.
#[napi]
pub struct Registry {
    keeper: Mutex<Option<Keeper>>,
    /// They take turns in the database anyway.
    writers: Arc<Pool>,
}

/// Ends a call's waits.
#[napi]
pub struct Stop {
    stopped: Arc<AtomicBool>,
}

#[napi]
impl Stop {
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self {
            stopped: Arc::default(),
        }
    }

    #[napi]
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

#[napi]
impl Registry {
    /// The file of the registry; `None` when it is closed.
    #[napi(getter)]
    pub fn path(&self) -> Option<String> {
        let keeper = self.lock();
        keeper
            .as_ref()
            .map(|keeper| keeper.path().to_string_lossy().into_owned())
    }

    #[napi]
    pub fn close(&self) {
        let keeper = self.lock().take();
        drop(keeper);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Keeper>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeper(&self) -> Result<Keeper> {
        let keeper = self.lock().clone();
        keeper.ok_or_else(|| invalid("keeper", "", "is closed"))
    }
}

#[napi]
impl Bridge {
    /// `deliver(id, message)` gets `{ value }`, `{ error }` or `{ operation, done, total }`.
    #[napi(constructor)]
    pub fn new(env: Env, deliver: Function<'_, Arguments, Unknown<'static>>) -> napi::Result<Self> {
        let builder = deliver.build_threadsafe_function::<Message>();
        let weak = builder.callee_handled::<false>().weak::<true>();
        let deliver = weak.build_callback(|call| {
            Ok(FnArgs::from(match call.value {
                Message::Progress(id, progress) => (id, Either::A(progress.into())),
                Message::Done(id, outcome) => (id, Either::B(outcome)),
            }))
        })?;
        let shared = Arc::new(Shared {
            deliver,
            guards: Arc::default(),
            closed: Arc::default(),
        });
        // Of a worker that is terminated, which has no other end.
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| shared.close())?;
        Ok(Self { shared })
    }

    /// Ends every wait and gives back what is kept, since the environment ends.
    #[napi]
    pub fn close(&self) {
        self.shared.close();
    }

    /// Opens a registry; the value is a `Registry`.
    #[napi]
    pub fn open(&self, id: u32, args: Args, stop: Option<&Stop>) -> Option<Outcome> {
        let plan = match Outcome::checked(|| Opening::read(args)) {
            Ok(plan) => plan,
            Err(error) => return Some(Outcome(Err(error))),
        };
        let stopped = self.question(stop);
        let reply = Reply::new(&self.shared, id);
        let work = move || reply.send(Outcome::of(|| plan.open(stopped)));
        lanes::alone(Box::new(work));
        None
    }

    /// Opens a registry on the thread of JavaScript.
    #[napi]
    pub fn open_sync(args: Args) -> Outcome {
        Outcome::of(|| Opening::read(args)?.open(|| false))
    }

    /// What a folder is called as a project.
    #[napi]
    pub fn detect_project(path: String) -> Outcome {
        Outcome::of(|| {
            let project = portkeeper_core::Project::detect(path)?;
            Ok(Answer::of(Project::from(project)))
        })
    }

    /// The stable number of every error's name.
    #[napi]
    pub fn error_numbers() -> HashMap<String, i32> {
        let all = ErrorKind::ALL.iter();
        all.map(|kind| (kind.name().to_owned(), kind.code()))
            .collect()
    }

    /// Whether a call is to end, because its caller or its environment says so.
    fn question(&self, stop: Option<&Stop>) -> impl Fn() -> bool + Clone + Send + Sync + 'static {
        let closed = Arc::clone(&self.shared.closed);
        let stopped = stop.map(|stop| Arc::clone(&stop.stopped));
        let stopped = stopped.unwrap_or_default();
        move || stopped.load(Ordering::Relaxed) || closed.load(Ordering::Relaxed)
    }

    /// Starts an operation; what it says is delivered later, unless it is refused at once. Of the
    /// arguments, `placed` are no options.
    #[napi]
    pub fn call(
        &self,
        id: u32,
        registry: &Registry,
        operation: String,
        args: Args,
        placed: Vec<String>,
        stop: Option<&Stop>,
    ) -> Option<Outcome> {
        let args = args.placed(placed);
        let planned = Outcome::checked(|| Ok((registry.keeper()?, ops::plan(&operation, args)?)));
        let (keeper, Plan { lane, run }) = match planned {
            Ok(planned) => planned,
            Err(error) => return Some(Outcome(Err(error))),
        };
        let asked = self.question(stop);
        let reply = Reply::new(&self.shared, id);
        let work = Box::new(move || {
            let outcome = Outcome::of(|| {
                if asked() {
                    return Err(Error::Cancelled("a call"));
                }
                let report = |progress| reply.progress(progress);
                let context = Context {
                    guards: &reply.shared.guards,
                    stopped: &asked,
                    progress: &report,
                };
                run(&keeper.interruptible(asked.clone()), &context)
            });
            reply.send(outcome);
        });
        lane.run(&registry.writers, work);
        None
    }

    /// Runs an operation on the thread of JavaScript.
    #[napi]
    pub fn call_sync(
        &self,
        registry: &Registry,
        operation: String,
        args: Args,
        placed: Vec<String>,
    ) -> Outcome {
        let args = args.placed(placed);
        Outcome::of(|| {
            let keeper = registry.keeper()?;
            let context = Context {
                guards: &self.shared.guards,
                stopped: &|| false,
                progress: &|_| {},
            };
            (ops::plan(&operation, args)?.run)(&keeper, &context)
        })
    }
}

/// The answer that a call is owed. Work that ends without one, or never begins, answers too.
struct Reply {
    shared: Arc<Shared>,
    id: u32,
    is_sent: bool,
}

impl Reply {
    fn new(shared: &Arc<Shared>, id: u32) -> Self {
        Self {
            shared: Arc::clone(shared),
            id,
            is_sent: false,
        }
    }

    fn progress(&self, progress: Progress) {
        self.deliver(Message::Progress(self.id, progress));
    }

    fn send(mut self, outcome: Outcome) {
        self.is_sent = true;
        self.deliver(Message::Done(self.id, outcome));
    }

    fn deliver(&self, message: Message) {
        // A message to an environment that has ended is dropped, and with it the lease it may hold.
        let mode = ThreadsafeFunctionCallMode::NonBlocking;
        let _: Status = self.shared.deliver.call(message, mode);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.is_sent {
            let error = Error::Internal("there was no thread for the call".to_owned());
            self.deliver(Message::Done(self.id, Outcome(Err(error))));
        }
    }
}

impl From<Keeper> for Registry {
    fn from(keeper: Keeper) -> Self {
        Self {
            keeper: Mutex::new(Some(keeper)),
            writers: Pool::new(4),
        }
    }
}

impl Answer {
    /// A `Registry`.
    pub fn registry(keeper: Keeper) -> Self {
        Self::with(move || Ok(Registry::from(keeper)))
    }
}
