use std::{
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use super::wide;
use crate::{
    error::{Error, Result},
    value,
};

/// In which order the ports of a range are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// From the lowest up: the ports that people expect.
    #[default]
    Lowest,
    /// The lowest run of neighbours that is as long as the request.
    Contiguous,
    /// In random order, so that many requests at once rarely meet.
    Random,
    /// From a place that the project's and the role's name give, upwards and around: the same port
    /// on every machine where it is free.
    Stable,
}

impl Strategy {
    const ALL: [Self; 4] = [Self::Lowest, Self::Contiguous, Self::Random, Self::Stable];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lowest => "lowest",
            Self::Contiguous => "contiguous",
            Self::Random => "random",
            Self::Stable => "stable",
        }
    }
}

/// From its word; `INVALID_INPUT` lists the words for any other.
impl FromStr for Strategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        value::word("strategy", text, &Self::ALL, Self::as_str)
    }
}

/// A claim on ports of the engine's choice, for [`Keeper::request`](crate::Keeper::request).
///
/// A port without a role is a new one at each request. A role names a port within its project: who
/// asks for the same role again gets the same port.
///
/// ```
/// use portkeeper_core::{PortRequest, Strategy};
///
/// let three = PortRequest::new("my-app").roles(["web", "api", "hmr"]);
/// let twenty = PortRequest::new("my-tests").count(20).range(8000..=8999).strategy(Strategy::Random);
/// # drop((three, twenty));
/// ```
#[derive(Debug, Clone)]
pub struct PortRequest {
    pub(crate) project: String,
    pub(crate) roles: Vec<String>,
    pub(crate) count: Option<usize>,
    pub(crate) range: Option<RangeInclusive<i64>>,
    pub(crate) strategy: Strategy,
    pub(crate) avoid: Vec<i64>,
    pub(crate) description: Option<String>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) owner: Option<u32>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) address: IpAddr,
}

impl PortRequest {
    /// Where ports are looked for, unless the request names a range.
    pub const DEFAULT_RANGE: RangeInclusive<u16> = 3000..=9999;

    /// One port for `project`: 1–200 characters, no control characters.
    pub fn new(project: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            roles: Vec::new(),
            count: None,
            range: None,
            strategy: Strategy::default(),
            avoid: Vec::new(),
            description: None,
            tags: None,
            owner: None,
            ttl: None,
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// Adds a port with this role: 1–200 characters, each role once.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Adds a port for each of these roles, which come back in their order.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles.extend(roles.into_iter().map(Into::into));
        self
    }

    /// This many ports without a role, from 1.
    #[must_use]
    pub fn count(mut self, count: usize) -> Self {
        self.count = Some(count);
        self
    }

    /// Only ports of this range, both ends included; of the kernel's ephemeral ports too, where the
    /// range has any. An outgoing connection may take such a port before its server does.
    #[must_use]
    pub fn range<P: Into<i64>>(mut self, range: RangeInclusive<P>) -> Self {
        self.range = Some(wide(range));
        self
    }

    /// The order in which ports are tried; [`Strategy::Lowest`] by default.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// None of these ports.
    #[must_use]
    pub fn avoid<P: Into<i64>>(mut self, ports: impl IntoIterator<Item = P>) -> Self {
        self.avoid.extend(ports.into_iter().map(Into::into));
        self
    }

    /// What the ports are for: at most 4,000 characters.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Labels: at most 100 of 100 characters each.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Ties the claims to this process: when it ends, so do they.
    #[must_use]
    pub fn auto_release(self) -> Self {
        let me = std::process::id();
        self.owned_by(me)
    }

    /// Ties the claims to a process: when it ends and nothing listens on the port, the claim ends;
    /// when something does, the claim moves to that process.
    #[must_use]
    pub fn owned_by(mut self, pid: u32) -> Self {
        self.owner = Some(pid);
        self
    }

    /// Where [`Keeper::bind`](crate::Keeper::bind) listens; 127.0.0.1 by default.
    #[must_use]
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Ends the claims after this time, in whole seconds, whatever became of their processes.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}
