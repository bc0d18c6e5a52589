use std::time::Duration;

/// Whose listeners to end, for [`Keeper::kill`](crate::Keeper::kill). A number converts into one.
///
/// ```
/// use std::time::Duration;
///
/// use portkeeper_core::KillRequest;
///
/// let patient = KillRequest::port(3000).grace(Duration::from_secs(30));
/// # drop(patient);
/// ```
#[derive(Debug, Clone)]
pub struct KillRequest {
    pub(crate) port: i64,
    pub(crate) grace: Duration,
}

impl KillRequest {
    /// How long a process may take to end by itself where [`grace`](Self::grace) is not set.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);
    /// The longest time that a process is given.
    pub const LONGEST_GRACE: Duration = Duration::from_hours(24);

    /// What listens on one port.
    pub fn port(port: impl Into<i64>) -> Self {
        Self {
            port: port.into(),
            grace: Self::DEFAULT_GRACE,
        }
    }

    /// How long the processes may take to end after `SIGTERM`, before `SIGKILL`; at most
    /// [`LONGEST_GRACE`](Self::LONGEST_GRACE). With none at all they get `SIGKILL` at once.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace.min(Self::LONGEST_GRACE);
        self
    }
}

macro_rules! kill_from_number {
    ($($number:ty),*) => {$(
        impl From<$number> for KillRequest {
            fn from(port: $number) -> Self {
                Self::port(port)
            }
        }
    )*};
}

kill_from_number!(u16, i32, u32, i64);
