//! One file a command.

pub mod backup;
pub mod check;
pub mod compact;
pub mod completions;
pub mod configs;
pub mod doctor;
pub mod dump;
pub mod export;
pub mod history;
pub mod hold;
pub mod import;
pub mod kill;
pub mod list;
pub mod man;
pub mod projects;
pub mod prune;
pub mod release;
pub mod request;
pub mod reserve;
pub mod restore;
pub mod run;
pub mod scan;
mod sockets;
pub mod stale;
pub mod stats;
pub mod summary;
pub mod verify;
