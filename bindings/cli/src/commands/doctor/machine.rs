//! The kernel's ranges, and in what kind of box this is.

use std::{fs, path::Path};

use portkeeper_core::{
    PortRequest,
    host::{ephemeral_ports, reserved_by_kernel},
};

use super::{Check, Level};

pub fn checks() -> Vec<Check> {
    let mut checks = vec![ephemeral(), reserved()];
    #[cfg(unix)]
    checks.push(privileged());
    checks.extend(ipv6());
    checks.extend(wsl());
    checks.extend(container());
    checks.push(visibility());
    checks.extend(bound_sockets());
    #[cfg(target_os = "linux")]
    checks.push(watching());
    checks
}

fn ephemeral() -> Check {
    const NAME: &str = "ephemeral-range";
    let Some(range) = ephemeral_ports() else {
        return Check::new(
            NAME,
            Level::Note,
            "the range of outgoing connections is not known",
        );
    };
    let (first, last) = range.into_inner();
    let usual = PortRequest::DEFAULT_RANGE;
    let text = format!("outgoing connections use {first}-{last}");
    if first > *usual.end() {
        return Check::new(
            NAME,
            Level::Ok,
            format!("{text}, above the ports of servers"),
        );
    }
    let keep = format!("{}-{}", usual.start(), usual.end());
    Check::new(
        NAME,
        Level::Warning,
        format!("{text}, and may take a server's port of {keep}"),
    )
    .hint(format!(
        "keep them out: sysctl -w net.ipv4.ip_local_reserved_ports={keep}"
    ))
}

fn reserved() -> Check {
    const NAME: &str = "reserved-ports";
    let ranges: Vec<String> = reserved_by_kernel()
        .iter()
        .map(|range| match range.clone().into_inner() {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        })
        .collect();
    if ranges.is_empty() {
        return Check::new(
            NAME,
            Level::Ok,
            "the administrator keeps no ports from outgoing connections",
        );
    }
    let list = ranges.join(", ");
    Check::new(
        NAME,
        Level::Note,
        format!("kept from outgoing connections, and from requests without a range: {list}"),
    )
}

#[cfg(unix)]
fn privileged() -> Check {
    const NAME: &str = "privileged-ports";
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first: u16 = text
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1024);
    let message = if rustix::process::geteuid().is_root() {
        "this is the administrator: every port may be bound".to_owned()
    } else if first == 0 {
        "every port may be bound".to_owned()
    } else {
        format!("binding ports below {first} needs more rights")
    };
    Check::new(NAME, Level::Ok, message)
}

fn ipv6() -> Option<Check> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let has_it = fs::read_to_string("/proc/net/if_inet6").is_ok_and(|text| !text.is_empty());
    Some(if has_it {
        Check::new("ipv6", Level::Ok, "IPv6 is there")
    } else {
        Check::new(
            "ipv6",
            Level::Note,
            "there is no IPv6: servers listen on 127.0.0.1 only",
        )
    })
}

fn wsl() -> Option<Check> {
    let version = fs::read_to_string("/proc/version").ok()?.to_lowercase();
    version.contains("microsoft").then(|| {
        Check::new(
            "wsl",
            Level::Warning,
            "this is WSL: Windows' own listeners are not seen from here",
        )
        .hint("ports that Windows excludes: netsh interface ipv4 show excludedportrange tcp")
    })
}

fn container() -> Option<Check> {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let named = fs::read("/proc/1/environ").is_ok_and(|text| {
        text.split(|byte| *byte == 0)
            .any(|v| v.starts_with(b"container="))
    });
    let is_marked = marks.iter().any(|mark| Path::new(mark).exists());
    (named || is_marked).then(|| {
        Check::new(
            "container",
            Level::Note,
            "this is a container: ports of the machine around it are not seen, and it has a registry of its own",
        )
        .hint("share one by mounting the folder ~/.portkeeper")
    })
}

/// Whether the owners of sockets can be told.
fn visibility() -> Check {
    const NAME: &str = "visibility";
    let hidden = fs::read_to_string("/proc/mounts").is_ok_and(|mounts| {
        let mut lines = mounts.lines();
        lines.any(|line| line.starts_with("proc /proc ") && line.contains("hidepid"))
    });
    #[cfg(unix)]
    let is_root = rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    let is_root = false;
    if is_root {
        Check::new(
            NAME,
            Level::Ok,
            "the processes of all users can be named and ended",
        )
    } else if hidden {
        Check::new(
            NAME,
            Level::Warning,
            "processes of other users are hidden (hidepid)",
        )
        .hint("their sockets are seen, and named by user only")
    } else {
        Check::new(
            NAME,
            Level::Ok,
            "your processes can be named; sockets of other users by user",
        )
    }
}

fn bound_sockets() -> Option<Check> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.trim().parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    let release = release.trim();
    Some(if version >= (6, 8) {
        Check::new(
            "kernel",
            Level::Ok,
            format!("Linux {release} shows sockets that are bound and do not listen"),
        )
    } else {
        Check::new(
            "kernel",
            Level::Note,
            format!("Linux {release} hides who has bound a port without listening; 6.8 shows it"),
        )
    })
}

/// Whether `portman run` can keep a port until its command has it.
#[cfg(target_os = "linux")]
fn watching() -> Check {
    const NAME: &str = "watching";
    match crate::run::can_watch() {
        Ok(()) => Check::new(
            NAME,
            Level::Ok,
            "`portman run` can keep a port until its command listens",
        ),
        Err(error) => Check::new(
            NAME,
            Level::Note,
            format!("`portman run` lets go of a port before its command starts: calls cannot be watched here: {error}"),
        )
        .hint("a server that takes its socket with --listen-fds loses nothing by it"),
    }
}
