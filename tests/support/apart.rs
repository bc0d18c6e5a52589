//! Network and pid namespaces of a test's own.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    fs,
    ops::RangeInclusive,
    process::{Child, Command},
};

/// A private network, in which the caller is root.
pub const NETWORK: [&str; 2] = ["unshare", "-Urn"];

/// Prepares a private network: its loopback interface, and from where ports are given out.
pub fn prepare(ephemeral: &RangeInclusive<u16>) {
    // SIOCSIFFLAGS with IFF_UP, for machines without iproute2.
    const UP: &str = "import fcntl, socket, struct\n\
        fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH22x', b'lo', 1))";
    let status = Command::new("python3").args(["-c", UP]).status().unwrap();
    assert!(status.success());
    let range = format!("{} {}", ephemeral.start(), ephemeral.end());
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", range).unwrap();
}

/// A process that sleeps under exactly this pid, in a pid namespace of a test's own.
pub fn sleep_as(pid: u32) -> Child {
    spawn_as(pid, || {
        let mut command = Command::new("sleep");
        command.arg("600");
        command
    })
}

/// A process under exactly this pid, in a pid namespace of a test's own.
pub fn spawn_as(pid: u32, command: impl Fn() -> Command) -> Child {
    const TRIES: usize = 5_000;
    // The next pid is the one after the last. Where that cannot be said, few pids make a short round.
    let set_last = || fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).is_ok();
    if !set_last() {
        fs::write("/proc/sys/kernel/pid_max", "301").expect("a small pid_max");
    }
    for _ in 0..TRIES {
        let mut child = command().spawn().unwrap();
        if child.id() == pid {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        set_last();
    }
    panic!("pid {pid} did not come back in {TRIES} tries");
}
