//! Questions that the registry answers without looking at the machine.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    error::Result,
    keeper::Keeper,
    model::{
        Action, HistoryEntry, Holder, ProjectPorts, Reservation, StaleReservation, Status, Summary,
    },
    request::{Filter, HistoryQuery},
    rules,
    store::{
        history::{self, Sought},
        ports::{self, Listed},
    },
    value,
};

impl Keeper {
    /// How long after its beginning an unused claim counts as stale: 30 days.
    pub const STALE_AFTER: TimeDelta = TimeDelta::days(30);

    /// The claims that match, by number.
    ///
    /// ```
    /// use portkeeper_core::{Filter, ReserveRequest};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// keeper.reserve(3001, ReserveRequest::new("my-app").tag("api"))?;
    /// keeper.reserve(3000, ReserveRequest::new("my-app").tag("web"))?;
    ///
    /// let all = keeper.list(Filter::claims().project("my-app").range(3000..=3999))?;
    /// assert_eq!(all.iter().map(|row| row.number).collect::<Vec<_>>(), [3000, 3001]);
    /// assert_eq!(keeper.list(Filter::claims().tag("api"))?[0].number, 3001);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn list(&self, filter: Filter) -> Result<Vec<Reservation>> {
        if let Some(project) = &filter.project {
            value::project(project)?;
        }
        if let Some(tag) = &filter.tag {
            value::tag(tag)?;
        }
        let range = filter.range.as_ref().map(value::range).transpose()?;
        let wanted = Listed {
            status: filter.status,
            project: filter.project.as_deref(),
            tag: filter.tag.as_deref(),
            range: range.map(std::ops::RangeInclusive::into_inner),
        };
        let mut rows = self.store.read_one(|db| Ok(ports::list(db, &wanted)?))?;
        rows.retain(rules::was_claimed);
        Ok(rows)
    }

    /// What happened to claims, newest first: at most
    /// [`DEFAULT_LIMIT`](HistoryQuery::DEFAULT_LIMIT) entries, unless the query sets another limit.
    ///
    /// Every change has exactly one entry, whoever made it. Go on with
    /// [`HistoryQuery::before`] and the last entry of a page.
    ///
    /// ```
    /// use portkeeper_core::{Action, HistoryQuery, ReserveRequest};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// keeper.reserve(3000, ReserveRequest::new("my-app"))?;
    /// keeper.release(3000)?;
    ///
    /// let actions: Vec<Action> =
    ///     keeper.history(HistoryQuery::port(3000))?.iter().map(|entry| entry.action).collect();
    /// assert_eq!(actions, [Action::Released, Action::Reserved]);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn history(&self, query: HistoryQuery) -> Result<Vec<HistoryEntry>> {
        if let Some(project) = &query.project {
            value::project(project)?;
        }
        let sought = Sought {
            port: query.port.map(value::port).transpose()?,
            project: query.project.as_deref(),
            action: query.action,
            since: query.since,
            until: query.until,
            before: query.before,
            limit: query.limit,
        };
        self.store.read_one(|db| Ok(history::page(db, &sought)?))
    }

    /// Who had a port at one moment, to the second; `None` when nobody had.
    ///
    /// ```
    /// use portkeeper_core::ReserveRequest;
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// keeper.reserve(3000, ReserveRequest::new("my-app"))?;
    /// let now = chrono::Utc::now();
    /// assert_eq!(keeper.holder_at(3000, now)?.map(|holder| holder.project_name).as_deref(), Some("my-app"));
    /// assert_eq!(keeper.holder_at(3000, "2020-01-01T00:00:00Z".parse().unwrap())?, None);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn holder_at(&self, port: impl Into<i64>, time: DateTime<Utc>) -> Result<Option<Holder>> {
        let last = self.history(HistoryQuery::port(port).until(time).limit(1))?;
        let Some(entry) = last.into_iter().next() else {
            return Ok(None);
        };
        let status = match entry.action {
            Action::Released => return Ok(None),
            Action::InUse => Status::InUse,
            Action::Reserved | Action::Killed => Status::Reserved,
        };
        // An entry without a project is of a port that nobody had claimed.
        let project = entry.project_name.clone();
        let Some(project_name) = project.filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Holder {
            port: entry.port,
            project_name,
            status,
            entry,
        }))
    }

    /// Claims that were made more than `older_than` ago and are not in use, the oldest first;
    /// [`STALE_AFTER`](Self::STALE_AFTER) is what people usually mean.
    ///
    /// ```
    /// use portkeeper_core::Keeper;
    ///
    /// # let keeper = Keeper::in_memory()?;
    /// for stale in keeper.stale(Keeper::STALE_AFTER)? {
    ///     println!("{} is {:.0} days old", stale.reservation.number, stale.days_old);
    /// }
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn stale(&self, older_than: TimeDelta) -> Result<Vec<StaleReservation>> {
        let now = self.host.now();
        let before = now
            .checked_sub_signed(older_than)
            .unwrap_or(DateTime::<Utc>::MIN_UTC);
        self.store.read_one(|db| Ok(ports::stale(db, before, now)?))
    }

    /// How many ports there are in each status.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// assert_eq!(keeper.summary()?.total, 0);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn summary(&self) -> Result<Summary> {
        self.store.read_one(|db| Ok(ports::summary(db)?))
    }

    /// Every project that has a port, by name, with its ports.
    ///
    /// ```
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// for project in keeper.projects()? {
    ///     println!("{}: {:?}", project.project_name, project.ports);
    /// }
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn projects(&self) -> Result<Vec<ProjectPorts>> {
        self.store.read_one(|db| Ok(ports::projects(db)?))
    }
}
