use chrono::{DateTime, Utc};
use napi::{
    Env,
    bindgen_prelude::{Object, ToNapiValue},
    sys,
};
use portkeeper_core::{self as core, Error, Result, Verdict};

use super::{Reservation, Socket};

/// What is known of a port. The facts of the verdict lie beside it, as in core's JSON, and only those
/// that it has; `explanation` is what the verdict says of itself.
pub struct PortState {
    port: u16,
    status: &'static str,
    verdict: &'static str,
    explanation: String,
    facts: Facts,
    reservation: Option<Reservation>,
}

#[derive(Default)]
struct Facts {
    /// Shown for every verdict but `free`.
    project: Option<String>,
    since: Option<DateTime<Utc>>,
    pid: Option<u32>,
    /// The name of the list and the list.
    sockets: Option<(&'static str, Vec<Socket>)>,
}

impl TryFrom<core::PortState> for PortState {
    type Error = Error;

    fn try_from(state: core::PortState) -> Result<Self> {
        let core::PortState {
            port,
            status,
            verdict,
            reservation,
        } = state;
        let explanation = verdict.to_string();
        let (verdict, facts) = facts(verdict)?;
        Ok(Self {
            port,
            status: status.as_str(),
            verdict,
            explanation,
            facts,
            reservation: reservation.map(Into::into),
        })
    }
}

fn facts(verdict: Verdict) -> Result<(&'static str, Facts)> {
    let of = |project| Facts {
        project,
        ..Facts::default()
    };
    let with = |project, name, sockets: Vec<core::Socket>| Facts {
        sockets: Some((name, sockets.into_iter().map(Into::into).collect())),
        ..of(project)
    };
    Ok(match verdict {
        Verdict::Free => ("free", Facts::default()),
        Verdict::Reserved { project, since } => (
            "reserved",
            Facts {
                since: Some(since),
                ..of(Some(project))
            },
        ),
        Verdict::Held {
            project,
            since,
            pid,
        } => (
            "held",
            Facts {
                since: Some(since),
                pid: Some(pid),
                ..of(Some(project))
            },
        ),
        Verdict::Listening { project, listeners } => {
            ("listening", with(project, "listeners", listeners))
        }
        Verdict::Bound { project, sockets } => ("bound", with(project, "sockets", sockets)),
        Verdict::TimeWait { project } => ("time-wait", of(project)),
        Verdict::OutgoingConnection {
            project,
            connections,
        } => (
            "outgoing-connection",
            with(project, "connections", connections),
        ),
        Verdict::Privileged { project } => ("privileged", of(project)),
        Verdict::Excluded { project } => ("excluded", of(project)),
        other => {
            let message = format!("a verdict that this binding does not know: {other}");
            return Err(Error::Internal(message));
        }
    })
}

impl ToNapiValue for PortState {
    unsafe fn to_napi_value(env: sys::napi_env, state: Self) -> napi::Result<sys::napi_value> {
        let Self {
            port,
            status,
            verdict,
            explanation,
            facts,
            reservation,
        } = state;
        let mut object = Object::new(&Env::from_raw(env))?;
        object.set("port", port)?;
        object.set("status", status)?;
        object.set("verdict", verdict)?;
        object.set("explanation", explanation)?;
        let Facts {
            project,
            since,
            pid,
            sockets,
        } = facts;
        if verdict != "free" {
            object.set("project", project)?;
        }
        if let Some(since) = since {
            object.set("since", since)?;
        }
        if let Some(pid) = pid {
            object.set("pid", pid)?;
        }
        if let Some((name, sockets)) = sockets {
            object.set(name, sockets)?;
        }
        object.set("reservation", reservation)?;
        unsafe { Object::to_napi_value(env, object) }
    }
}
