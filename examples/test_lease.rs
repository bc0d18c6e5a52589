//! A port for a test: yours alone while the test runs, also beside another run of the same tests.
//!
//! Runs on the user's registry, or on the file named as first argument:
//! `cargo run --example test_lease [FILE]`.

use std::{
    error::Error,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use portkeeper_core::{Keeper, Lease, Options, PortRequest, Strategy};

/// What a test suite has once. The lease of each test ends with the test, whether it passes or
/// panics, and those of a run that was killed end with its process.
struct Ports(Keeper);

impl Ports {
    fn port(&self) -> portkeeper_core::Result<Lease> {
        // Random, so that tests that run at once do not try the same port first.
        let request = PortRequest::new("my-tests").strategy(Strategy::Random);
        self.0.lease(request)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::new().actor("test_lease");
    let keeper = match std::env::args_os().nth(1) {
        Some(file) => options.path(file).open()?,
        None => options.open()?,
    };
    let ports = Ports(keeper.clone());

    let mut used = Vec::new();
    for test in ["first", "second"] {
        let lease = ports.port()?;
        let port = lease.port();
        println!("{test:<13} {port}  {}", keeper.check(port)?.verdict);
        a_server_echoes(port)?;
        used.push(port);
    }
    let failing = ports.port()?;
    used.push(failing.port());
    println!("{:<13} {}", "failing", failing.port());
    let outcome = thread::spawn(move || {
        let _port = failing;
        // As a failed assertion would, but without its message.
        std::panic::resume_unwind(Box::new("the test fails"));
    })
    .join();
    println!(
        "outcome       {}",
        if outcome.is_ok() { "passed" } else { "failed" }
    );

    for port in used {
        let state = keeper.check(port)?;
        println!("afterwards    {port}  {}", state.status);
    }
    Ok(())
}

/// The test: the server under test binds the leased port by its number.
fn a_server_echoes(port: u16) -> std::io::Result<()> {
    let server = TcpListener::bind(("127.0.0.1", port))?;
    let mut client = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"ping")?;
    let (mut accepted, _) = server.accept()?;
    let mut word = [0; 4];
    accepted.read_exact(&mut word)?;
    assert_eq!(&word, b"ping");
    Ok(())
}
