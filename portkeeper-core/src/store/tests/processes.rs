//! Processes of their own: many that open at once, other file modes, another user.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, stdin},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{ask, folder, foreign, insert, open};

const PATH: &str = "PORTKEEPER_TEST_CHILD_PATH";

/// The other process: opens the database once it may, writes a row, says how it went, and keeps the
/// database open until it is told to end.
#[test]
fn child() {
    let Some(path) = env::var_os(PATH).map(PathBuf::from) else {
        return;
    };
    let mut commands = stdin().lines();
    commands.next();
    let outcome = open(&path).and_then(|store| {
        // Ports differ as far as pids do.
        let number = u16::try_from(std::process::id() % 60_000 + 1).unwrap();
        insert(&store, number)?;
        Ok(store)
    });
    match &outcome {
        Ok(_) => println!("\noutcome: ok"),
        Err(error) => println!("\noutcome: {} {error}", error.name()),
    }
    commands.next();
}

struct Other {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(mut command: Command, path: &Path) -> Self {
        let mut process = command
            .args(["--exact", "store::tests::processes::child", "--nocapture"])
            .env(PATH, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    fn go(&mut self) {
        use std::io::Write;
        self.process
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }

    fn outcome(&mut self) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some(outcome) = line.strip_prefix("outcome: ") {
                return outcome.trim_end().to_owned();
            }
            line.clear();
        }
        panic!("the other process said nothing");
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.process.wait().unwrap().success(), "{rest}");
    }
}

fn this_binary() -> Command {
    Command::new(env::current_exe().unwrap())
}

/// `PORTKEEPER_FIRST_OPENS` says how often; `tests/run` asks for 20.
#[test]
fn many_processes_open_a_missing_database_at_once() {
    let rounds = env::var("PORTKEEPER_FIRST_OPENS").map_or(3, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let (_folder, path) = folder();
        let mut others: Vec<Other> = (0..64)
            .map(|_| Other::start(this_binary(), &path))
            .collect();
        others.iter_mut().for_each(Other::go);
        for other in &mut others {
            assert_eq!(other.outcome(), "ok", "round {round}");
        }
        others.into_iter().for_each(Other::end);
        let store = open(&path).unwrap();
        assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM ports"), 64);
        assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM migrations"), 2);
        assert_eq!(ask::<String>(&store, "PRAGMA integrity_check"), "ok");
    }
    println!("first opens: {rounds} times 64 processes");
}

#[test]
fn files_are_for_their_user_alone_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let (_folder, path) = folder();
        let path = path.with_file_name("made/database.db");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!(r#"umask {umask}; exec "$0" "$@""#))
            .arg(env::current_exe().unwrap());
        let mut other = Other::start(command, &path);
        other.go();
        assert_eq!(other.outcome(), "ok");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(path.parent().unwrap()), 0o700, "umask {umask}");
        for suffix in ["", "-wal", "-shm"] {
            let file = PathBuf::from(format!("{}{suffix}", path.display()));
            assert_eq!(mode(&file), 0o600, "umask {umask}: {}", file.display());
        }
        other.end();
    }
}

/// What another user meets. Modes do not bind root, so that it becomes nobody where it can.
#[test]
fn a_missing_right_is_told_with_the_path() {
    const NOBODY: u32 = 65_534;
    // Folder, its mode, the file's mode or that there is none, and what the message names.
    for (name, folder_mode, file_mode, named) in [
        ("folder is read-only", 0o555, Some(0o666), "folder"),
        ("file is read-only", 0o777, Some(0o444), "database.db"),
        ("file is another's", 0o777, Some(0o600), "database.db"),
        (
            "no file and no right to make one",
            0o555,
            None,
            "database.db",
        ),
        (
            "folder cannot be entered",
            0o600,
            Some(0o666),
            "database.db",
        ),
    ] {
        let (root, _) = folder();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(root.path(), 0o755);
        let folder = root.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("database.db");
        if let Some(mode) = file_mode {
            drop(open(&path).unwrap());
            set(&path, mode);
        }
        set(&folder, folder_mode);
        let mut command = this_binary();
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        } else if file_mode == Some(0o600) {
            continue;
        }
        let mut other = Other::start(command, &path);
        other.go();
        let outcome = other.outcome();
        assert!(
            outcome.starts_with("PERMISSION_DENIED "),
            "{name}: {outcome}"
        );
        assert!(outcome.contains(&format!("{named}: ")), "{name}: {outcome}");
        other.end();
        set(&folder, 0o755);
        let rows = file_mode.map(|_| {
            foreign(&path).query_row("SELECT count(*) FROM ports", (), |row| row.get::<_, i64>(0))
        });
        assert!(matches!(rows, None | Some(Ok(0))), "{name}: {rows:?}");
    }
}
