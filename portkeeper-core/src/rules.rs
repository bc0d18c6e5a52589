//! Pure decisions: what may be claimed, what a claim becomes, what a scan changes.
//!
//! Nothing here reads a socket, a clock or a row. A decision gets all it needs and says what to
//! write; the keeper writes it.

mod avoid;
mod choose;
mod claim;
mod grant;
mod import;
mod kill;
mod lease;
mod restore;
mod scan;
mod verdict;

pub(crate) use avoid::{Avoid, held_phrase};
pub(crate) use choose::{Choice, PortSet, choose};
pub(crate) use claim::{Reserve, Wish, claim_action, hand_back, is_mine, release, reserve};
pub(crate) use grant::Terms;
pub(crate) use import::{ImportStep, ImportTerms, ImportWrite, import};
pub(crate) use kill::{Target, after_kill, kill_details, listening_processes, spared, was_claimed};
pub(crate) use lease::{LeaseState, lease_state};
pub(crate) use restore::{restore_entry, restored};
pub(crate) use scan::{Transition, main_process, scan_changes};
pub(crate) use verdict::{may_be_hold, strangers, verdict};
