//! What a forked child has of its parent's locks: nothing. And what one has that was made past the C library.
//!
//! There is no test harness, whose threads would make a fork undefined.

#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs)]

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn main() {}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn main() {
    linux::main();
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod linux {
    use std::{
        env,
        io::{BufRead, BufReader, Read, Write},
        os::fd::AsRawFd,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio, exit},
        thread,
        time::{Duration, Instant},
    };

    use nix::{
        libc,
        unistd::{ForkResult, fork},
    };
    use portkeeper_core::{ErrorKind, Keeper, Options, ReserveRequest};
    use portkeeper_locks::Locks;
    use rusqlite::Connection;

    const SCENARIO: &str = "PORTKEEPER_TEST_SCENARIO";
    const PATH: &str = "PORTKEEPER_TEST_PATH";
    const PORT: u16 = 27_390;

    pub fn main() {
        if let Some(scenario) = env::var_os(SCENARIO) {
            let path = PathBuf::from(env::var_os(PATH).unwrap());
            return parent(scenario.to_str().unwrap(), &path);
        }
        for (scenario, run) in [
            ("fork", freed_at_once as fn(&str)),
            ("fork-then-lock", freed_at_once),
            ("past-libc", kept_past_libc),
        ] {
            run(scenario);
            println!("test {scenario} ... ok");
        }
        for how in [Birth::Fork, Birth::PastLibc] {
            child_releases_nothing(how);
            println!("test child_releases_nothing, {how:?} ... ok");
        }
        println!("test result: ok. 5 passed; 0 failed;");
    }

    /// Is in the middle of a transaction, with a child that lives on and has nothing to do with it.
    fn parent(scenario: &str, path: &Path) {
        assert_eq!(portkeeper_locks::install(), Locks::Description);
        let db = Connection::open(path).unwrap();
        db.execute_batch("SELECT count(*) FROM ports").ok();
        if scenario == "fork" {
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
        }
        let how = if scenario == "past-libc" {
            Birth::PastLibc
        } else {
            Birth::Fork
        };
        if how.is_child() {
            // Until the test closes the pipe.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            exit(0);
        }
        if scenario != "fork" {
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
        }
        println!("locked");
        std::io::stdout().flush().unwrap();
        loop {
            thread::park();
        }
    }

    /// How a child is made: where the C library does not know of it, nothing is done at its birth.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Birth {
        Fork,
        PastLibc,
    }

    impl Birth {
        /// Makes a child, and tells whether this is it.
        fn is_child(self) -> bool {
            match self {
                // SAFETY: this process has one thread.
                Self::Fork => matches!(unsafe { fork() }.unwrap(), ForkResult::Child),
                Self::PastLibc => {
                    // SAFETY: this process has one thread.
                    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
                    assert!(pid >= 0);
                    pid == 0
                }
            }
        }
    }

    struct Orphan {
        _folder: tempfile::TempDir,
        path: PathBuf,
        parent: Child,
    }

    /// A registry whose writer was killed in a transaction, and left a child.
    fn orphan(scenario: &str) -> Orphan {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.db");
        reserve(&open(&path), 1).unwrap();
        let mut parent = Command::new(env::current_exe().unwrap())
            .env(SCENARIO, scenario)
            .env(PATH, &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(parent.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        let error = reserve(&open(&path), 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseBusy, "{error}");
        // `Child::wait` would close the pipe that the grandchild waits for.
        let orders = parent.stdin.take();
        parent.kill().unwrap();
        parent.wait().unwrap();
        parent.stdin = orders;
        Orphan {
            _folder: folder,
            path,
            parent,
        }
    }

    fn freed_at_once(scenario: &str) {
        let orphan = orphan(scenario);
        let start = Instant::now();
        reserve(&open(&orphan.path), 3).unwrap();
        println!(
            "{scenario}: a write {} ms after the kill, while the child lives",
            start.elapsed().as_millis()
        );
        // The last one to close it has it for itself, so that it tidies up.
        assert!(!orphan.path.with_file_name("database.db-wal").exists());
    }

    /// The bound of the cure, documented: such a child keeps what its parent had when that was killed in a
    /// transaction, until it ends or executes another program.
    fn kept_past_libc(scenario: &str) {
        let mut orphan = orphan(scenario);
        let error = reserve(&open(&orphan.path), 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DatabaseBusy, "{error}");
        drop(orphan.parent.stdin.take());
        let keeper = Options::new().path(&orphan.path).open().unwrap();
        reserve(&keeper, 4).unwrap();
        println!("{scenario}: busy until the child ended, and nothing lost");
    }

    /// A child that closes what it inherited must not take its parent's locks along.
    fn child_releases_nothing(how: Birth) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.db");
        let keeper = open(&path);
        reserve(&keeper, 1).unwrap();
        if how.is_child() {
            // Closes the inherited connection, and its own as the last user that it knows of.
            let outcome = reserve(&keeper, 2);
            drop(keeper);
            exit(i32::from(outcome.is_err()));
        }
        let status = nix::sys::wait::wait().unwrap();
        assert!(
            matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)),
            "{status:?}"
        );
        // An SQLite that finds no lock takes itself for the last user, and removes the log that the parent writes to.
        assert!(is_locked(&path), "{how:?}");
        assert!(path.with_file_name("database.db-wal").exists());
        reserve(&keeper, 3).unwrap();
        let seen = Command::new("python3")
            .args(["-c", "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute('SELECT description FROM ports').fetchall())"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&seen.stdout).trim(),
            "[('change 3',)]"
        );
    }

    /// Whether somebody reads the database, or keeps it open with a log.
    fn is_locked(path: &Path) -> bool {
        let file = std::fs::File::open(path).unwrap();
        let mut lock = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            // From `PENDING_BYTE` on: SQLite's file format, "locking".
            l_start: 0x4000_0000,
            l_len: 512,
            l_pid: 0,
        };
        // SAFETY: the descriptor and the lock are valid for the call.
        let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) };
        assert_eq!(asked, 0);
        libc::c_int::from(lock.l_type) != libc::F_UNLCK
    }

    fn open(path: &Path) -> Keeper {
        let options = Options::new().path(path);
        options
            .busy_timeout(Duration::from_millis(100))
            .open()
            .unwrap()
    }

    fn reserve(keeper: &Keeper, number: usize) -> portkeeper_core::Result<()> {
        let request = ReserveRequest::new("shop").description(format!("change {number}"));
        keeper.reserve(PORT, request.adopt(true)).map(drop)
    }
}
