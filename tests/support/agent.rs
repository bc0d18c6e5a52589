//! Another process with a keeper of its own, which does what it is told.
//!
//! It is the test program once more: a test that begins with `if agent::serve() { return; }` is the
//! process that [`Agent::start`] starts with that test's name.
#![allow(dead_code, reason = "every test program uses a part of it")]

use std::{
    any::Any,
    env,
    io::{BufRead, BufReader, Write, stdin, stdout},
    net::TcpListener,
    ops::RangeInclusive,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use portkeeper_core::{Keeper, PortRequest, Release, Result, Strategy};

use crate::support::child;

/// The registry of an agent.
const DATABASE: &str = "PORTKEEPER_TEST_AGENT";
/// Begins an answer, since libtest writes to the same pipe.
const MARK: &str = "ANSWER:";

/// A running agent, killed at the latest when this is dropped.
pub struct Agent {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Agent {
    pub fn start(test: &str, database: &Path) -> Self {
        Self::spawn(child(test, "agent").env(DATABASE, database))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives an order, see [`obey`], and returns the answer.
    pub fn ask(&mut self, order: &str) -> String {
        self.tell(order);
        self.answer()
    }

    pub fn tell(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let length = self.answers.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "the agent ended and said nothing");
            if let Some((_, answer)) = line.trim_end().split_once(MARK) {
                return answer.to_owned();
            }
        }
    }

    /// The answer is one number.
    pub fn number(&mut self, order: &str) -> u16 {
        let answer = self.ask(order);
        answer
            .parse()
            .unwrap_or_else(|_| panic!("{order}: {answer}"))
    }

    /// Waits until it has ended by itself.
    pub fn finish(mut self) {
        drop(self.orders.take());
        std::io::copy(&mut self.answers, &mut std::io::sink()).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// `SIGKILL`; it has ended when this returns.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where this process is an agent: obeys until nobody gives orders any more, and returns true.
pub fn serve() -> bool {
    let Some(database) = env::var_os(DATABASE) else {
        return false;
    };
    let keeper = Keeper::open_at(database).unwrap();
    let mut kept: Vec<Box<dyn Any>> = Vec::new();
    for order in stdin().lines() {
        let order = order.unwrap();
        let words: Vec<&str> = order.split(' ').collect();
        match obey(&keeper, &words, &mut kept) {
            Ok(answer) => say(answer),
            Err(error) => say(format_args!("{} {error}", error.name())),
        }
    }
    true
}

pub fn say(text: impl std::fmt::Display) {
    let mut out = stdout().lock();
    out.write_all(format!("\n{MARK}{text}\n").as_bytes())
        .unwrap();
    out.flush().unwrap();
}

/// One order; a range is `LOW-HIGH`, and everything is of the project `shop`.
fn obey(keeper: &Keeper, words: &[&str], kept: &mut Vec<Box<dyn Any>>) -> Result<String> {
    Ok(match *words {
        ["lease", range] => {
            let lease = keeper.lease(within(range))?;
            let port = lease.port();
            kept.push(Box::new(lease));
            port.to_string()
        }
        ["lease", range, role] => {
            let lease = keeper.lease(within(range).role(role))?;
            let port = lease.port();
            kept.push(Box::new(lease));
            port.to_string()
        }
        ["request", range, role] => keeper.request(within(range).role(role))?[0]
            .number
            .to_string(),
        ["hold", port] => {
            kept.push(Box::new(keeper.hold(number(port))?));
            "held".to_owned()
        }
        ["bind", range] => {
            let bound = keeper.bind(within(range).strategy(Strategy::Random))?;
            let port = bound.port();
            kept.push(Box::new(bound));
            port.to_string()
        }
        ["release", port] => {
            keeper.release(Release::port(number(port)))?;
            "released".to_owned()
        }
        ["drop"] => {
            kept.clear();
            "dropped".to_owned()
        }
        // A server that does not outlive this process.
        ["listen", port] => {
            let address = ("127.0.0.1", number(port));
            kept.push(Box::new(TcpListener::bind(address).unwrap()));
            "up".to_owned()
        }
        // A server that outlives this process.
        ["server", address, port] => {
            let script = format!(
                "import signal, socket\n\
                 s = socket.create_server(('{address}', {port}), family=socket.{})\n\
                 print('up', flush=True)\nsignal.pause()",
                if address.contains(':') {
                    "AF_INET6"
                } else {
                    "AF_INET"
                }
            );
            let mut server = Command::new("python3")
                .args(["-c", &script])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            let output = server.stdout.take().unwrap();
            BufReader::new(output).read_line(&mut line).unwrap();
            assert_eq!(line, "up\n");
            let pid = server.id();
            kept.push(Box::new(server));
            pid.to_string()
        }
        _ => panic!("unknown order {words:?}"),
    })
}

fn within(range: &str) -> PortRequest {
    let (low, high) = range.split_once('-').unwrap();
    PortRequest::new("shop").range(span(number(low), number(high)))
}

fn number(word: &str) -> u16 {
    word.parse().unwrap()
}

fn span(low: u16, high: u16) -> RangeInclusive<u16> {
    low..=high
}
