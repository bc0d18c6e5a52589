//! Running a command on its project's port, so that nothing is in its way and nothing is left behind.
//!
//! Two processes do it. The first has the claim and the hold, and is the one that a user knows. It
//! starts a second, the guard, whose child the command is. When either of the two is ended by force, the
//! other one is still there to end what the command has started and to give the port back.

#[cfg(target_os = "linux")]
mod binds;
mod claim;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
pub mod guard;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod notice;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod tree;

pub use claim::{Claim, Holding};
#[cfg(target_os = "linux")]
pub use filter::can_watch;
#[cfg(target_os = "linux")]
pub use supervisor::{Job, supervise};
