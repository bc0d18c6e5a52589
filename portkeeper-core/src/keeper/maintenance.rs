//! Care of the database itself.

use chrono::{DateTime, Utc};

use crate::{
    error::Result,
    keeper::Keeper,
    model::{CompactReport, Finding, PruneReport, Stats},
    request::PruneRequest,
    store::{compact, prune, stats, verify},
    watch::Watch,
};

impl Keeper {
    /// How large the registry is: bytes, pages, and rows by table.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let stats = keeper.stats()?;
    /// assert_eq!(stats.rows["ports"], 0);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn stats(&self) -> Result<Stats> {
        stats::read(&self.store)
    }

    /// Removes old history and old results of scans: by default after 365 days and 7 days.
    ///
    /// What [`history`](Self::history) and [`holder_at`](Self::holder_at) say of the time that is kept
    /// stays right: of each port the last claim before it is kept, however old. Rows go 250 at a
    /// time, the oldest first, so that nobody waits. A prune that is stopped has removed the oldest
    /// rows, and the next one goes on from there.
    ///
    /// ```
    /// use portkeeper_core::{PruneRequest, Watch};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let removed = keeper.prune(PruneRequest::new(), Watch::none())?;
    /// assert_eq!(removed.history, 0);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn prune(&self, request: PruneRequest, mut watch: Watch<'_>) -> Result<PruneReport> {
        let now = self.host.now();
        let before = |age| {
            now.checked_sub_signed(age)
                .unwrap_or(DateTime::<Utc>::MIN_UTC)
        };
        let (history, scans) = (before(request.history), before(request.scans));
        prune::run(&self.store, history, scans, &mut watch)
    }

    /// Writes the database anew without the gaps that [`prune`](Self::prune) leaves, and counts what
    /// its queries go by (`VACUUM`, `ANALYZE`).
    ///
    /// Other processes read meanwhile and wait with their writes, about a second for a million entries
    /// of history. One that is stopped leaves the database as it was, or, when it counts already, without
    /// the gaps.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let report = keeper.compact(portkeeper_core::Watch::none())?;
    /// println!("{} bytes, {} before", report.bytes_after, report.bytes_before);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn compact(&self, mut watch: Watch<'_>) -> Result<CompactReport> {
        compact::run(&self.store, &mut watch)
    }

    /// Looks for damage, and changes nothing; an empty answer means that all is well.
    ///
    /// Asked are SQLite (pages, indexes, constraints, foreign keys), the schema, and what the engine
    /// relies on: the history implies exactly the claims that are open and their descriptions, ports are
    /// ports, JSON is JSON, timestamps have their one form, leases belong to claims, and saved documents
    /// are what their checksums were made of. Rows that a [`restore`](Self::restore) would refuse are
    /// errors, and claims that cannot be [exported](Self::export) are warnings. Of each kind the first
    /// hundred findings are told. A registry too damaged to be opened is an error instead.
    ///
    /// **What it cannot find.** SQLite has no checksum of a page. A byte that changes on the disk is
    /// noticed where it breaks the structure, a rule, or the equality of a row with its indexes and its
    /// history. It passes in a value that stands alone: of a claim `pid`, `processName`, `lastSeenAt`,
    /// `updatedAt`, `autoRelease` and `metadata`; of a port that is free `description`, `lastSeenAt`,
    /// `updatedAt` and `metadata`; of an entry of the history `description`, `performedBy` and `details`;
    /// of a lease `owner`, but for its pid, `held` and `borrowed`; of a saved document its own
    /// `description` and `createdBy`; and what scans saw. Of 7,300 single bits that were flipped in a
    /// registry, 1,385 made it refuse, 440 were found here, 5,284 made no difference to any answer, and
    /// 191 passed, all of them in these columns. In a [`backup`](Self::backup) none does.
    ///
    /// A log (`-wal`) that was removed together with its index (`-shm`), after a process was killed,
    /// leaves the registry of an earlier moment, which is as sound as it was then.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// for finding in keeper.verify(portkeeper_core::Watch::none())? {
    ///     println!("{:?}: {}", finding.severity, finding.message);
    /// }
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn verify(&self, mut watch: Watch<'_>) -> Result<Vec<Finding>> {
        verify::run(&self.store, &mut watch)
    }
}
