//! Questions.

use pyo3::prelude::*;

use portkeeper_core::{self as core, Filter, HistoryQuery};

use super::Keeper;
use crate::{
    argument::{Moment, Number, Place, Port, Range, Seconds, word},
    record::{
        claim::{HistoryEntry, Holder, ProjectPorts, Reservation, StaleReservation, Summary},
        machine::{ScanReport, Socket},
    },
};

#[pymethods]
impl Keeper {
    /// The claims that match, by number. Both ends of the range are included.
    #[pyo3(signature = (*, status = None, project = None, tag = None, range = None))]
    fn list(
        &self,
        py: Python<'_>,
        status: Option<&str>,
        project: Option<String>,
        tag: Option<String>,
        range: Option<Range>,
    ) -> PyResult<Vec<Reservation>> {
        let mut filter = Filter::claims();
        if let Some(status) = word(py, status)? {
            filter = filter.status(status);
        }
        if let Some(project) = project {
            filter = filter.project(project);
        }
        if let Some(tag) = tag {
            filter = filter.tag(tag);
        }
        if let Some(range) = range {
            filter = filter.range(range.0);
        }
        let rows = self.ask(py, |keeper| keeper.list(filter))?;
        Ok(rows.into_iter().map(Reservation).collect())
    }

    /// What happened to claims, newest first: at most 100 entries, unless `limit` says otherwise.
    #[pyo3(signature = (port = None, *, project = None, action = None, since = None, until = None, before = None, limit = None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords")]
    fn history(
        &self,
        py: Python<'_>,
        port: Option<Port>,
        project: Option<String>,
        action: Option<&str>,
        since: Option<Moment>,
        until: Option<Moment>,
        before: Option<Place>,
        limit: Option<Number>,
    ) -> PyResult<Vec<HistoryEntry>> {
        let mut query = port.map_or_else(HistoryQuery::all, |port| HistoryQuery::port(port.0));
        if let Some(project) = project {
            query = query.project(project);
        }
        if let Some(action) = word(py, action)? {
            query = query.action(action);
        }
        if let Some(time) = since {
            query = query.since(time.0);
        }
        if let Some(time) = until {
            query = query.until(time.0);
        }
        if let Some(Place(time, id)) = before {
            query = query.before_place(time, id);
        }
        if let Some(limit) = limit {
            query = query.limit(limit.as_type(py, "limit")?);
        }
        let entries = self.ask(py, |keeper| keeper.history(query))?;
        Ok(entries.into_iter().map(HistoryEntry).collect())
    }

    /// Who had a port at one moment, to the second.
    fn holder_at(&self, py: Python<'_>, port: Port, time: Moment) -> PyResult<Option<Holder>> {
        let holder = self.ask(py, |keeper| keeper.holder_at(port.0, time.0))?;
        Ok(holder.map(Holder))
    }

    /// Claims made longer ago than this, 30 days by default, and not in use; the oldest first.
    #[pyo3(signature = (older_than = None), text_signature = "($self, older_than=...)")]
    fn stale(
        &self,
        py: Python<'_>,
        older_than: Option<Seconds>,
    ) -> PyResult<Vec<StaleReservation>> {
        let age = older_than.map_or(core::Keeper::STALE_AFTER, Seconds::age);
        let stale = self.ask(py, |keeper| keeper.stale(age))?;
        Ok(stale.into_iter().map(StaleReservation).collect())
    }

    /// How many ports there are in each status.
    fn summary(&self, py: Python<'_>) -> PyResult<Summary> {
        self.ask(py, core::Keeper::summary).map(Summary)
    }

    /// Every project that has a port, by name, with its ports.
    fn projects(&self, py: Python<'_>) -> PyResult<Vec<ProjectPorts>> {
        let projects = self.ask(py, core::Keeper::projects)?;
        Ok(projects.into_iter().map(ProjectPorts).collect())
    }

    /// Every TCP listener and UDP socket of this machine with its owner. Nothing is written.
    fn listeners(&self, py: Python<'_>) -> PyResult<Vec<Socket>> {
        let listeners = self.ask(py, core::Keeper::listeners)?;
        Ok(listeners.into_iter().map(Socket).collect())
    }

    /// Looks at the machine once and brings the registry up to date.
    fn scan(&self, py: Python<'_>) -> PyResult<ScanReport> {
        self.ask(py, core::Keeper::scan).map(ScanReport)
    }
}
