//! Linux: processes by `/proc` and pidfds, owners of sockets by the descriptors of every process.

mod descriptors;
mod handle;
mod inet_diag;
mod pidfd;
mod proc_net;
mod process;
mod search;
mod sock_diag;
mod sockets;
mod stat;
mod visibility;

pub(super) use handle::handle;
pub(super) use process::{here, identity, kin, present};

use super::{Earlier, Look, Wanted};
use crate::{error::Result, model::Socket};
use search::Effort;

pub(super) fn sockets(wanted: Wanted) -> Result<Vec<Socket>> {
    Ok(sockets::sockets(wanted, Effort::All)?.sockets)
}

pub(super) fn look(wanted: Wanted, earlier: &Earlier) -> Result<Look> {
    sockets::sockets(wanted, Effort::First(earlier))
}
