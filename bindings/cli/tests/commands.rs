//! Every command, run as a user runs it: the real binary, real listeners, a registry in a folder of its
//! own. One file a command; every `--json` answer is held against the committed schema.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "commands/ports.rs"]
mod ports;
#[path = "../../../tests/support/skipped.rs"]
mod skipped;
#[path = "commands/support.rs"]
mod support;

#[path = "commands/backup.rs"]
mod backup;
#[path = "commands/check.rs"]
mod check;
#[path = "commands/compact.rs"]
mod compact;
#[path = "commands/completions.rs"]
mod completions;
#[path = "commands/configs.rs"]
mod configs;
#[path = "commands/doctor.rs"]
mod doctor;
#[path = "commands/dump.rs"]
mod dump;
#[path = "commands/export.rs"]
mod export;
#[path = "commands/help.rs"]
mod help;
#[path = "commands/history.rs"]
mod history;
#[path = "commands/hold.rs"]
mod hold;
#[path = "commands/import.rs"]
mod import;
#[path = "commands/kill.rs"]
mod kill;
#[path = "commands/list.rs"]
mod list;
#[path = "commands/man.rs"]
mod man;
#[path = "commands/network_file_system.rs"]
mod network_file_system;
#[path = "commands/permission.rs"]
mod permission;
#[path = "commands/projects.rs"]
mod projects;
#[path = "commands/prune.rs"]
mod prune;
#[path = "commands/readme.rs"]
mod readme;
#[path = "commands/release.rs"]
mod release;
#[path = "commands/request.rs"]
mod request;
#[path = "commands/reserve.rs"]
mod reserve;
#[path = "commands/restore.rs"]
mod restore;
#[path = "commands/run.rs"]
mod run;
#[path = "commands/run_held.rs"]
mod run_held;
#[path = "commands/run_servers.rs"]
mod run_servers;
#[path = "commands/scan.rs"]
mod scan;
#[path = "commands/stale.rs"]
mod stale;
#[path = "commands/stats.rs"]
mod stats;
#[path = "commands/summary.rs"]
mod summary;
#[path = "commands/terminal.rs"]
mod terminal;
#[path = "commands/verify.rs"]
mod verify;
