//! What several test programs need: other processes, and ports that nobody else wants.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use portkeeper_core::host::{Host, ProcessHandle, System};

/// A Python process that holds sockets until it is dropped.
pub struct Holder {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    handle: Option<Box<dyn ProcessHandle>>,
    pub pid: u32,
    pub port: u16,
}

impl Holder {
    /// A process that is nobody's child. The script calls `hold(port)` at its end.
    pub fn stranger(script: &str) -> Self {
        // The process between ends at once, so that the kernel hands its child to init.
        Self::within(
            &[],
            &format!(
                "between = os.getpid()\n\
             if os.fork(): os._exit(0)\n\
             while os.getppid() == between: os.sched_yield()\n{script}"
            ),
        )
    }

    /// A child of this process.
    pub fn child(script: &str) -> Self {
        Self::within(&[], script)
    }

    /// A child behind `wrapper`, such as `unshare --pid --fork`. Its pid is the one it has there.
    pub fn within(wrapper: &[&str], script: &str) -> Self {
        const FRAME: &str = "import os, socket, sys\n\
            def hold(port):\n    print(os.getpid(), port, flush=True)\n    sys.stdin.read()\n";
        let script = format!("{FRAME}{script}");
        let words = [wrapper, &["python3", "-c", &script]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it prints a line");
        let (pid, port) = line.trim().split_once(' ').expect("a pid and a port");
        let pid = pid.parse().expect("a pid");
        // Behind a wrapper the number may be another process's here.
        let is_here = wrapper.is_empty();
        let handle = is_here.then(|| System.handle(pid).expect("a handle"));
        Self {
            handle: handle.flatten(),
            pid,
            port: port.parse().expect("a port"),
            child,
            stdin,
            stdout,
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // The end of its output is the end of the process, also of one that is nobody's child.
        let mut rest = String::new();
        let _ = self.stdout.read_to_string(&mut rest);
        // Its sockets may close a moment later than its output.
        if let Some(process) = &self.handle {
            let _ = process.wait(Instant::now() + Duration::from_secs(30));
        }
        let _ = self.child.wait();
    }
}

/// This test program again, to run only `test`, which finds `CHILD` in its environment.
pub fn child(test: &str, argument: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("CHILD", argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What [`child`] was given, where this is the child.
pub fn child_argument() -> Option<String> {
    env::var("CHILD").ok()
}

/// Waits for `child`, and shows what it printed where it failed.
pub fn succeeds(mut child: Child) {
    let mut errors = String::new();
    let mut output = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut output).expect("stdout is text");
    }
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut errors).expect("stderr is text");
    }
    let status = child.wait().expect("the child ends");
    assert!(status.success(), "{status}\n{output}\n{errors}");
}
