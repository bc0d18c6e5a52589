use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

/// A transport protocol. A port number is claimed for both at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a socket does with its local port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketState {
    /// TCP, accepts connections.
    Listen,
    /// UDP: receives datagrams from anyone. TCP: has the port and neither listens nor is connected.
    Bound,
    /// One end of a connection, for TCP in any state but TIME-WAIT.
    Connected,
    /// TCP, a closed connection whose port the kernel keeps for a minute.
    TimeWait,
}

impl SocketState {
    /// `listen`, `bound`, `connected` or `time-wait`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Bound => "bound",
            Self::Connected => "connected",
            Self::TimeWait => "time-wait",
        }
    }
}

/// How much is known of who owns a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// The processes are listed.
    Known,
    /// A process of this machine that the caller may not look at.
    Denied,
    /// No process of the caller's pid namespace: a container's, or the kernel's own.
    OtherNamespace,
    /// Nobody any more, or not yet: a connection that was closed, or not accepted.
    None,
}

impl Owner {
    /// `known`, `denied`, `other-namespace` or `none`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Denied => "denied",
            Self::OtherNamespace => "other-namespace",
            Self::None => "none",
        }
    }
}

/// A process that has a socket open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Its name as the platform shows it; empty when it ended before it could be read.
    pub name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            write!(f, "pid {}", self.pid)
        } else {
            write!(f, "{} (pid {})", self.name, self.pid)
        }
    }
}

/// One socket of this machine, seen from its local port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Socket {
    /// Local port.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Local address; `0.0.0.0` and `::` mean every address.
    pub address: IpAddr,
    /// What the socket does.
    pub state: SocketState,
    /// The other end of a connection.
    pub remote: Option<SocketAddr>,
    /// Whether somebody is in `processes`, and why not.
    pub owner: Owner,
    /// Processes that have the socket open, lowest pid first: every one where all of them were asked
    /// for, as by [`Keeper::listeners`](crate::Keeper::listeners); elsewhere those that were found first
    /// and those of their ancestors that have it too, such as a worker and its server.
    pub processes: Vec<Process>,
    /// User id of the socket's creator, where the platform tells it.
    pub uid: Option<u32>,
    /// Inode of the socket; 0 where there is none.
    pub inode: u64,
}

impl Socket {
    /// The first of the processes.
    pub fn pid(&self) -> Option<u32> {
        self.processes.first().map(|process| process.pid)
    }

    /// Whether a client can reach a server through it: a TCP listener, or a UDP socket that is not
    /// connected to one peer.
    pub fn is_listener(&self) -> bool {
        match self.protocol {
            Protocol::Tcp => self.state == SocketState::Listen,
            Protocol::Udp => self.state == SocketState::Bound,
        }
    }

    fn owner_phrase(&self) -> String {
        match (self.owner, self.uid) {
            (Owner::Known, _) => {
                let names: Vec<String> = self.processes.iter().map(ToString::to_string).collect();
                names.join(", ")
            }
            (Owner::Denied, Some(uid)) => format!("a process of user {uid} that may not be read"),
            (Owner::Denied, None) => "a process that may not be read".to_owned(),
            (Owner::OtherNamespace, _) => "a process outside this namespace".to_owned(),
            (Owner::None, _) => "no process".to_owned(),
        }
    }
}

/// Such as `node (pid 41213) listening on 127.0.0.1 (tcp)`.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner_phrase();
        match (self.state, self.remote) {
            (SocketState::Connected, Some(remote)) => {
                write!(f, "{owner} connected to {remote}")
            }
            (SocketState::Connected, None) => write!(f, "{owner} connected"),
            (SocketState::TimeWait, _) => write!(f, "a closed connection"),
            (SocketState::Bound, _) if self.protocol == Protocol::Tcp => {
                write!(f, "{owner} bound to {} without listening", self.address)
            }
            _ => write!(
                f,
                "{owner} listening on {} ({})",
                self.address, self.protocol
            ),
        }
    }
}
