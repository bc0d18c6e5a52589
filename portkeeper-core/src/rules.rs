//! Pure decisions: what may be claimed, what a claim becomes, what a scan changes.
//!
//! Nothing here reads a socket, a clock or a row. A decision gets all it needs and says what to
//! write; the keeper writes it.

mod claim;
mod kill;
mod scan;
mod verdict;

pub(crate) use claim::{Details, Reserve, Wish, claim_action, hand_back, release, reserve};
pub(crate) use kill::{Target, after_kill, kill_details, listening_processes, spared, was_claimed};
pub(crate) use scan::{Transition, scan_changes};
pub(crate) use verdict::{strangers, verdict};
