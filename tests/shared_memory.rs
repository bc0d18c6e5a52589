//! What threads of one process share, under a scheduler that tries the orders of events: the chain of
//! connections before and after a fork, and the list of those that are open.
//!
//! `store/generation.rs` is compiled in with the locks of shuttle, and with a connection and a pid of the test's.

#![allow(dead_code, unused_imports, clippy::let_unit_value)]

mod error {
    #[derive(Debug)]
    pub enum Error {
        Unsupported(String),
    }
}

mod stop {
    #[derive(Default)]
    pub struct Stop(());
}

#[path = "../portkeeper-core/src/store"]
mod store {
    pub(crate) mod generation;

    pub(super) const MEMORY: &str = ":memory:";

    #[derive(Debug)]
    pub(crate) struct Failure(pub crate::error::Error);

    impl From<crate::error::Error> for Failure {
        fn from(error: crate::error::Error) -> Self {
            Self(error)
        }
    }

    /// A connection that notes what becomes of it.
    pub(crate) mod connection {
        use std::cell::Cell;

        thread_local! {
            // Shuttle runs the threads of a schedule on one thread of the system.
            pub static EVENTS: Cell<Events> = const { Cell::new(Events::NONE) };
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Events {
            pub opened: u32,
            pub closed: u32,
            /// In a child, without a word to the database.
            pub let_go: u32,
        }

        impl Events {
            pub const NONE: Self = Self {
                opened: 0,
                closed: 0,
                let_go: 0,
            };
        }

        pub fn note(change: impl FnOnce(&mut Events)) {
            let mut events = EVENTS.get();
            change(&mut events);
            EVENTS.set(events);
        }

        #[derive(Debug)]
        pub struct Link {
            pub is_idle: bool,
        }

        impl Link {
            pub fn open() -> Self {
                note(|events| events.opened += 1);
                Self { is_idle: true }
            }

            pub fn is_idle(&self) -> bool {
                self.is_idle
            }

            pub fn close_without_checkpoint(self) {
                note(|events| events.let_go += 1);
                std::mem::forget(self);
            }
        }

        impl Drop for Link {
            fn drop(&mut self) {
                note(|events| events.closed += 1);
            }
        }
    }

    pub(super) mod retry {
        use std::time::Duration;

        use crate::{error::Error, stop::Stop};

        pub struct Patience;

        impl Patience {
            pub fn new(_timeout: Duration, _stop: Stop) -> Self {
                Self
            }

            #[allow(clippy::unnecessary_wraps, reason = "as the engine's")]
            pub fn pause(&self) -> Result<bool, Error> {
                shuttle::thread::yield_now();
                Ok(true)
            }
        }
    }

    /// A fork that nobody announced is what is tested.
    pub(super) mod still {
        pub fn enter() {}
    }

    /// Shuttle's locks, and a pid that the test sets.
    pub(crate) mod sync {
        use std::{
            any::Any,
            cell::{Cell, RefCell},
            marker::PhantomData,
            mem,
        };

        pub use shuttle::sync::{Arc, Mutex, MutexGuard};
        pub use std::sync::{PoisonError, TryLockError};

        thread_local! {
            static PID: Cell<u32> = const { Cell::new(1) };
            static GLOBAL: RefCell<Option<&'static dyn Any>> = const { RefCell::new(None) };
        }

        pub fn process_id() -> u32 {
            PID.get()
        }

        pub fn become_process(pid: u32) {
            PID.set(pid);
        }

        /// A new one for each schedule.
        pub fn forget_global() {
            GLOBAL.set(None);
        }

        pub struct Global<T>(PhantomData<fn() -> T>);

        impl<T: Default + 'static> Global<T> {
            pub const fn new(value: T) -> Self {
                // An empty list, which is made anew for each schedule.
                mem::forget(value);
                Self(PhantomData)
            }

            pub fn try_lock(
                &self,
            ) -> Result<MutexGuard<'static, T>, TryLockError<MutexGuard<'static, T>>> {
                let any = GLOBAL.with_borrow_mut(|global| {
                    *global.get_or_insert_with(|| Box::leak(Box::new(Mutex::new(T::default()))))
                });
                any.downcast_ref::<Mutex<T>>().unwrap().try_lock()
            }
        }

        #[derive(Debug)]
        pub struct OnceLock<T> {
            making: Mutex<()>,
            value: std::sync::OnceLock<T>,
        }

        impl<T> OnceLock<T> {
            pub const fn new() -> Self {
                Self {
                    making: Mutex::new(()),
                    value: std::sync::OnceLock::new(),
                }
            }

            pub fn get(&self) -> Option<&T> {
                shuttle::thread::yield_now();
                self.value.get()
            }

            pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
                let making = self.making.lock().unwrap();
                let value = self.value.get_or_init(make);
                drop(making);
                value
            }
        }
    }

    pub(super) mod schedules {
        use std::{env, path::Path};

        use shuttle::thread;

        use super::{
            connection::{EVENTS, Events, Link},
            generation::Generation,
            sync::{self, Arc},
        };

        const A: &str = "/a/database.db";
        const B: &str = "/b/database.db";
        const THREADS: usize = 3;

        fn check(schedule: impl Fn() + Send + Sync + 'static) {
            let count =
                env::var("PORTKEEPER_SCHEDULES").map_or(1_000, |count| count.parse().unwrap());
            let fresh = move || {
                sync::forget_global();
                sync::become_process(1);
                EVENTS.set(Events::NONE);
                schedule();
            };
            let fresh = Arc::new(fresh);
            let again = Arc::clone(&fresh);
            shuttle::check_random(move || fresh(), count / 2);
            shuttle::check_pct(move || again(), count / 2, 3);
        }

        /// What [`Store`] does before it uses a connection.
        fn connect(generation: &Arc<Generation>) {
            let mut link = generation.lock();
            if link.is_none() {
                generation.announce().map_err(|failure| failure.0).unwrap();
                *link = Some(Link::open());
            }
            // Nobody else uses it meanwhile.
            let link = link.as_mut().unwrap();
            assert!(link.is_idle);
            link.is_idle = false;
            thread::yield_now();
            link.is_idle = true;
        }

        fn run(bodies: Vec<Box<dyn FnOnce() + Send>>) {
            let threads: Vec<_> = bodies.into_iter().map(thread::spawn).collect();
            for thread in threads {
                thread.join().unwrap();
            }
        }

        pub fn threads_of_a_child_open_one_connection() {
            check(|| {
                let inherited = [
                    Generation::current(Path::new(A)),
                    Generation::current(Path::new(B)),
                ];
                inherited.iter().for_each(connect);
                sync::become_process(2);
                let users = (0..THREADS).map(|_| {
                    let generation = Arc::clone(&inherited[0]);
                    Box::new(move || connect(generation.of_this_process()))
                        as Box<dyn FnOnce() + Send>
                });
                run(users.collect());
                // Two were inherited and let go; one is the child's.
                assert_eq!(
                    EVENTS.get(),
                    Events {
                        opened: 3,
                        closed: 0,
                        let_go: 2
                    }
                );
                assert!(Generation::is_open_here(Path::new(A)));
                inherited[0].end();
                assert!(!Generation::is_open_here(Path::new(A)));
                assert_eq!(EVENTS.get().closed, 1);
            });
        }

        pub fn what_is_closed_is_in_no_list() {
            check(|| {
                let users = (0..THREADS).map(|number| {
                    let path = Path::new(if number == 0 { B } else { A });
                    Box::new(move || {
                        let generation = Generation::current(path);
                        connect(&generation);
                        assert!(Generation::is_open_here(path));
                        generation.end();
                    }) as Box<dyn FnOnce() + Send>
                });
                run(users.collect());
                assert!(!Generation::is_open_here(Path::new(A)));
                assert!(!Generation::is_open_here(Path::new(B)));
                assert_eq!(
                    EVENTS.get(),
                    Events {
                        opened: 3,
                        closed: 3,
                        let_go: 0
                    }
                );
            });
        }

        pub fn what_a_thread_used_at_the_fork_is_left_alone() {
            check(|| {
                let inherited = Generation::current(Path::new(A));
                connect(&inherited);
                // The thread that had it does not exist in the child.
                inherited.lock().as_mut().unwrap().is_idle = false;
                sync::become_process(2);
                let users = (0..THREADS).map(|_| {
                    let generation = Arc::clone(&inherited);
                    Box::new(move || {
                        let own = generation.of_this_process();
                        let link = own.lock();
                        assert!(link.is_none());
                        assert!(own.announce().is_err());
                    }) as Box<dyn FnOnce() + Send>
                });
                run(users.collect());
                assert_eq!(
                    EVENTS.get(),
                    Events {
                        opened: 1,
                        closed: 0,
                        let_go: 0
                    }
                );
            });
        }
    }
}

#[test]
fn threads_of_a_child_open_one_connection() {
    store::schedules::threads_of_a_child_open_one_connection();
}

#[test]
fn what_is_closed_is_in_no_list() {
    store::schedules::what_is_closed_is_in_no_list();
}

#[test]
fn what_a_thread_used_at_the_fork_is_left_alone() {
    store::schedules::what_a_thread_used_at_the_fork_is_left_alone();
}
