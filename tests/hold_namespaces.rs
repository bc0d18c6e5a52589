//! A pid says nothing of a hold in a pid namespace where it is another process's number.
#![cfg(target_os = "linux")]

#[path = "support/agent.rs"]
mod agent;
#[path = "support/apart.rs"]
mod apart;
#[path = "support/kill.rs"]
mod kill_support;
mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use agent::{Agent, say};
use apart::spawn_as;
use kill_support::{child_within, works};
use portkeeper_core::{Keeper, PortRequest, Strategy, Verdict};
use support::child_argument;

const TEST: &str = "a_hold_and_a_stranger_are_told_apart_across_namespaces";
/// Its own pids and `/proc`, but the outer network.
const WRAPPER: [&str; 4] = ["unshare", "-Urp", "--fork", "--mount-proc"];
/// Has a port without listening.
const BIND: &str = "import socket, sys, time\n\
    s = socket.socket()\n\
    s.bind(('127.0.0.1', int(sys.argv[1])))\n\
    print('bound', flush=True)\n\
    time.sleep(600)";

fn verdict(keeper: &Keeper, port: u16) -> String {
    match keeper.check(port).unwrap().verdict {
        Verdict::Held { .. } => "held".to_owned(),
        Verdict::Bound { .. } => "bound".to_owned(),
        other => other.to_string(),
    }
}

/// What a process in another namespace does.
fn act(keeper: &Keeper, port: u16, role: &str, pid: u32) {
    match role {
        "look" => say(verdict(keeper, port)),
        "bind" => {
            let mut stranger = spawn_as(pid, || {
                let mut command = Command::new("python3");
                let command_line = ["-c", BIND, &port.to_string()];
                command.args(command_line).stdout(Stdio::piped());
                command
            });
            let mut line = String::new();
            let output = stranger.stdout.take().unwrap();
            BufReader::new(output).read_line(&mut line).unwrap();
            assert_eq!(line, "bound\n");
            say(verdict(keeper, port));
            stranger.kill().unwrap();
            stranger.wait().unwrap();
        }
        "hold" => {
            let hold = keeper.hold_exclusively(port).unwrap();
            say("held");
            std::io::stdin().read_line(&mut String::new()).unwrap();
            drop(hold);
        }
        _ => panic!("unknown role {role}"),
    }
}

#[test]
fn a_hold_and_a_stranger_are_told_apart_across_namespaces() {
    if let Some(argument) = child_argument()
        && let [path, port, role, pid] = argument.split('\n').collect::<Vec<_>>()[..]
    {
        let keeper = Keeper::open_at(path).unwrap();
        return act(&keeper, port.parse().unwrap(), role, pid.parse().unwrap());
    }
    if !works(TEST, &WRAPPER) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("database.db");
    let keeper = Keeper::open_at(&path).unwrap();
    let request = PortRequest::new("shop").role("web").range(11_900..=11_999);
    let port = keeper.request(request.strategy(Strategy::Random)).unwrap()[0].number;
    let me = std::process::id();
    let within = |role: &str| {
        let argument = format!("{}\n{port}\n{role}\n{me}", path.display());
        Agent::spawn(&mut child_within(&WRAPPER, TEST, &argument))
    };

    let mut hold = keeper.hold_exclusively(port).unwrap();
    let mut looking = within("look");
    assert_eq!(looking.answer(), "held");
    looking.finish();
    // In there, a stranger has the holder's number.
    hold.lend();
    let mut stranger = within("bind");
    assert_eq!(stranger.answer(), "bound");
    stranger.finish();
    drop(hold);

    let mut holder = within("hold");
    assert_eq!(holder.answer(), "held");
    assert_eq!(verdict(&keeper, port), "held");
    holder.finish();
    assert_eq!(keeper.get(port).unwrap().unwrap().owner(), None);
}
