//! A port that is kept for a server which knows nothing of Port Keeper, until it listens.
//!
//! Runs on the user's registry, or on the file named as first argument:
//! `cargo run --example held_port [FILE]`. Needs Python 3.

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use portkeeper_core::{Keeper, Options, PortRequest, Ready};

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::new().actor("held_port");
    let keeper = match std::env::args_os().nth(1) {
        Some(file) => options.path(file).open()?,
        None => options.open()?,
    };

    // The lease ends with this program; the hold keeps strangers off until the server is there.
    let lease = keeper.lease(PortRequest::new("held_port").role("web"))?;
    let port = lease.port();
    let hold = keeper.hold(port)?;
    println!("held          {port}  {}", keeper.check(port)?.verdict);

    let mut server = serve(port)?;
    let answer = wait_and_fetch(&keeper, port, server.id());
    server.kill()?;
    server.wait()?;
    println!("answered      {port}  {}", answer?);

    drop(hold);
    lease.release()?;
    println!("released      {port}  {}", keeper.check(port)?.verdict);
    Ok(())
}

fn serve(port: u16) -> std::io::Result<Child> {
    Command::new("python3")
        .args(["-m", "http.server", &port.to_string()])
        .args(["--bind", "127.0.0.1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Waits until this very process listens, and returns the first line of what it answers.
fn wait_and_fetch(keeper: &Keeper, port: u16, pid: u32) -> Result<String, Box<dyn Error>> {
    let ready = Ready::port(port).by(pid);
    let socket = keeper.wait_ready(ready, Duration::from_secs(30))?;
    println!("ready         {port}  {socket}");

    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
