//! A worker: any program that obeys the protocol, in any language.
//!
//! It is started with the database, its name in the history, a durability and a seeded bug (or `-`) as
//! arguments, opens the registry and says `> ready`. Then it obeys one line after the other:
//!
//! ```text
//! reserve PORT PROJECT TEXT          release PORT PROJECT          get PORT
//! request LOW HIGH PROJECT TEXT      lease LOW HIGH PROJECT TEXT   drop PORT
//! ```
//!
//! and answers each with `> BEGIN END ok VALUE` or `> BEGIN END NAME PROJECT`: the monotonic clock in
//! nanoseconds before and after the operation, and `-` for no value. Other lines are passed over.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use crate::{
    language::{Language, Program},
    ledger::{Answer, Order},
};

const WORKER: Program = Program {
    folder: "reliability",
    name: "worker",
};

/// How often one in it is killed, compared to the others.
pub fn weight(language: Language) -> usize {
    match language {
        Language::Rust | Language::C => 3,
        Language::Python | Language::Node => 1,
    }
}

/// What a worker is started with.
pub struct Start<'a> {
    pub language: Language,
    pub database: &'a Path,
    pub actor: &'a str,
    pub durability: &'a str,
    pub bug: &'a str,
}

pub struct Worker {
    pub child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    pub fn start(start: &Start<'_>) -> Self {
        let database = start.database.to_str().unwrap();
        let arguments = [database, start.actor, start.durability, start.bug];
        let mut command = WORKER.command(start.language).unwrap();
        if start.language == Language::Rust {
            command.env("CHILD", arguments.join("\n"));
        } else {
            command.args(arguments);
        }
        let mut child = command
            .env("PORTKEEPER_DB_PATH", "/nonexistent/database.db")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self {
            orders: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// The next line of the protocol; `None` when the process has ended.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.answers.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // A line without its end was being written when the process was killed.
            if let Some(text) = line
                .strip_prefix("> ")
                .and_then(|text| text.strip_suffix('\n'))
            {
                return Some(text.to_owned());
            }
        }
    }

    /// Gives an order and waits; the answer and its times, `None` when the process has ended.
    pub fn ask(
        &mut self,
        order: &Order,
        project: &str,
        range: (u16, u16),
    ) -> Option<(i64, i64, Answer)> {
        let (low, high) = range;
        let line = match order {
            Order::Reserve { port, text } => format!("reserve {port} {project} {text}\n"),
            Order::Release { port } => format!("release {port} {project}\n"),
            Order::Request { text } => format!("request {low} {high} {project} {text}\n"),
            Order::Lease { text } => format!("lease {low} {high} {project} {text}\n"),
            Order::Drop { port, .. } => format!("drop {port}\n"),
            Order::Get { port } => format!("get {port}\n"),
        };
        // It may have been killed meanwhile.
        self.orders.write_all(line.as_bytes()).ok()?;
        let answer = self.line()?;
        let words: Vec<&str> = answer.split(' ').collect();
        let [begin, end, outcome, value] = *words else {
            panic!("not an answer: {answer}");
        };
        let value = (value != "-").then(|| value.to_owned());
        let answer = match outcome {
            "ok" => Answer::Done(value),
            name => Answer::Refused(name.to_owned(), value),
        };
        Some((begin.parse().unwrap(), end.parse().unwrap(), answer))
    }
}

/// The languages that take part.
pub fn languages(test: &str) -> Vec<Language> {
    let mut languages = WORKER.languages(test);
    if let Ok(wanted) = env::var("PORTKEEPER_LANGUAGES") {
        languages.retain(|language| wanted.split(',').any(|one| one == format!("{language:?}")));
    }
    languages
}
