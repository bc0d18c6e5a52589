//! Linux: processes by `/proc` and pidfds, owners of sockets by the descriptors of every process.

mod descriptors;
mod handle;
mod inet_diag;
mod pidfd;
mod process;
mod sock_diag;
mod sockets;
mod stat;
mod visibility;

pub(super) use handle::handle;
pub(super) use process::{here, identity, kin, present};
pub(super) use sockets::sockets;
