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
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use crate::{
    ledger::{Answer, Order},
    support::child,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    Rust,
    Python,
    Node,
    C,
}

impl Language {
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::Node, Self::C];

    /// How a worker in it begins, or why there is none here.
    fn command(self) -> Result<Command, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workers = root.join("tests/reliability");
        let found = |path: PathBuf| {
            if path.exists() {
                Ok(path)
            } else {
                Err(format!("{} is not built", path.display()))
            }
        };
        match self {
            Self::Rust => Ok(child("worker", "")),
            Self::Python => {
                let python = found(root.join("target/python/venv/bin/python"))?;
                let mut command = Command::new(python);
                command.arg(workers.join("worker.py"));
                Ok(command)
            }
            Self::Node => {
                let package = found(root.join("bindings/node/native"))?;
                let mut command = Command::new("node");
                command
                    .arg(workers.join("worker.mjs"))
                    .arg(package.with_file_name("index.mjs"));
                Ok(command)
            }
            Self::C => {
                // Beside this program, where the library lies once the workspace's tests are built.
                let libraries = env::current_exe().unwrap();
                let library = found(libraries.with_file_name("libportkeeper.a"))?;
                static BUILT: OnceLock<PathBuf> = OnceLock::new();
                let built =
                    BUILT.get_or_init(|| compile(&workers.join("worker.c"), root, &library));
                Ok(Command::new(built))
            }
        }
    }

    /// How often it is killed, compared to the others.
    pub fn weight(self) -> usize {
        match self {
            Self::Rust | Self::C => 3,
            Self::Python | Self::Node => 1,
        }
    }

    /// Why it cannot take part, if so.
    fn missing(self) -> Option<String> {
        let command = match self.command() {
            Ok(command) => command,
            Err(reason) => return Some(reason),
        };
        let imports = ["-c", "import portkeeper"];
        let imported = || Command::new(command.get_program()).args(imports).output();
        let is_broken =
            self == Self::Python && !imported().is_ok_and(|probe| probe.status.success());
        is_broken.then(|| "its portkeeper cannot be imported".to_owned())
    }
}

fn compile(source: &Path, root: &Path, library: &Path) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reliability-worker");
    // Another run may be using it.
    let new = program.with_extension(std::process::id().to_string());
    let status = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o"])
        .args([&new, source, library])
        .arg("-I")
        .arg(root.join("portkeeper-ffi/include"))
        .args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"])
        .status()
        .unwrap();
    assert!(status.success(), "{} was not compiled", source.display());
    std::fs::rename(new, &program).unwrap();
    program
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
        let mut command = start.language.command().unwrap();
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

/// Says by name what cannot take part here.
pub fn languages(test: &str) -> Vec<Language> {
    let mut languages = Language::ALL.to_vec();
    languages.retain(|language| match language.missing() {
        None => true,
        Some(reason) => {
            let text = format!("\nSKIPPED {test}, {language:?}: {reason}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            false
        }
    });
    if let Ok(wanted) = env::var("PORTKEEPER_LANGUAGES") {
        languages.retain(|language| wanted.split(',').any(|one| one == format!("{language:?}")));
    }
    languages
}
