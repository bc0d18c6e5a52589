//! Ports that nobody is given unasked, and the words for what holds the rest of a range.

use std::{collections::HashMap, fmt::Write, ops::RangeInclusive};

use super::PortSet;
use crate::model::{Reservation, shown};

/// Ports that browsers refuse to connect to, ascending: the list of bad ports in the Fetch standard.
#[rustfmt::skip]
const BLOCKED_BY_BROWSERS: [u16; 82] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 10080,
];

/// Ports that the system itself takes and gives up again: `AirPlay` on macOS.
const SQUATTERS: &[u16] = if cfg!(target_os = "macos") {
    &[5000, 7000]
} else {
    &[]
};

/// Why a port is not tried at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Avoided {
    ByCaller,
    ByBrowsers,
    BySystem,
    ByKernel,
    Ephemeral,
}

/// The ports that a request passes over, each for the first of the reasons in [`Avoided`].
pub(crate) struct Avoid {
    caller: PortSet,
    kernel: Vec<RangeInclusive<u16>>,
    ephemeral: Option<RangeInclusive<u16>>,
}

impl Avoid {
    /// `kernel` and `ephemeral` are this machine's ranges; `ephemeral` is empty when the caller asked
    /// for a range of his own.
    pub(crate) fn new(
        caller: impl IntoIterator<Item = u16>,
        kernel: Vec<RangeInclusive<u16>>,
        ephemeral: Option<RangeInclusive<u16>>,
    ) -> Self {
        Self {
            caller: caller.into_iter().collect(),
            kernel,
            ephemeral,
        }
    }

    pub(crate) fn reason(&self, port: u16) -> Option<Avoided> {
        let within =
            |ranges: &[RangeInclusive<u16>]| ranges.iter().any(|range| range.contains(&port));
        if self.caller.contains(port) {
            Some(Avoided::ByCaller)
        } else if BLOCKED_BY_BROWSERS.binary_search(&port).is_ok() {
            Some(Avoided::ByBrowsers)
        } else if SQUATTERS.contains(&port) {
            Some(Avoided::BySystem)
        } else if within(&self.kernel) {
            Some(Avoided::ByKernel)
        } else if within(self.ephemeral.as_slice()) {
            Some(Avoided::Ephemeral)
        } else {
            None
        }
    }
}

/// What holds the ports of an exhausted range, as a phrase that counts each reason.
///
/// `claims` are those in the range, and `bound` the ports that were found to be taken.
pub(crate) fn held_phrase(
    range: &RangeInclusive<u16>,
    claims: &[Reservation],
    avoid: &Avoid,
    bound: &PortSet,
) -> String {
    /// Projects that are named; the rest is counted.
    const NAMED: usize = 3;

    let claimed: PortSet = claims.iter().map(|claim| claim.number).collect();
    let mut avoided: HashMap<Avoided, usize> = HashMap::new();
    let mut in_use = 0;
    for port in range.clone().filter(|port| !claimed.contains(*port)) {
        match avoid.reason(port) {
            Some(reason) => *avoided.entry(reason).or_default() += 1,
            None => in_use += usize::from(bound.contains(port)),
        }
    }
    let mut projects: HashMap<&str, usize> = HashMap::new();
    for claim in claims {
        *projects.entry(&claim.project_name).or_default() += 1;
    }
    let mut projects: Vec<(&str, usize)> = projects.into_iter().collect();
    projects.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));

    let mut phrases = Vec::new();
    for (project, count) in projects.iter().take(NAMED) {
        phrases.push(format!("{count} reserved for {}", shown(project)));
    }
    let rest: usize = projects.iter().skip(NAMED).map(|(_, count)| count).sum();
    if rest > 0 {
        phrases.push(format!(
            "{rest} for {} more projects",
            projects.len() - NAMED
        ));
    }
    if in_use > 0 {
        phrases.push(format!("{in_use} in use"));
    }
    let mut avoided: Vec<(Avoided, usize)> = avoided.into_iter().collect();
    avoided.sort_unstable();
    for (reason, count) in avoided {
        let mut phrase = count.to_string();
        let _ = write!(
            phrase,
            " {}",
            match reason {
                Avoided::ByCaller => "to be avoided",
                Avoided::ByBrowsers => "refused by browsers",
                Avoided::BySystem => "used by the system at times",
                Avoided::ByKernel => "kept back by the kernel",
                Avoided::Ephemeral =>
                    "in the kernel's ephemeral range, which a range of your own may include",
            }
        );
        phrases.push(phrase);
    }
    if phrases.is_empty() {
        return "the range has no more ports".to_owned();
    }
    phrases.join(", ")
}
