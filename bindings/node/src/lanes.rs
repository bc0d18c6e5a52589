//! The threads that work for JavaScript.
//!
//! None of them is libuv's: it has four, shared with every file and every name lookup of the process,
//! and four calls that wait for a busy database would stop them all. Nor do slow calls stop quick ones
//! here: each kind has a lane of its own.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

/// Work that does not panic. It answers also when it is dropped without having run.
pub type Job = Box<dyn FnOnce() + Send>;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(5);

/// How long an operation may take, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Reads the registry: microseconds, and never waits for a writer.
    Read,
    /// Writes, and may wait for other writers as long as the busy timeout says.
    Write,
    /// Looks at all processes of the machine.
    Machine,
    /// Waits for a process, or goes through the whole registry: a thread of its own.
    Long,
}

impl Lane {
    /// Runs `job` on a thread of this lane, and drops it where there can be none. Writers wait for
    /// those of the same registry, whose pool is `writers`, and for no others.
    pub fn run(self, writers: &Arc<Pool>, job: Job) {
        match self {
            Self::Read => READ.get_or_init(|| Pool::new(2)).push(job),
            Self::Write => writers.push(job),
            Self::Machine => MACHINE.get_or_init(|| Pool::new(2)).push(job),
            Self::Long => alone(job),
        }
    }
}

/// Runs `job` on a thread of its own.
pub fn alone(job: Job) {
    drop(named().spawn(job));
}

static READ: OnceLock<Arc<Pool>> = OnceLock::new();
static MACHINE: OnceLock<Arc<Pool>> = OnceLock::new();

/// Threads that come with the work and go when there is none.
pub struct Pool {
    most: usize,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// At most this many threads.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                threads: 0,
                idle: 0,
            }),
            work: Condvar::new(),
        })
    }

    fn push(self: &Arc<Self>, job: Job) {
        let mut state = lock(&self.state);
        state.queue.push_back(job);
        if state.queue.len() > state.idle && state.threads < self.most {
            let pool = Arc::clone(self);
            if named().spawn(move || pool.serve()).is_ok() {
                state.threads += 1;
            } else if state.threads == 0 {
                let refused = state.queue.pop_back();
                // It answers when it is dropped, which is none of this lock's business.
                drop(state);
                drop(refused);
                return;
            }
        }
        drop(state);
        self.work.notify_one();
    }

    fn serve(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                job();
                state = lock(&self.state);
                continue;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, IDLE);
            let timed_out;
            (state, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if timed_out.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

fn named() -> thread::Builder {
    thread::Builder::new().name("portkeeper".to_owned())
}

/// No job panics, and what the lock guards is whole between two statements anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
