//! Which port a project gets, and the right to it for a while.

use std::ops::RangeInclusive;

use portkeeper_core::{
    Action, Error, ErrorKind, Filter, HistoryQuery, Hold, Keeper, Lease, PortRequest, Reservation,
    Status, Verdict,
};

use crate::failure::Outcome;

/// How many ports are tried when strangers take them between the choice and the hold.
const TRIES: usize = 16;

/// How a port is held: against everybody, or against programs without `SO_REUSEADDR`.
pub type Holding = fn(&Keeper, i64) -> Result<Hold, Error>;

/// A port that is held for a project. Dropping it gives back what was taken: a claim that was made for
/// it ends, and one that the project had before is there still.
pub struct Claim {
    // Ends before the lease, which would go on until the hold does.
    hold: Hold,
    lease: Option<Lease>,
    project: String,
}

impl Claim {
    /// The port.
    pub fn port(&self) -> u16 {
        self.hold.port()
    }

    /// Whose it is.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Whether the claim was made for this, and is not one that the project has anyway.
    pub fn is_leased(&self) -> bool {
        self.lease.is_some()
    }

    /// The hold, and what has to outlive it.
    pub fn into_parts(self) -> (Hold, Option<Lease>) {
        (self.hold, self.lease)
    }

    /// A port that somebody has claimed.
    pub fn existing(keeper: &Keeper, port: i64) -> Outcome<Self> {
        let hold = keeper.hold(port)?;
        let row = keeper.get(port)?;
        Ok(Self {
            hold,
            project: row.map(|row| row.project_name).unwrap_or_default(),
            lease: None,
        })
    }

    /// This very port, which the project has, or claims for as long as this lives.
    pub fn of_port(
        keeper: &Keeper,
        project: &str,
        role: Option<&str>,
        port: i64,
        hold: Holding,
    ) -> Outcome<Self> {
        let row = keeper.get(port)?.filter(|row| row.status != Status::Free);
        match row {
            Some(row) if row.project_name == project && row.owner().is_none() => {
                Ok(Self::own(project, hold(keeper, port)?))
            }
            // Refused, unless its owner has ended.
            _ => {
                let request = request(project, role).range(port..=port);
                Ok(Self::leased(keeper, project, request, hold)
                    .map_err(|error| explain(keeper, port, error))?)
            }
        }
    }

    /// The project's port for the role: the one that it keeps, else the one that it had the last time,
    /// else a free one that no other project had last.
    pub fn of_role(
        keeper: &Keeper,
        project: &str,
        role: &str,
        is_usual: bool,
        range: Option<RangeInclusive<i64>>,
        hold: Holding,
    ) -> Outcome<Self> {
        let leased = |request| Self::leased(keeper, project, request, hold);
        let claims = keeper.list(Filter::claims().project(project))?;
        if claims.iter().any(|row| row.role() == Some(role)) {
            return Ok(leased(request(project, Some(role)))?);
        }
        // What was reserved by its number has no role, and is what `run` means without one.
        let plain = |row: &&Reservation| is_usual && row.lease.is_none();
        if let Some(row) = claims.iter().find(plain) {
            return Ok(Self::own(project, hold(keeper, row.number.into())?));
        }
        let wanted = || {
            let wanted = request(project, Some(role));
            match &range {
                Some(range) => wanted.range(range.clone()),
                None => wanted,
            }
        };
        if let Some(port) = last(keeper, project, role)?
            && range.as_ref().is_none_or(|range| range.contains(&port))
        {
            let again = request(project, Some(role)).range(port..=port);
            match leased(again) {
                Err(error) if is_taken(&error) => {}
                other => return Ok(other?),
            }
        }
        let mut avoid = others(keeper, project)?;
        for _ in 0..TRIES {
            match leased(wanted().avoid(avoid.iter().copied())) {
                // There is only what others had.
                Err(error) if error.kind() == ErrorKind::RangeExhausted && !avoid.is_empty() => {
                    avoid.clear();
                }
                Err(Error::PortInUse { port, .. }) => avoid.push(port.into()),
                other => return Ok(other?),
            }
        }
        Ok(leased(wanted())?)
    }

    fn own(project: &str, hold: Hold) -> Self {
        Self {
            hold,
            project: project.to_owned(),
            lease: None,
        }
    }

    fn leased(
        keeper: &Keeper,
        project: &str,
        request: PortRequest,
        hold: Holding,
    ) -> Result<Self, Error> {
        let lease = keeper.lease(request)?;
        Ok(Self {
            hold: hold(keeper, lease.port().into())?,
            project: project.to_owned(),
            lease: Some(lease),
        })
    }
}

fn request(project: &str, role: Option<&str>) -> PortRequest {
    let request = PortRequest::new(project);
    match role {
        Some(role) => request.role(role),
        None => request,
    }
}

fn is_taken(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::RangeExhausted | ErrorKind::PortInUse | ErrorKind::PortReserved
    )
}

/// A range of one port that is exhausted: who has that port says more.
fn explain(keeper: &Keeper, port: i64, error: Error) -> Error {
    if error.kind() != ErrorKind::RangeExhausted {
        return error;
    }
    let Ok(state) = keeper.check(port) else {
        return error;
    };
    let next_free = keeper.next_free(port).unwrap_or_default();
    match state.reservation {
        Some(row) => Error::PortReserved {
            port: row.number,
            owner: row.owner().map(|owner| owner.pid),
            project: row.project_name,
            since: row.reserved_at,
            next_free,
        },
        None if state.verdict == Verdict::Free => error,
        None if matches!(state.verdict, Verdict::Privileged { .. }) => Error::PermissionDenied {
            what: format!("binding port {port}"),
            source: std::io::ErrorKind::PermissionDenied.into(),
        },
        None => Error::PortInUse {
            port: state.port,
            verdict: Box::new(state.verdict),
            next_free,
        },
    }
}

/// The port that the project had for the role the last time, where nobody has had it since.
fn last(keeper: &Keeper, project: &str, role: &str) -> Outcome<Option<i64>> {
    let query = HistoryQuery::all()
        .project(project)
        .action(Action::Reserved)
        .limit(1_000);
    let entries = keeper.history(query)?;
    let of_role = |entry: &&portkeeper_core::HistoryEntry| {
        entry.details.get("role").and_then(|role| role.as_str()) == Some(role)
    };
    let Some(entry) = entries.iter().find(of_role) else {
        return Ok(None);
    };
    let row = keeper.get(entry.port)?;
    let is_ours = |row: Reservation| row.status == Status::Free && row.project_name == project;
    Ok(row.is_some_and(is_ours).then_some(entry.port.into()))
}

/// Ports that are free and were another project's last: it will want them again.
fn others(keeper: &Keeper, project: &str) -> Outcome<Vec<i64>> {
    let mut rows = keeper.list(Filter::claims().status(Status::Free))?;
    rows.retain(|row| row.project_name != project);
    Ok(rows.iter().map(|row| row.number.into()).collect())
}
