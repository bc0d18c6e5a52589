//! Linux: processes by `/proc` and pidfds, owners of sockets by the descriptors of every process.

mod datagrams;
mod descriptors;
mod handle;
mod pidfd;
mod process;
mod sockets;
mod stat;
mod visibility;

pub(super) use handle::handle;
pub(super) use process::{here, identity, kin, present};
pub(super) use sockets::sockets;
