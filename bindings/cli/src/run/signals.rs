//! Which signals a wrapper passes on.

use std::{fs, io};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::Signals,
};

/// Those that ask a program for something. The rest is the terminal's affair, which tells the whole
/// group, or cannot be caught.
const PASSED_ON: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM];

/// Begins to listen to them, and to `more`. One that is ignored, as `nohup` has it, stays so.
pub fn listen(more: &[i32]) -> io::Result<Signals> {
    let ignored = ignored();
    let is_wanted = |signal: &&i32| ignored & (1 << (**signal - 1)) == 0;
    Signals::new(PASSED_ON.iter().filter(is_wanted).chain(more))
}

/// The signals that this process was started to ignore, as a set of bits.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or_default()
}
