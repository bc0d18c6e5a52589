//! A registry of its own, the binary on it, and real servers.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    ops::RangeInclusive,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, Once, OnceLock},
    thread,
    time::{Duration, Instant},
};

use jsonschema::Validator;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::block;
pub use crate::ports::{free_port, listener};

pub use crate::skipped::skipped;

/// The binary that Cargo has built for these tests.
pub const PORTMAN: &str = env!("CARGO_BIN_EXE_portman");
/// How long anything may take on a busy machine.
pub const LONGEST: Duration = Duration::from_secs(30);

/// A folder with a registry, in which commands are run.
pub struct Home {
    dir: TempDir,
    ports: OnceLock<RangeInclusive<u16>>,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Home {
    pub fn new() -> Self {
        heed_signals();
        Self {
            dir: tempfile::tempdir().unwrap(),
            ports: OnceLock::new(),
        }
    }

    /// Ports that are this test's alone, as `--range` takes them.
    pub fn range(&self) -> String {
        let range = self.ports.get_or_init(block);
        format!("{}-{}", range.start(), range.end())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command, to be started in this folder.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(PORTMAN);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("PORTKEEPER_DB_PATH", self.path("ports.db"))
            .env("TZ", "UTC")
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("PORT")
            .stdin(Stdio::null());
        command
    }

    /// Runs the words of `line`.
    pub fn run(&self, line: &str) -> Ran {
        self.run_args(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_args(&self, args: &[&str]) -> Ran {
        finished(&mut self.command(args))
    }

    /// Runs what must work, and gives its output.
    pub fn ok(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "portman {line}: {ran:?}");
        ran.out
    }

    /// Runs what must fail in this way, with nothing on the output, and gives the message.
    pub fn fails(&self, line: &str, code: i32) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, code, "portman {line}: {ran:?}");
        assert_eq!(ran.out, "", "portman {line}");
        ran.err
    }

    /// The data of a command's answer, after it was held against the schema.
    pub fn json(&self, line: &str) -> Value {
        let ran = self.run(&format!("{line} --json"));
        assert_eq!(ran.code, 0, "portman {line} --json: {ran:?}");
        assert_eq!(ran.err, "", "portman {line} --json");
        let name = line.split_whitespace().next().unwrap();
        valid(name, &ran.out)["data"].clone()
    }

    /// The code of a command's failure, after it was held against the schema.
    pub fn json_fails(&self, line: &str, code: i32) -> Value {
        let ran = self.run(&format!("{line} --json"));
        assert_eq!(ran.code, code, "portman {line} --json: {ran:?}");
        valid("failure", &ran.out)
    }
}

pub fn finished(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The text as JSON that is, by the committed schema, an answer of this kind.
pub fn valid(name: &str, text: &str) -> Value {
    static VALIDATORS: OnceLock<Mutex<HashMap<String, Validator>>> = OnceLock::new();
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let validators = VALIDATORS.get_or_init(Mutex::default);
    let mut validators = validators
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let validator = validators.entry(name.to_owned()).or_insert_with(|| {
        let schema: Value =
            serde_json::from_str(include_str!("../../schema/portman.schema.json")).unwrap();
        assert!(schema["$defs"][name].is_object(), "no schema for {name}");
        let reference = format!("#/$defs/{name}");
        jsonschema::validator_for(&json!({"$ref": reference, "$defs": schema["$defs"]})).unwrap()
    });
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{text}");
    value
}

/// A process that is ended with the test.
pub struct Server(pub Child);

impl Server {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it ends, and gives its exit code.
    pub fn code(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;

        let mut status = None;
        until("the end of a process", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Python's `http.server` on a port of 127.0.0.1, once it listens.
pub fn http_server(port: u16) -> Server {
    let mut command = Command::new("python3");
    command
        .args(["-m", "http.server", "--bind", "127.0.0.1"])
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Server::spawn(&mut command);
    until("http.server", || answers(port));
    server
}

pub fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Waits, with a deadline.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LONGEST;
    while !is_so() {
        assert!(Instant::now() < end, "{what} did not happen");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whoever runs the tests may have them ignore signals, as `nohup` does, and all that they start would
/// ignore them, too. One that is caught here is nothing special to a program that is started.
fn heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

        let status = fs::read_to_string("/proc/self/status").unwrap();
        let mut lines = status.lines();
        let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1] {
            if ignored & (1 << (signal - 1)) != 0 {
                signal_hook::flag::register(signal, Arc::default()).unwrap();
            }
        }
    });
}

/// Sends a signal by its name.
pub fn signal(pid: i64, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, "--", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Whether the process runs; one that nobody has waited for does not.
pub fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The first line of a stream that matters.
pub fn line(stream: impl Read) -> String {
    let mut text = String::new();
    BufReader::new(stream).read_line(&mut text).unwrap();
    text.trim_end().to_owned()
}

/// SQL by another program, as a foreign writer of the registry.
pub fn sql(db: &Path, statements: &str) {
    let status = Command::new("python3")
        .args([
            "-c",
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.close()",
        ])
        .arg(db)
        .arg(statements)
        .status();
    assert!(status.unwrap().success());
}

/// Another user, with a registry of their own.
pub struct Nobody(TempDir);

impl Nobody {
    /// Only root can become somebody else.
    pub fn new() -> Option<Self> {
        heed_signals();
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::copy(PORTMAN, dir.path().join("portman")).unwrap();
        let nobody = Self(dir);
        let test = nobody.command("true").output();
        test.is_ok_and(|output| output.status.success())
            .then_some(nobody)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, to be started as that user.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(program)
            .current_dir(self.0.path())
            .env("PORTKEEPER_DB_PATH", self.path("registry/ports.db"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        finished(self.command(self.path("portman")).args(args))
    }
}

/// Compares with a transcript, in which `[..]` stands for anything within a line.
#[track_caller]
pub fn like(found: &str, transcript: &str) {
    snapbox::assert_data_eq!(
        found.to_owned(),
        transcript.trim_start_matches('\n').to_owned()
    );
}

/// What a program shows on a terminal of this size. Each step waits for a text and then types another.
pub fn on_terminal(command: &mut Command, size: (u16, u16), steps: &[(&str, &str)]) -> Ran {
    let words: Vec<&str> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    let job = json!({"words": words, "columns": size.0, "rows": size.1, "steps": steps});
    let mut driver = Command::new("python3");
    driver
        .args(["-c", include_str!("terminal.py"), &job.to_string()])
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => driver.env(name, value),
            None => driver.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        driver.current_dir(dir);
    }
    let ran = finished(&mut driver);
    assert_eq!(ran.code, 0, "{ran:?}");
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    Ran {
        code: i32::try_from(found["code"].as_i64().unwrap()).unwrap(),
        out: found["out"].as_str().unwrap().to_owned(),
        err: String::new(),
    }
}
