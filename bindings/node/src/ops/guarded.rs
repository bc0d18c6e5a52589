//! Claims with an end: leases, bound ports and holds.

use std::net::IpAddr;

use portkeeper_core::Result;

use super::{Plan, claims::port_request};
use crate::{
    args::{Args, invalid},
    guards::Guard,
    lanes::Lane,
    outcome::Answer,
    record::{Guarded, Reservation, Rows},
};

pub fn plan(operation: &str, args: &mut Args) -> Option<Result<Plan>> {
    Some(match operation {
        "lease" => lease(args),
        "bind" => bind(args),
        "hold" => hold(args),
        "releaseGuard" => release(args),
        "takeSocket" => take_socket(args),
        "setRole" => set_role(args),
        "lend" => lend(args),
        "takeBack" => take_back(args),
        _ => return None,
    })
}

// In each of these the guard enters the table on the thread that made it: an environment that ends
// before JavaScript gets the number releases it all the same.

fn lease(args: &mut Args) -> Result<Plan> {
    let request = port_request(args)?;
    Plan::new(Lane::Write, move |keeper, context| {
        let lease = keeper.lease(request)?;
        let rows = lease.reservations().to_vec();
        let ports = lease.ports();
        let guard = context.guards.add(Guard::Lease(lease))?;
        Ok(Answer::with(move || {
            let reservations = Rows::<Reservation>::of(rows).0;
            Ok(Guarded {
                guard,
                ports,
                reservations,
                address: None,
            })
        }))
    })
}

fn bind(args: &mut Args) -> Result<Plan> {
    let mut request = port_request(args)?;
    if let Some(text) = args.text("address")? {
        let address: IpAddr = text
            .parse()
            .map_err(|_| invalid("address", text, "is not an IP address"))?;
        request = request.address(address);
    }
    Plan::new(Lane::Write, move |keeper, context| {
        let bound = keeper.bind(request)?;
        let rows = bound.lease().reservations().to_vec();
        let address = bound.listener().local_addr().ok();
        let ports = vec![bound.port()];
        let guard = context.guards.add(Guard::Bound(bound))?;
        Ok(Answer::with(move || {
            let reservations = Rows::<Reservation>::of(rows).0;
            Ok(Guarded {
                guard,
                ports,
                reservations,
                address: address.map(|address| address.ip().to_string()),
            })
        }))
    })
}

fn hold(args: &mut Args) -> Result<Plan> {
    let port = args.number("port")?;
    Plan::new(Lane::Write, move |keeper, context| {
        let hold = keeper.hold(port)?;
        let ports = vec![hold.port()];
        let guard = context.guards.add(Guard::Hold(hold))?;
        Ok(Answer::with(move || {
            Ok(Guarded {
                guard,
                ports,
                reservations: Vec::new(),
                address: None,
            })
        }))
    })
}

fn guard(args: &mut Args) -> Result<u32> {
    let id = args.number("guard")?;
    u32::try_from(id).map_err(|_| invalid("guard", id.to_string(), "is not one"))
}

fn release(args: &mut Args) -> Result<Plan> {
    let guard = guard(args)?;
    Plan::new(Lane::Write, move |_, context| {
        context.guards.release(guard)?;
        Ok(Answer::of(()))
    })
}

fn take_socket(args: &mut Args) -> Result<Plan> {
    let guard = guard(args)?;
    Plan::new(Lane::Read, move |_, context| {
        Ok(Answer::of(context.guards.take_socket(guard)?))
    })
}

fn set_role(args: &mut Args) -> Result<Plan> {
    let (guard, port) = (guard(args)?, args.number("port")?);
    let role = args.text("role")?;
    Plan::new(Lane::Write, move |_, context| {
        context.guards.set_role(guard, port, role)?;
        Ok(Answer::of(()))
    })
}

fn lend(args: &mut Args) -> Result<Plan> {
    let guard = guard(args)?;
    Plan::new(Lane::Write, move |_, context| {
        context.guards.lend(guard)?;
        Ok(Answer::of(()))
    })
}

fn take_back(args: &mut Args) -> Result<Plan> {
    let guard = guard(args)?;
    Plan::new(Lane::Write, move |_, context| {
        Ok(Answer::of(context.guards.take_back(guard)?))
    })
}
