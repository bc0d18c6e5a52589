//! One port's life: claimed, served, seen, given back, and remembered.
//!
//! Runs on the user's registry, or on the file named as first argument:
//! `cargo run --example quickstart [FILE]`.

use std::{error::Error, net::TcpListener};

use portkeeper_core::{HistoryQuery, Keeper, Options, PortRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::new().actor("quickstart");
    let keeper = match std::env::args_os().nth(1) {
        Some(file) => options.path(file).open()?,
        None => options.open()?,
    };
    println!("registry      {}", keeper.path().display());

    let request = PortRequest::new("quickstart")
        .role("web")
        .description("shows what Port Keeper does");
    let port = keeper.request(request)?[0].number;
    println!("reserved      {}", line(&keeper, port)?);

    let server = TcpListener::bind(("127.0.0.1", port))?;
    keeper.scan()?;
    println!("serving       {}", line(&keeper, port)?);

    drop(server);
    keeper.scan()?;
    println!("stopped       {}", line(&keeper, port)?);

    keeper.release(port)?;
    println!("released      {}", line(&keeper, port)?);

    println!("\nhistory of port {port}, newest first");
    for entry in keeper.history(HistoryQuery::port(port).limit(4))? {
        println!(
            "  {}  {:<9} {} by {} {}",
            entry.performed_at.format("%F %T"),
            entry.action,
            entry.project_name.unwrap_or_default(),
            entry.performed_by.unwrap_or_default(),
            serde_json::to_string(&entry.details)?,
        );
    }
    Ok(())
}

/// A port in one line: its claim, and what the machine says.
fn line(keeper: &Keeper, port: u16) -> portkeeper_core::Result<String> {
    let state = keeper.check(port)?;
    let project = state.project().unwrap_or("nobody");
    Ok(format!(
        "{port}  {:<8}  {project:<10}  {}",
        state.status, state.verdict
    ))
}
