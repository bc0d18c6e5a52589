//! What the tests of the host share. Each test binary uses a part of it.
#![allow(dead_code)]

#[path = "skipped.rs"]
mod skipped;

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

pub use skipped::skipped;

/// Tells a re-executed test binary what to do.
pub const ROLE: &str = "PORTKEEPER_TEST_ROLE";

/// Begins the line in which it answers, since libtest writes there too.
const ANSWER: &str = "ANSWER:";

/// A child that is killed and waited for at the latest when the test ends.
pub struct Running {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.output.as_mut().unwrap().read_line(&mut line).unwrap();
        assert_ne!(length, 0, "the process ended and said nothing");
        line.trim().to_owned()
    }

    /// The rest of the line that holds the answer of a re-executed test.
    pub fn answer(&mut self) -> String {
        loop {
            if let Some((_, answer)) = self.line().split_once(ANSWER) {
                return answer.to_owned();
            }
        }
    }

    /// Kills it without waiting: it stays a zombie.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        // Its end of the pipe closes when it dies.
        let mut rest = Vec::new();
        self.output
            .as_mut()
            .unwrap()
            .read_to_end(&mut rest)
            .unwrap();
    }

    pub fn wait(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers, and ends before libtest writes to a pipe that nobody reads any more.
pub fn answer(text: impl std::fmt::Display) -> ! {
    announce(text);
    process::exit(0);
}

/// Answers and goes on.
pub fn announce(text: impl std::fmt::Display) {
    println!("\n{ANSWER}{text}");
}

/// A copy of this test binary that any user can run, and how to make it play a role.
pub struct Actor {
    folder: tempfile::TempDir,
}

impl Actor {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let copy = folder.path().join("actor");
        copy_program(&env::current_exe().unwrap(), &copy);
        open_to_all(&copy);
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("actor")
    }

    /// The arguments that make the copy run nothing but its `actor` test.
    pub const ARGUMENTS: [&str; 3] = ["--exact", "actor", "--nocapture"];

    pub fn command(&self, role: &str) -> Command {
        self.within(&[], role)
    }

    /// The same behind `wrapper`, such as `unshare --pid --fork`.
    pub fn within(&self, wrapper: &[&str], role: &str) -> Command {
        let mut words = wrapper.iter().map(Into::into).chain([self.path()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(Self::ARGUMENTS).env(ROLE, role);
        command
    }
}

/// Copies by another process. A file that this one has open for writing may leak into a child that a
/// parallel test is just starting, and cannot be executed until that child has replaced itself.
pub fn copy_program(from: &Path, to: &Path) {
    assert!(
        Command::new("cp")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Some tests need several users or namespaces.
pub fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        let test = thread::current().name().unwrap_or_default().to_owned();
        skipped(format_args!("{test}: needs root"));
    }
    is_root
}

/// Waits for what the kernel does by itself.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}

pub const V4: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub const V6_ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// A socket bound to `address`; not listening.
///
/// Where the kernel picks a TCP port, it is one that no UDP socket has, so that the probe's answer
/// depends on this socket alone.
pub fn bound(kind: Type, address: SocketAddr, reuse: bool, only_v6: bool) -> Socket {
    loop {
        let socket = Socket::new(Domain::for_address(address), kind, None).unwrap();
        if address.is_ipv6() {
            socket.set_only_v6(only_v6).unwrap();
        }
        socket.set_reuse_address(reuse).unwrap();
        socket.bind(&address.into()).unwrap();
        if kind == Type::DGRAM || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port(&socket))).is_ok() {
            return socket;
        }
    }
}

pub fn port(socket: &Socket) -> u16 {
    socket.local_addr().unwrap().as_socket().unwrap().port()
}
