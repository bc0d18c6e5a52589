use chrono::TimeDelta;

/// What [`Keeper::prune`](crate::Keeper::prune) removes.
///
/// ```
/// use chrono::TimeDelta;
/// use portkeeper_core::PruneRequest;
///
/// let request = PruneRequest::new().history_older_than(TimeDelta::days(30));
/// # drop(request);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneRequest {
    pub(crate) history: TimeDelta,
    pub(crate) scans: TimeDelta,
}

impl PruneRequest {
    /// How long history is kept: 365 days.
    pub const HISTORY_KEPT: TimeDelta = TimeDelta::days(365);
    /// How long the result of a scan is kept: 7 days.
    pub const SCANS_KEPT: TimeDelta = TimeDelta::days(7);

    /// History older than [`HISTORY_KEPT`](Self::HISTORY_KEPT), scans older than
    /// [`SCANS_KEPT`](Self::SCANS_KEPT).
    pub const fn new() -> Self {
        Self {
            history: Self::HISTORY_KEPT,
            scans: Self::SCANS_KEPT,
        }
    }

    /// Removes history that is older than `age`.
    #[must_use]
    pub const fn history_older_than(mut self, age: TimeDelta) -> Self {
        self.history = age;
        self
    }

    /// Removes results of scans that are older than `age`.
    #[must_use]
    pub const fn scans_older_than(mut self, age: TimeDelta) -> Self {
        self.scans = age;
        self
    }
}

impl Default for PruneRequest {
    fn default() -> Self {
        Self::new()
    }
}
