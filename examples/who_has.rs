//! Says who has a port, in one line of JSON: what other programs wrote into the registry, read in Rust.
//!
//! `cargo run --example who_has PORT [FILE]`, on the user's registry or on the file.

use std::{env, error::Error};

use portkeeper_core::Options;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let port: i64 = env::args().nth(1).ok_or("a port is needed")?.parse()?;
    let options = Options::new().actor("who_has");
    let keeper = match env::args_os().nth(2) {
        Some(file) => options.path(file).open()?,
        None => options.open()?,
    };
    let state = keeper.check(port)?;
    let claim = state.reservation.as_ref();
    let answer = json!({
        "port": state.port,
        "verdict": state.verdict.to_string(),
        "project": state.project(),
        "role": claim.and_then(|claim| claim.role()),
        "owner": claim.and_then(|claim| claim.owner()).map(|owner| owner.pid),
        "description": claim.and_then(|claim| claim.description.as_deref()),
        "tags": claim.map(|claim| &claim.tags),
        "metadata": claim.map(|claim| &claim.metadata),
    });
    println!("{answer}");
    Ok(())
}
