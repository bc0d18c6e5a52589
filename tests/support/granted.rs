//! What workers said they were granted, and whether it can have been so.

use std::collections::{HashMap, HashSet};

use portkeeper_core::{Action, HistoryEntry, Reservation};

/// One grant, as the worker saw it.
#[derive(Debug)]
pub struct Grant {
    port: u16,
    lease: Option<String>,
    worker: usize,
    is_lease: bool,
    from: i128,
    /// When the worker began to give it back, or was killed, where that ended it.
    until: Option<i128>,
    /// Whether the worker said that it had given it back, or never began to.
    is_certain: bool,
}

/// What one worker said, and when it was killed.
#[derive(Default)]
pub struct Report {
    pub grants: Vec<Grant>,
    pub requests: usize,
    pub worst: u64,
    pub killed: Option<i128>,
}

impl Report {
    pub fn hear(&mut self, worker: usize, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match *words {
            ["got", time, kind, took, ref ports @ ..] => {
                self.requests += 1;
                self.worst = self.worst.max(took.parse().unwrap());
                self.grants.extend(ports.iter().map(|port| {
                    let (port, lease) = port.split_once(':').unwrap();
                    Grant {
                        port: port.parse().unwrap(),
                        lease: (lease != "-").then(|| lease.to_owned()),
                        worker,
                        is_lease: kind == "lease",
                        from: time.parse().unwrap(),
                        until: None,
                        is_certain: true,
                    }
                }));
            }
            ["gives", time, ref ports @ ..] => {
                for port in ports {
                    let grant = self.last(port);
                    grant.until = Some(time.parse().unwrap());
                    grant.is_certain = false;
                }
            }
            ["gave", ref ports @ ..] => {
                for port in ports {
                    self.last(port).is_certain = true;
                }
            }
            _ => panic!("{line}"),
        }
    }

    fn last(&mut self, port: &str) -> &mut Grant {
        let port: u16 = port.parse().unwrap();
        let mut grants = self.grants.iter_mut().rev();
        grants.find(|grant| grant.port == port).unwrap()
    }
}

/// By what the workers said: whoever got a port got it after the one before had let go of it.
pub fn never_twice(reports: &[Report]) {
    let mut by_port: HashMap<u16, Vec<(&Grant, i128)>> = HashMap::new();
    for report in reports {
        for grant in &report.grants {
            let ends_with_process = report.killed.filter(|_| grant.is_lease);
            let until = grant.until.or(ends_with_process).unwrap_or(i128::MAX);
            by_port.entry(grant.port).or_default().push((grant, until));
        }
    }
    for (port, mut grants) in by_port {
        grants.sort_unstable_by_key(|(grant, _)| grant.from);
        for pair in grants.windows(2) {
            let ((earlier, until), (later, _)) = (pair[0], pair[1]);
            assert!(
                until < later.from,
                "port {port} was given twice:\n{earlier:?}\n{later:?}"
            );
        }
    }
}

/// By the history: each port is given to one at a time. Returns whose each port is in the end.
pub fn fold(history: &[HistoryEntry]) -> HashMap<u16, String> {
    let mut open: HashMap<u16, String> = HashMap::new();
    for entry in history {
        let project = entry.project_name.clone().unwrap();
        match entry.action {
            Action::Reserved => {
                assert_eq!(entry.details["reason"], "requested", "{entry:?}");
                let earlier = open.insert(entry.port, project);
                assert_eq!(earlier, None, "given twice: {entry:?}");
            }
            Action::Released => {
                let holder = open.remove(&entry.port);
                assert_eq!(holder, Some(project), "released: {entry:?}");
            }
            _ => panic!("{entry:?}"),
        }
    }
    open
}

/// What the history leaves open is what there is.
pub fn same_as_history(rows: &[Reservation], open: &HashMap<u16, String>) {
    assert_eq!(rows.len(), open.len());
    for row in rows {
        assert_eq!(open.get(&row.number), Some(&row.project_name), "{row:?}");
    }
}

/// Each lease ended once, as its worker gave it back or ended, and what nobody gave back is there.
pub fn leases_ended_with_their_processes(
    reports: &[Report],
    pids: &[u32],
    rows: &[Reservation],
    history: &[HistoryEntry],
) {
    let by_port: HashMap<u16, &Reservation> = rows.iter().map(|row| (row.number, row)).collect();
    let mut released: HashMap<&str, Vec<&str>> = HashMap::new();
    for entry in history {
        if entry.action == Action::Released
            && let Some(id) = entry.details.get("leaseId")
        {
            let reason = entry.details["reason"].as_str().unwrap();
            released
                .entry(id.as_str().unwrap())
                .or_default()
                .push(reason);
        }
    }
    let mut kept: HashSet<u16> = HashSet::new();
    for grant in reports.iter().flat_map(|report| &report.grants) {
        let was_killed = reports[grant.worker].killed.is_some();
        let reasons = grant.lease.as_deref().and_then(|id| released.get(id));
        let reasons = reasons.map_or(&[][..], Vec::as_slice);
        let is_there = || {
            let row = by_port.get(&grant.port);
            row.is_some_and(|row| {
                row.project_name == format!("worker {}", grant.worker)
                    && row.lease.as_ref().map(|lease| &lease.id) == grant.lease.as_ref()
            })
        };
        match (grant.is_lease, grant.until) {
            // It ended once, by one or the other.
            (true, _) if was_killed => {
                assert_eq!(reasons.len(), 1, "{grant:?}");
                let gave = grant.until.is_some();
                assert!(
                    gave || reasons[0] == "its process ended",
                    "{reasons:?} {grant:?}"
                );
            }
            (true, Some(_)) => {
                assert_eq!(reasons, ["its lease was given back"], "{grant:?}");
            }
            (false, Some(_)) => {}
            // What nobody gave back and nobody died of is there.
            (is_lease, None) => {
                assert_eq!(reasons, [] as [&str; 0], "{grant:?}");
                assert!(is_there(), "{grant:?}");
                kept.insert(grant.port);
                let owner = by_port[&grant.port].owner().map(|owner| owner.pid);
                assert_eq!(owner, is_lease.then(|| pids[grant.worker]), "{grant:?}");
            }
        }
    }
    // What else there is was granted to, or not yet taken from, a process in the moment of its end.
    for row in rows.iter().filter(|row| !kept.contains(&row.number)) {
        assert_eq!(row.owner(), None, "{row:?}");
        let worker: usize = row.project_name["worker ".len()..].parse().unwrap();
        assert!(reports[worker].killed.is_some(), "{row:?}");
    }
}
