//! What callers ask for. Every type is a builder; values are checked when the operation runs.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use crate::model::{Action, HistoryEntry, Status};

mod port;
mod prune;
mod ready;

pub use port::{PortRequest, Strategy};
pub use prune::PruneRequest;
pub use ready::Ready;
mod kill;
mod transfer;

pub use kill::KillRequest;
pub(crate) use transfer::Source;
pub use transfer::{ExportRequest, ImportMode, ImportRequest};

/// A claim on a port of the caller's choice, for [`Keeper::reserve`](crate::Keeper::reserve).
///
/// What is not set stays as it is when the project has the port already.
///
/// ```
/// use portkeeper_core::ReserveRequest;
///
/// let request = ReserveRequest::new("my-app")
///     .description("React dev server")
///     .tags(["frontend", "react"])
///     .metadata(serde_json::json!({ "team": "alpha" }));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReserveRequest {
    pub(crate) project: String,
    pub(crate) description: Option<String>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) metadata: Option<String>,
    pub(crate) adopt: bool,
    pub(crate) suggest: bool,
}

impl ReserveRequest {
    /// A claim for `project`: 1–200 characters, no control characters.
    pub fn new(project: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            ..Self::default()
        }
    }

    /// What the port is for: at most 4,000 characters. An empty text removes the description.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds one label: at most 100 of 100 characters each.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.get_or_insert_default().push(tag.into());
        self
    }

    /// Sets all labels. An empty list removes those that the port had.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// The caller's own data: a JSON object of at most 64 KiB, as a [`serde_json::Value`] or as text.
    #[must_use]
    pub fn metadata(mut self, object: impl ToString) -> Self {
        self.metadata = Some(object.to_string());
        self
    }

    /// Claims the port although a process listens there that is neither the caller nor its child.
    #[must_use]
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }

    /// Lets a refusal name the next free port. Looking for it costs a probe a port.
    #[must_use]
    pub fn suggest(mut self, suggest: bool) -> Self {
        self.suggest = suggest;
        self
    }
}

/// Which claims to end, for [`Keeper::release`](crate::Keeper::release).
///
/// A number, an array or a vector of numbers converts into one.
#[derive(Debug, Clone)]
pub struct Release {
    pub(crate) claims: Claims,
    pub(crate) only_of: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Claims {
    Ports(Vec<i64>),
    Project(String),
}

impl Release {
    /// The claim on one port.
    pub fn port(port: impl Into<i64>) -> Self {
        Self::ports([port])
    }

    /// The claims on several ports: all of them or, where one is refused, none.
    pub fn ports<P: Into<i64>>(ports: impl IntoIterator<Item = P>) -> Self {
        Self {
            claims: Claims::Ports(ports.into_iter().map(Into::into).collect()),
            only_of: None,
        }
    }

    /// Every claim of a project; none is no error.
    pub fn project(project: impl Into<String>) -> Self {
        Self {
            claims: Claims::Project(project.into()),
            only_of: None,
        }
    }

    /// Refuses with `PORT_RESERVED` where a port is another project's.
    #[must_use]
    pub fn only_of(mut self, project: impl Into<String>) -> Self {
        self.only_of = Some(project.into());
        self
    }
}

macro_rules! release_from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for Release {
            fn from(port: $number) -> Self {
                Self::port(port)
            }
        }
    )*};
}

release_from_number!(u16, i32, u32, i64);

impl<P: Into<i64>, const N: usize> From<[P; N]> for Release {
    fn from(ports: [P; N]) -> Self {
        Self::ports(ports)
    }
}

impl<P: Into<i64>> From<Vec<P>> for Release {
    fn from(ports: Vec<P>) -> Self {
        Self::ports(ports)
    }
}

/// Which rows [`Keeper::list`](crate::Keeper::list) returns; by default every claim.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub(crate) status: Option<Status>,
    pub(crate) project: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) range: Option<RangeInclusive<i64>>,
}

impl Filter {
    /// Every claim: ports that are reserved or in use.
    pub fn claims() -> Self {
        Self::default()
    }

    /// Only ports in this status. [`Status::Free`] lists ports that were given back.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Only ports of this project.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Only ports with this label.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Only ports in this range, both ends included.
    #[must_use]
    pub fn range<P: Into<i64>>(mut self, range: RangeInclusive<P>) -> Self {
        self.range = Some(wide(range));
        self
    }
}

/// Which entries [`Keeper::history`](crate::Keeper::history) returns, newest first.
///
/// ```
/// use portkeeper_core::{Action, HistoryQuery};
///
/// let released_lately = HistoryQuery::port(3000).action(Action::Released).limit(20);
/// # drop(released_lately);
/// ```
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    pub(crate) port: Option<i64>,
    pub(crate) project: Option<String>,
    pub(crate) action: Option<Action>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) before: Option<(DateTime<Utc>, i64)>,
    pub(crate) limit: u32,
}

impl HistoryQuery {
    /// How many entries are returned where [`limit`](Self::limit) is not set.
    pub const DEFAULT_LIMIT: u32 = 100;

    /// The history of every port.
    pub fn all() -> Self {
        Self {
            port: None,
            project: None,
            action: None,
            since: None,
            until: None,
            before: None,
            limit: Self::DEFAULT_LIMIT,
        }
    }

    /// The history of one port.
    pub fn port(port: impl Into<i64>) -> Self {
        Self {
            port: Some(port.into()),
            ..Self::all()
        }
    }

    /// Only changes of this project's claims.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Only changes of this kind.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }

    /// Only changes at this time or later.
    #[must_use]
    pub fn since(mut self, time: DateTime<Utc>) -> Self {
        self.since = Some(time);
        self
    }

    /// Only changes at this time or earlier.
    #[must_use]
    pub fn until(mut self, time: DateTime<Utc>) -> Self {
        self.until = Some(time);
        self
    }

    /// Only what is older than `entry`, the last one of the page before.
    #[must_use]
    pub fn before(self, entry: &HistoryEntry) -> Self {
        self.before_place(entry.performed_at, entry.id)
    }

    /// The same, where only the entry's time and id are at hand.
    #[must_use]
    pub fn before_place(mut self, performed_at: DateTime<Utc>, id: i64) -> Self {
        self.before = Some((performed_at, id));
        self
    }

    /// At most this many entries.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

pub(crate) fn wide<P: Into<i64>>(range: RangeInclusive<P>) -> RangeInclusive<i64> {
    let (start, end) = range.into_inner();
    start.into()..=end.into()
}
