//! Claims, and what the registry says of them.

use portkeeper_core::{
    Action, Filter, HistoryQuery, Keeper, PortRequest, Release, ReserveRequest, Result, Status,
    Strategy,
};

use super::Plan;
use crate::{
    args::{Args, invalid},
    lanes::Lane,
    outcome::Answer,
    record::{self, Rows},
};

pub fn plan(operation: &str, args: &mut Args) -> Option<Result<Plan>> {
    Some(match operation {
        "check" => check(args),
        "reserve" => reserve(args),
        "request" => request(args),
        "release" => release(args),
        "nextFree" => next_free(args),
        "get" => get(args),
        "list" => list(args),
        "history" => history(args),
        "holderAt" => holder_at(args),
        "stale" => stale(args),
        "summary" => Plan::new(Lane::Read, |keeper, _| {
            Ok(Answer::of(record::Summary::from(keeper.summary()?)))
        }),
        "projects" => Plan::new(Lane::Read, |keeper, _| {
            Ok(Answer::of(Rows::<record::ProjectPorts>::of(
                keeper.projects()?,
            )))
        }),
        _ => return None,
    })
}

fn check(args: &mut Args) -> Result<Plan> {
    let port = args.number("port")?;
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(record::PortState::try_from(
            keeper.check(port)?,
        )?))
    })
}

fn reserve(args: &mut Args) -> Result<Plan> {
    let port = args.number("port")?;
    let mut request = ReserveRequest::new(args.text("project")?.unwrap_or_default());
    if let Some(description) = args.text("description")? {
        request = request.description(description);
    }
    if let Some(tags) = args.texts("tags")? {
        request = request.tags(tags);
    }
    if let Some(metadata) = args.text("metadata")? {
        request = request.metadata(metadata);
    }
    request = request
        .adopt(args.flag("adopt")?)
        .suggest(args.flag("suggest")?);
    Plan::new(Lane::Write, move |keeper, _| {
        Ok(Answer::of(record::Reservation::from(
            keeper.reserve(port, request)?,
        )))
    })
}

/// What `request`, `lease` and `bind` have in common.
pub fn port_request(args: &mut Args) -> Result<PortRequest> {
    let mut request = PortRequest::new(args.text("project")?.unwrap_or_default());
    request = request.roles(args.texts("roles")?.unwrap_or_default());
    if let Some(count) = args.natural("count")? {
        let few = usize::try_from(count);
        request =
            request.count(few.map_err(|_| invalid("count", count.to_string(), "is too large"))?);
    }
    if let Some((first, last)) = args.range("range")? {
        request = request.range(first..=last);
    }
    if let Some(strategy) = args.word::<Strategy>("strategy")? {
        request = request.strategy(strategy);
    }
    request = request.avoid(args.numbers("avoid")?.unwrap_or_default());
    if let Some(description) = args.text("description")? {
        request = request.description(description);
    }
    if let Some(tags) = args.texts("tags")? {
        request = request.tags(tags);
    }
    if args.flag("autoRelease")? {
        request = request.auto_release();
    }
    if let Some(pid) = args.pid("ownedBy")? {
        request = request.owned_by(pid);
    }
    if let Some(ttl) = args.duration("ttl")? {
        request = request.ttl(ttl);
    }
    Ok(request)
}

fn request(args: &mut Args) -> Result<Plan> {
    let request = port_request(args)?;
    Plan::new(Lane::Write, move |keeper, _| {
        Ok(Answer::of(Rows::<record::Reservation>::of(
            keeper.request(request)?,
        )))
    })
}

fn release(args: &mut Args) -> Result<Plan> {
    let port = args.optional_number("port")?;
    let ports = args.numbers("ports")?;
    let project = args.text("project")?;
    let mut release = match (port, ports, project) {
        (Some(port), None, None) => Release::port(port),
        (None, Some(ports), None) => Release::ports(ports),
        (None, None, Some(project)) => Release::project(project),
        _ => return Err(invalid("release", "", "takes a port, ports or a project")),
    };
    if let Some(project) = args.text("onlyOf")? {
        release = release.only_of(project);
    }
    Plan::new(Lane::Write, move |keeper, _| {
        Ok(Answer::of(Rows::<record::Reservation>::of(
            keeper.release(release)?,
        )))
    })
}

fn next_free(args: &mut Args) -> Result<Plan> {
    let port = args.number("port")?;
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(keeper.next_free(port)?))
    })
}

fn get(args: &mut Args) -> Result<Plan> {
    let port = args.number("port")?;
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(keeper.get(port)?.map(record::Reservation::from)))
    })
}

fn list(args: &mut Args) -> Result<Plan> {
    let mut filter = Filter::claims();
    if let Some(status) = args.word::<Status>("status")? {
        filter = filter.status(status);
    }
    if let Some(project) = args.text("project")? {
        filter = filter.project(project);
    }
    if let Some(tag) = args.text("tag")? {
        filter = filter.tag(tag);
    }
    if let Some((first, last)) = args.range("range")? {
        filter = filter.range(first..=last);
    }
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(Rows::<record::Reservation>::of(
            keeper.list(filter)?,
        )))
    })
}

fn history(args: &mut Args) -> Result<Plan> {
    let mut query = match args.optional_number("port")? {
        Some(port) => HistoryQuery::port(port),
        None => HistoryQuery::all(),
    };
    if let Some(project) = args.text("project")? {
        query = query.project(project);
    }
    if let Some(action) = args.word::<Action>("action")? {
        query = query.action(action);
    }
    if let Some(time) = args.time("since")? {
        query = query.since(time);
    }
    if let Some(time) = args.time("until")? {
        query = query.until(time);
    }
    if let Some((time, id)) = args.place("before")? {
        query = query.before_place(time, id);
    }
    if let Some(limit) = args.natural("limit")? {
        let few = u32::try_from(limit);
        query = query.limit(few.map_err(|_| invalid("limit", limit.to_string(), "is too large"))?);
    }
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(Rows::<record::HistoryEntry>::of(
            keeper.history(query)?,
        )))
    })
}

fn holder_at(args: &mut Args) -> Result<Plan> {
    let port = args.number("port")?;
    let time = args.time("time")?;
    let time = time.ok_or_else(|| invalid("time", "undefined", "is not a valid Date"))?;
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(
            keeper.holder_at(port, time)?.map(record::Holder::from),
        ))
    })
}

fn stale(args: &mut Args) -> Result<Plan> {
    let age = args.age("olderThan")?.unwrap_or(Keeper::STALE_AFTER);
    Plan::new(Lane::Read, move |keeper, _| {
        Ok(Answer::of(Rows::<record::StaleReservation>::of(
            keeper.stale(age)?,
        )))
    })
}
