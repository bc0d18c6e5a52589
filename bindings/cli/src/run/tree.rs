//! The processes that a command has started, whatever became of their parents.
//!
//! A "child subreaper" becomes the parent of every descendant whose own parent has ended. So whoever is
//! one finds all of them, and no daemon gets away.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, wait,
};

/// How often it is asked whether they have ended.
const PAUSE: Duration = Duration::from_millis(5);

/// Makes this process the parent of all orphans among its descendants.
pub fn adopt_orphans() -> std::io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// The next of this process's children that has ended, if one has.
pub fn reap() -> Reaped {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => return Reaped::Ended(pid, status),
            Ok(None) => return Reaped::StillRunning,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Reaped::NoneLeft,
        }
    }
}

/// The answer of [`reap`].
pub enum Reaped {
    Ended(Pid, WaitStatus),
    StillRunning,
    NoneLeft,
}

/// The exit code that a shell gives to what became of a process.
pub fn exit_code(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (_, Some(signal)) => 128 + signal,
        _ => 1,
    };
    u8::try_from(code & 0xff).unwrap_or(1)
}

/// Ends every descendant: asks, and after the grace no longer asks. `seen` hears of each that ends.
/// Returns one that may not be ended, where such are left.
pub fn end_all(grace: Duration, mut seen: impl FnMut(Pid, WaitStatus)) -> Option<Pid> {
    let end = Instant::now() + grace;
    let mut asked = Vec::new();
    loop {
        loop {
            match reap() {
                Reaped::Ended(pid, status) => seen(pid, status),
                Reaped::StillRunning => break,
                Reaped::NoneLeft => return None,
            }
        }
        let is_late = Instant::now() >= end;
        let (mut denied, mut reached) = (None, false);
        for pid in descendants() {
            if is_late {
                match kill_process(pid, Signal::KILL) {
                    Err(rustix::io::Errno::PERM) => denied = Some(pid),
                    _ => reached = true,
                }
            } else if !asked.contains(&pid) {
                asked.push(pid);
                let _ = kill_process(pid, Signal::TERM);
                // One that is stopped would not hear it.
                let _ = kill_process(pid, Signal::CONT);
            }
        }
        if denied.is_some() && !reached {
            // Another user's, through sudo for instance: it would be waited for without end.
            return denied;
        }
        thread::sleep(PAUSE);
    }
}

/// Every living descendant of this process. None of their pids can be another's: they stay theirs until
/// their parent has waited for them, and the last parent is this process.
fn descendants() -> Vec<Pid> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(Ok(pid)) = name.to_str().map(str::parse::<i32>) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in parentheses may have anything in it, also parentheses.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        if let Some(Ok(parent)) = rest.split_whitespace().nth(1).map(str::parse::<i32>) {
            parents.push((pid, parent));
        }
    }
    let mut family = vec![getpid().as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        next += 1;
        let children = parents.iter().filter(|(_, of)| *of == parent);
        family.extend(children.map(|(pid, _)| *pid));
    }
    family
        .into_iter()
        .skip(1)
        .filter_map(Pid::from_raw)
        .collect()
}
