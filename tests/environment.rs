//! Places and machines that a registry was not made for: the right answer, or an error that says what is wrong.
//!
//! What is tested elsewhere: the umask (`files_are_for_their_user_alone_whatever_the_umask`), links
//! (`a_link_to_the_file_and_one_to_its_folder_lead_to_one_database`), FUSE
//! (`network_file_system`), `hidepid`, pid and network namespaces (`host_owners`, `host_processes`), and
//! refused netlink (`without_netlink_the_tables_are_read_as_text`).
#![cfg(target_os = "linux")]

#[path = "support/apart.rs"]
mod apart;
#[path = "support/skipped.rs"]
mod skipped;

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use portkeeper_core::{
    Error, ErrorKind, Filter, Keeper, PortRequest, ReserveRequest, Strategy, Verdict,
};
use skipped::skipped;

const PORT: u16 = 27_410;
const STRANGER: u32 = 65_533;
/// Who acts in a process of its own, and what it is given.
const ROLE: &str = "PORTKEEPER_TEST_ROLE";
const PATH: &str = "PORTKEEPER_TEST_PATH";

/// What the process says that `command` becomes, which ends with this program.
fn says(mut command: Command, role: &str, path: &Path) -> Option<String> {
    let output = command
        .arg(env::current_exe().unwrap())
        .args(["actor", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(PATH, path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(77) {
        skipped(format_args!("{role}: {}", text.trim()));
        return None;
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let answers = text.lines().filter_map(|line| line.split_once("SAYS "));
    Some(
        answers
            .map(|(_, answer)| answer)
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

fn say(text: impl std::fmt::Display) {
    println!("\nSAYS {text}");
}

/// `sh` that prepares, and becomes what follows.
fn shell(wrapper: &[&str], script: &str) -> Command {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]);
    if wrapper != ["sh"] {
        command.arg("sh");
    }
    command.args(["-c", &format!("{script}\nexec \"$0\" \"$@\"")]);
    command
}

/// As another user, in a place where that one may run this program.
fn as_stranger() -> Command {
    let mut command = Command::new("setpriv");
    let id = STRANGER.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    command
}

fn is_root(test: &str) -> bool {
    let is = rustix::process::geteuid().is_root();
    if !is {
        skipped(format_args!("{test}: it needs another user, and so root"));
    }
    is
}

fn told(outcome: Result<Keeper, Error>) -> String {
    match outcome {
        Ok(_) => "opened".to_owned(),
        Err(error) => format!("{} {error}", error.name()),
    }
}

#[test]
fn actor() {
    let (Ok(role), Some(path)) = (env::var(ROLE), env::var_os(PATH).map(PathBuf::from)) else {
        return;
    };
    match role.as_str() {
        "open" => say(told(Keeper::open_at(path))),
        "open the default" => say(told(Keeper::open())),
        "without /proc" => without_proc(&path),
        "without IPv6" => without_ipv6(&path),
        other => unreachable!("{other}"),
    }
}

#[test]
fn an_unknown_home_is_told() {
    // Nobody has an entry in the list of users under this number.
    if !is_root("an_unknown_home_is_told") {
        return;
    }
    for home in [None, Some(""), Some("relative")] {
        let mut command = as_stranger();
        command.env_remove("PORTKEEPER_DB_PATH").env_remove("HOME");
        if let Some(home) = home {
            command.env("HOME", home);
        }
        let said = says_copied(command, "open the default", Path::new("unused"));
        assert!(said.starts_with("DATABASE_ERROR"), "{home:?}: {said}");
        assert!(said.contains("set PORTKEEPER_DB_PATH"), "{home:?}: {said}");
    }
}

#[test]
fn what_belongs_to_another_user_is_told_with_its_path() {
    if !is_root("what_belongs_to_another_user_is_told_with_its_path") {
        return;
    }
    // Whose folder and file, their modes, and what the message names.
    for (name, folder_mode, file, named) in [
        ("root's folder, closed", 0o700, None, "folder"),
        ("root's folder, readable", 0o755, None, "folder"),
        (
            "root's file in an open folder",
            0o777,
            Some(0o600),
            "folder/database.db",
        ),
        (
            "a file that may only be read",
            0o777,
            Some(0o644),
            "folder/database.db",
        ),
    ] {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let folder = place.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("database.db");
        if let Some(mode) = file {
            Keeper::open_at(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(folder_mode)).unwrap();
        let said = says_copied(as_stranger(), "open", &path);
        assert!(said.starts_with("PERMISSION_DENIED"), "{name}: {said}");
        assert!(
            said.contains(place.path().join(named).to_str().unwrap()),
            "{name}: {said}"
        );
    }
}

#[test]
fn a_users_folder_that_root_owns_is_told() {
    if !is_root("a_users_folder_that_root_owns_is_told") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    fs::create_dir(home.path().join(".portkeeper")).unwrap();
    let mut command = as_stranger();
    command
        .env_remove("PORTKEEPER_DB_PATH")
        .env("HOME", home.path());
    let said = says_copied(command, "open the default", Path::new("unused"));
    assert!(said.starts_with("PERMISSION_DENIED"), "{said}");
    assert!(said.contains("/.portkeeper"), "{said}");
    assert_eq!(
        fs::read_dir(home.path().join(".portkeeper"))
            .unwrap()
            .count(),
        0
    );
}

/// What this program says that `command` starts as another user, who may not reach it where it was built.
fn says_copied(mut command: Command, role: &str, path: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let output = command
        .arg(program)
        .args(["actor", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(PATH, path)
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = text.lines().find_map(|line| line.split_once("SAYS "));
    match answer {
        Some((_, answer)) => answer.to_owned(),
        None => panic!("{text}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn a_linked_folder_leads_to_the_same_registry() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("disk")).unwrap();
    symlink("disk", place.path().join(".portkeeper")).unwrap();
    let linked = Keeper::open_at(place.path().join(".portkeeper/database.db")).unwrap();
    linked
        .reserve(PORT, ReserveRequest::new("shop").adopt(true))
        .unwrap();
    let direct = Keeper::open_at(place.path().join("disk/database.db")).unwrap();
    assert_eq!(direct.path(), linked.path());
    assert_eq!(direct.get(PORT).unwrap().unwrap().project_name, "shop");
}

#[test]
fn without_proc_claims_work_and_owners_are_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = [&apart::NETWORK[..], &["--mount"]].concat();
    let command = shell(&wrapper, "mount -t tmpfs none /proc || exit 77");
    let said = says(command, "without /proc", &folder.path().join("database.db"));
    if let Some(said) = said {
        assert_eq!(said, "claims work\nowner Denied\nlease PERMISSION_DENIED");
    }
}

fn without_proc(path: &Path) {
    assert!(!Path::new("/proc/self").exists());
    let keeper = Keeper::open_at(path).unwrap();
    keeper.reserve(PORT, ReserveRequest::new("shop")).unwrap();
    // A second connection, and the end of the first, go through the other way to the locks.
    let second = Keeper::open_at(path).unwrap();
    drop(keeper);
    second
        .reserve(PORT + 1, ReserveRequest::new("shop"))
        .unwrap();
    let request = PortRequest::new("shop").range(PORT + 2..=PORT + 9);
    let given = second.request(request.strategy(Strategy::Lowest)).unwrap();
    assert_eq!(given[0].number, PORT + 2);
    assert_eq!(second.list(Filter::claims()).unwrap().len(), 3);
    assert!(matches!(
        second.check(PORT).unwrap().verdict,
        Verdict::Reserved { .. }
    ));
    say("claims work");
    // Nobody can tell whose a server is, which is neither "nobody's" nor an error.
    let server = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let report = second.scan().unwrap();
    let socket = report.listeners.iter().find(|socket| socket.port == port);
    say(format_args!("owner {:?}", socket.unwrap().owner));
    // A process whose end nobody could notice is promised nothing.
    let lease = second.lease(PortRequest::new("test").range(PORT + 10..=PORT + 19));
    say(format_args!(
        "lease {}",
        lease.map(drop).map_err(|error| error.name()).unwrap_err()
    ));
}

#[test]
fn without_ipv6_every_operation_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = [&apart::NETWORK[..], &["--mount"]].concat();
    let script = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || exit 77";
    let path = folder.path().join("database.db");
    if let Some(said) = says(shell(&wrapper, script), "without IPv6", &path) {
        assert_eq!(said, "right");
    }
}

fn without_ipv6(path: &Path) {
    apart::prepare(&(32_768..=60_999));
    assert!(std::net::TcpListener::bind("[::1]:0").is_err());
    let keeper = Keeper::open_at(path).unwrap();
    let range = || PortRequest::new("shop").range(PORT..=PORT + 9);
    let server = std::net::TcpListener::bind(("127.0.0.1", PORT)).unwrap();
    let lease = keeper.lease(range().strategy(Strategy::Lowest)).unwrap();
    // The port that is listened on is passed over.
    assert_eq!(lease.port(), PORT + 1);
    let error = keeper
        .reserve(PORT + 1, ReserveRequest::new("other"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortReserved);
    let hold = keeper.hold(PORT + 1).unwrap();
    assert!(std::net::TcpListener::bind(("127.0.0.1", PORT + 1)).is_ok());
    drop(hold);
    let bound = keeper.bind(range()).unwrap();
    assert!(bound.port() > PORT + 1);
    let report = keeper.scan().unwrap();
    assert!(report.listeners.iter().any(|socket| socket.port == PORT));
    assert!(matches!(
        keeper.check(PORT).unwrap().verdict,
        Verdict::Listening { .. }
    ));
    drop(server);
    say("right");
}
