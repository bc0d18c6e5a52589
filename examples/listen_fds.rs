//! A listening socket that is handed to a child: no moment at which the port is nobody's.
//!
//! Runs on the user's registry, or on the file named as first argument:
//! `cargo run --example listen_fds [FILE]`. Needs Python 3.

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{io::Read, net::TcpStream, process::Stdio};

    use portkeeper_core::{Options, PortRequest};

    // What every server does that can be started by systemd: its socket is descriptor 3.
    const SERVER: &str = "import os, socket\n\
        server = socket.socket(fileno=3)\n\
        client, _ = server.accept()\n\
        client.sendall(f'hello from process {os.getpid()}'.encode())\n\
        assert os.environ['LISTEN_PID'] == str(os.getpid())";

    let options = Options::new().actor("listen_fds");
    let keeper = match std::env::args_os().nth(1) {
        Some(file) => options.path(file).open()?,
        None => options.open()?,
    };

    let bound = keeper.bind(PortRequest::new("listen_fds"))?;
    let port = bound.port();
    println!("bound         {port}  {}", keeper.check(port)?.verdict);

    let mut server = bound
        .command("python3")?
        .args(["-c", SERVER])
        .stdin(Stdio::null())
        .spawn()?;
    // This program's own copy of the socket is not needed any more; the lease is.
    let (listener, lease) = bound.into_parts();
    drop(listener);

    let mut greeting = String::new();
    TcpStream::connect(("127.0.0.1", port))?.read_to_string(&mut greeting)?;
    println!(
        "answered      {port}  {greeting}, which is process {}",
        server.id()
    );
    server.wait()?;

    lease.release()?;
    println!("released      {port}  {}", keeper.check(port)?.verdict);
    Ok(())
}

#[cfg(not(unix))]
fn main() {
    println!("descriptors are handed to children on Unix only");
}
