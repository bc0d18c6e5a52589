//! One port at a time.

use pyo3::{prelude::*, types::PyAny};

use portkeeper_core::{KillRequest, Ready, Release, ReserveRequest};

use super::Keeper;
use crate::{
    argument::{Listed, Number, Port, Ports, Seconds},
    guard::{Hold, Target},
    json,
    record::{
        claim::Reservation,
        machine::{KillReport, PortState, Socket},
    },
};

#[pymethods]
impl Keeper {
    /// Says what a port is: whose, and who listens on it. Nothing is written.
    fn check(&self, py: Python<'_>, port: Port) -> PyResult<PortState> {
        self.ask(py, |keeper| keeper.check(port.0)).map(PortState)
    }

    /// Claims a port for a project, or alters the project's claim; what is not mentioned stays.
    #[pyo3(signature = (port, project, *, description = None, tags = None, metadata = None, adopt = false, suggest = false))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords")]
    fn reserve(
        &self,
        py: Python<'_>,
        port: Port,
        project: String,
        description: Option<String>,
        tags: Option<Listed<String>>,
        metadata: Option<&Bound<'_, PyAny>>,
        adopt: bool,
        suggest: bool,
    ) -> PyResult<Reservation> {
        let mut request = ReserveRequest::new(project).adopt(adopt).suggest(suggest);
        if let Some(description) = description {
            request = request.description(description);
        }
        if let Some(tags) = tags {
            request = request.tags(tags.0);
        }
        if let Some(metadata) = metadata {
            request = request.metadata(json::from_mapping("metadata", metadata)?);
        }
        self.ask(py, |keeper| keeper.reserve(port.0, request))
            .map(Reservation)
    }

    /// Ends claims: of one port, several, or a whole project. All of them or none.
    #[pyo3(signature = (ports = None, *, project = None, only_of = None))]
    fn release(
        &self,
        py: Python<'_>,
        ports: Option<Ports>,
        project: Option<String>,
        only_of: Option<String>,
    ) -> PyResult<Vec<Reservation>> {
        let release = match (ports, project) {
            (Some(Ports::One(port)), None) => Release::port(port.0),
            (Some(Ports::Several(ports)), None) => Release::ports(ports.iter().map(|port| port.0)),
            (None, Some(project)) => Release::project(project),
            _ => {
                let message = "either ports or a project is needed to release";
                return Err(pyo3::exceptions::PyTypeError::new_err(message));
            }
        };
        let release = match only_of {
            Some(project) => release.only_of(project),
            None => release,
        };
        let rows = self.ask(py, |keeper| keeper.release(release))?;
        Ok(rows.into_iter().map(Reservation).collect())
    }

    /// The registry's row of a port, also of one that is free again. The machine is not looked at.
    fn get(&self, py: Python<'_>, port: Port) -> PyResult<Option<Reservation>> {
        let row = self.ask(py, |keeper| keeper.get(port.0))?;
        Ok(row.map(Reservation))
    }

    /// The next higher port that a request without a range would give. Nothing is claimed.
    fn next_free(&self, py: Python<'_>, port: Port) -> PyResult<Option<u16>> {
        self.ask(py, |keeper| keeper.next_free(port.0))
    }

    /// Keeps a claimed port bound, without listening, so that the kernel gives it to nobody else.
    fn hold(&self, py: Python<'_>, port: Port) -> PyResult<Py<Hold>> {
        let hold = self.ask(py, |keeper| keeper.hold(port.0))?;
        Hold::new(py, hold)
    }

    /// Waits until a TCP server listens there, and makes sure that it is the right one.
    #[pyo3(signature = (target, *, timeout = None, pid = None), text_signature = "($self, target, *, timeout=10.0, pid=None)")]
    fn wait_ready(
        &self,
        py: Python<'_>,
        target: &Bound<'_, PyAny>,
        timeout: Option<Seconds>,
        pid: Option<Number>,
    ) -> PyResult<Socket> {
        let mut ready = match target.extract::<Target<'_>>() {
            Ok(target) => target.ready(py)?,
            Err(_) => Ready::port(target.extract::<Port>()?.0),
        };
        if let Some(pid) = pid {
            ready = ready.by(pid.as_type(py, "pid")?);
        }
        let within = timeout.map_or(std::time::Duration::from_secs(10), |timeout| timeout.0);
        self.ask(py, |keeper| keeper.wait_ready(ready, within))
            .map(Socket)
    }

    /// Ends the processes that listen on a port, and never its clients.
    #[pyo3(signature = (port, *, grace = None), text_signature = "($self, port, *, grace=5.0)")]
    fn kill(&self, py: Python<'_>, port: Port, grace: Option<Seconds>) -> PyResult<KillReport> {
        let mut request = KillRequest::port(port.0);
        if let Some(grace) = grace {
            request = request.grace(grace.0);
        }
        self.ask(py, |keeper| keeper.kill(request)).map(KillReport)
    }
}
