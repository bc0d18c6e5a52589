//! Ports of the engine's choice.

use pyo3::prelude::*;

use portkeeper_core::PortRequest;

use super::Keeper;
use crate::{
    argument::{Address, Listed, Number, Port, Range, Seconds, word},
    guard::{BoundPort, Lease},
    record::claim::Reservation,
};

/// What `request`, `lease` and `bind` have in common.
#[derive(Default)]
struct Wish {
    roles: Option<Listed<String>>,
    count: Option<Number>,
    range: Option<Range>,
    avoid: Option<Listed<Port>>,
    description: Option<String>,
    tags: Option<Listed<String>>,
    owned_by: Option<Number>,
    ttl: Option<Seconds>,
}

impl Wish {
    fn request(
        self,
        py: Python<'_>,
        project: String,
        strategy: Option<&str>,
    ) -> PyResult<PortRequest> {
        let mut request = PortRequest::new(project);
        if let Some(roles) = self.roles {
            request = request.roles(roles.0);
        }
        if let Some(count) = self.count {
            request = request.count(count.as_type(py, "count")?);
        }
        if let Some(range) = self.range {
            request = request.range(range.0);
        }
        if let Some(strategy) = word(py, strategy)? {
            request = request.strategy(strategy);
        }
        if let Some(avoid) = self.avoid {
            request = request.avoid(avoid.0.iter().map(|port| port.0));
        }
        if let Some(description) = self.description {
            request = request.description(description);
        }
        if let Some(tags) = self.tags {
            request = request.tags(tags.0);
        }
        if let Some(pid) = self.owned_by {
            request = request.owned_by(pid.as_type(py, "owned_by")?);
        }
        if let Some(ttl) = self.ttl {
            request = request.ttl(ttl.0);
        }
        Ok(request)
    }
}

#[pymethods]
impl Keeper {
    /// Claims free ports: all that were asked for, or none. A role comes back with the same port.
    #[pyo3(signature = (project, *, roles = None, count = None, range = None, strategy = None, avoid = None, description = None, tags = None, auto_release = false, owned_by = None, ttl = None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords")]
    fn request(
        &self,
        py: Python<'_>,
        project: String,
        roles: Option<Listed<String>>,
        count: Option<Number>,
        range: Option<Range>,
        strategy: Option<&str>,
        avoid: Option<Listed<Port>>,
        description: Option<String>,
        tags: Option<Listed<String>>,
        auto_release: bool,
        owned_by: Option<Number>,
        ttl: Option<Seconds>,
    ) -> PyResult<Vec<Reservation>> {
        let wish = Wish {
            roles,
            count,
            range,
            avoid,
            description,
            tags,
            owned_by,
            ttl,
        };
        let ends_with_another = wish.owned_by.is_some();
        let mut request = wish.request(py, project, strategy)?;
        if auto_release && !ends_with_another {
            request = request.auto_release();
        }
        let rows = self.ask(py, |keeper| keeper.request(request))?;
        Ok(rows.into_iter().map(Reservation).collect())
    }

    /// As `request`, until the lease is released or this process ends.
    #[pyo3(signature = (project, *, roles = None, count = None, range = None, strategy = None, avoid = None, description = None, tags = None, owned_by = None, ttl = None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords")]
    fn lease(
        &self,
        py: Python<'_>,
        project: String,
        roles: Option<Listed<String>>,
        count: Option<Number>,
        range: Option<Range>,
        strategy: Option<&str>,
        avoid: Option<Listed<Port>>,
        description: Option<String>,
        tags: Option<Listed<String>>,
        owned_by: Option<Number>,
        ttl: Option<Seconds>,
    ) -> PyResult<Lease> {
        let wish = Wish {
            roles,
            count,
            range,
            avoid,
            description,
            tags,
            owned_by,
            ttl,
        };
        let request = wish.request(py, project, strategy)?;
        self.ask(py, |keeper| keeper.lease(request)).map(Lease::new)
    }

    /// Leases one port and listens on it, on 127.0.0.1 by default: nobody can slip in between.
    #[pyo3(signature = (project, *, roles = None, range = None, strategy = None, avoid = None, description = None, tags = None, owned_by = None, ttl = None, count = None, address = None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords")]
    fn bind(
        &self,
        py: Python<'_>,
        project: String,
        roles: Option<Listed<String>>,
        range: Option<Range>,
        strategy: Option<&str>,
        avoid: Option<Listed<Port>>,
        description: Option<String>,
        tags: Option<Listed<String>>,
        owned_by: Option<Number>,
        ttl: Option<Seconds>,
        count: Option<Number>,
        address: Option<Address>,
    ) -> PyResult<BoundPort> {
        let wish = Wish {
            roles,
            count,
            range,
            avoid,
            description,
            tags,
            owned_by,
            ttl,
        };
        let mut request = wish.request(py, project, strategy)?;
        if let Some(address) = address {
            request = request.address(address.0);
        }
        let bound = self.ask(py, |keeper| keeper.bind(request))?;
        BoundPort::new(py, bound)
    }
}
