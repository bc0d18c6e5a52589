//! Other programs' lists of listeners, in one form.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, TcpState};
use portkeeper_core::{Protocol, Socket};

/// A socket; the inode is 0 where it is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub protocol: Protocol,
    pub address: IpAddr,
    pub port: u16,
    pub inode: u64,
}

/// The sockets that somebody saw, each with its processes.
pub type Seen = BTreeMap<Key, BTreeSet<u32>>;

pub fn ours(sockets: &[Socket]) -> Seen {
    let mut seen = Seen::new();
    for socket in sockets {
        let key = Key {
            protocol: socket.protocol,
            address: socket.address,
            port: socket.port,
            inode: socket.inode,
        };
        let pids = socket.processes.iter().map(|process| process.pid);
        seen.entry(key).or_default().extend(pids);
    }
    seen
}

/// What somebody who tells no inodes would have seen.
pub fn without_inodes(seen: &Seen) -> Seen {
    let mut without = Seen::new();
    for (key, pids) in seen {
        without
            .entry(Key { inode: 0, ..*key })
            .or_default()
            .extend(pids);
    }
    without
}

pub fn netstat2() -> Seen {
    let sockets =
        netstat2::iterate_sockets_info(AddressFamilyFlags::all(), ProtocolFlags::all()).unwrap();
    let mut seen = Seen::new();
    for info in sockets {
        let info = info.unwrap();
        let protocol = match &info.protocol_socket_info {
            ProtocolSocketInfo::Tcp(tcp) if tcp.state != TcpState::Listen => continue,
            ProtocolSocketInfo::Tcp(_) => Protocol::Tcp,
            ProtocolSocketInfo::Udp(_) => Protocol::Udp,
        };
        let key = Key {
            protocol,
            address: info.local_addr().to_canonical(),
            port: info.local_port(),
            inode: info.inode.into(),
        };
        seen.entry(key).or_default().extend(info.associated_pids);
    }
    seen
}

/// `None` where it is not installed.
pub fn ss() -> Option<Seen> {
    let output = Command::new("ss").arg("-Htulnpe").output().ok()?;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(line_of_ss).collect())
}

/// Such as `tcp LISTEN 0 8 [::1]:80 [::]:* users:(("a",pid=7,fd=3)) ino:9 sk:1`.
fn line_of_ss(line: &str) -> (Key, BTreeSet<u32>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (host, port) = words[4].rsplit_once(':').unwrap();
    let host = host.trim_matches(['[', ']']);
    let host = host.split_once('%').map_or(host, |(host, _)| host);
    let inode = words.iter().find_map(|word| word.strip_prefix("ino:"));
    let address: IpAddr = match host {
        "*" => "::".parse().unwrap(),
        host => host.trim_end_matches(']').parse().unwrap(),
    };
    let key = Key {
        protocol: match words[0] {
            "tcp" => Protocol::Tcp,
            _ => Protocol::Udp,
        },
        address: address.to_canonical(),
        port: port.parse().unwrap(),
        inode: inode.map_or(0, |inode| inode.parse().unwrap()),
    };
    // A name may contain anything, so that only what looks like `pid=7,fd=` counts.
    let pids = line.split(",pid=").skip(1).filter_map(|rest| {
        let (pid, _) = rest.split_once(",fd=")?;
        pid.parse().ok()
    });
    (key, pids.collect())
}

/// A Python with psutil, which lists the listeners for each line that it reads.
pub struct Psutil {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Psutil {
    const SCRIPT: &str = "import json, psutil, sys\n\
        for _ in sys.stdin:\n    \
            print(json.dumps([\n        \
                (c.type.name, c.laddr.ip, c.laddr.port, c.pid)\n        \
                for c in psutil.net_connections('inet')\n        \
                if c.status == 'LISTEN' or c.type.name == 'SOCK_DGRAM' and not c.raddr]), flush=True)";

    /// `None` where no Python has it.
    pub fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = root.join("target/python/venv/bin/python");
        let has_it = |python: &Path| {
            let mut command = Command::new(python);
            command.args(["-c", "import psutil"]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let python = [installed.as_path(), Path::new("python3")]
            .into_iter()
            .find(|python| has_it(python))?;
        let mut child = Command::new(python)
            .args(["-c", Self::SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, output })
    }

    pub fn look(&mut self) -> Seen {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let rows: Vec<(String, IpAddr, u16, Option<u32>)> = serde_json::from_str(&line).unwrap();
        let mut seen = Seen::new();
        for (kind, address, port, pid) in rows {
            let key = Key {
                protocol: match kind.as_str() {
                    "SOCK_STREAM" => Protocol::Tcp,
                    _ => Protocol::Udp,
                },
                address: address.to_canonical(),
                port,
                inode: 0,
            };
            seen.entry(key).or_default().extend(pid);
        }
        seen
    }
}

impl Drop for Psutil {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Whether this is a UDP socket that has one peer.
pub fn is_connected_udp(inode: u64) -> bool {
    let inode = inode.to_string();
    ["udp", "udp6"].iter().any(|name| {
        let text = fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
        text.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(3) == Some(&"01") && words.get(9) == Some(&inode.as_str())
        })
    })
}

/// Whether the main thread of this process has ended, and others go on: they alone have its descriptors.
pub fn has_lost_its_main_thread(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name))?;
        value.split_whitespace().next()
    };
    field("State:") == Some("Z")
        && field("Threads:").is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 1))
}
