//! Which ports a request gets.

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use crate::{error::Result, request::Strategy};

/// A set of ports, one bit each.
#[derive(Clone)]
pub(crate) struct PortSet(Box<[u64; 1024]>);

impl PortSet {
    pub(crate) fn new() -> Self {
        Self(Box::new([0; 1024]))
    }

    pub(crate) fn insert(&mut self, port: u16) {
        if let Some(word) = self.0.get_mut(usize::from(port >> 6)) {
            *word |= 1 << (port & 63);
        }
    }

    pub(crate) fn contains(&self, port: u16) -> bool {
        let word = self.0.get(usize::from(port >> 6));
        word.is_some_and(|word| word & (1 << (port & 63)) != 0)
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut set = Self::new();
        ports.into_iter().for_each(|port| set.insert(port));
        set
    }
}

/// What was found: enough ports, or how many there would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// As many as were wanted, in the order of the strategy.
    Found(Vec<u16>),
    /// Too few: this many, or for [`Strategy::Contiguous`] the longest run.
    Exhausted(usize),
}

/// Chooses `count` ports of `range` that are `usable`. Each port is asked about at most once, and
/// none after the last one that is needed.
///
/// `name` is what [`Strategy::Stable`] starts from, and `seed` what [`Strategy::Random`] does.
pub(crate) fn choose(
    strategy: Strategy,
    range: &RangeInclusive<u16>,
    count: usize,
    name: &str,
    seed: u64,
    mut usable: impl FnMut(u16) -> Result<bool>,
) -> Result<Choice> {
    match strategy {
        Strategy::Lowest => first(range.clone(), count, usable),
        Strategy::Stable => {
            let start = stable_start(range, name);
            let ports = (start..=*range.end()).chain(*range.start()..start);
            first(ports, count, usable)
        }
        Strategy::Random => first(Shuffled::new(range, seed), count, usable),
        Strategy::Contiguous => {
            let (mut run, mut longest) = (Vec::with_capacity(count), 0);
            for port in range.clone() {
                if usable(port)? {
                    run.push(port);
                    if run.len() == count {
                        return Ok(Choice::Found(run));
                    }
                    longest = longest.max(run.len());
                } else {
                    run.clear();
                }
            }
            Ok(Choice::Exhausted(longest))
        }
    }
}

fn first(
    ports: impl Iterator<Item = u16>,
    count: usize,
    mut usable: impl FnMut(u16) -> Result<bool>,
) -> Result<Choice> {
    let mut found = Vec::with_capacity(count);
    for port in ports {
        if usable(port)? {
            found.push(port);
            if found.len() == count {
                return Ok(Choice::Found(found));
            }
        }
    }
    Ok(Choice::Exhausted(found.len()))
}

/// The same on every machine and in every version: the first eight bytes of the name's SHA-256.
fn stable_start(range: &RangeInclusive<u16>, name: &str) -> u16 {
    let digest = Sha256::digest(name.as_bytes());
    let number = digest
        .iter()
        .take(8)
        .fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let offset = number % range.len() as u64;
    range.start() + u16::try_from(offset).unwrap_or_default()
}

/// The ports of a range in random order, shuffled no further than they are asked for.
struct Shuffled {
    ports: Vec<u16>,
    random: fastrand::Rng,
}

impl Shuffled {
    fn new(range: &RangeInclusive<u16>, seed: u64) -> Self {
        Self {
            ports: range.clone().collect(),
            random: fastrand::Rng::with_seed(seed),
        }
    }
}

impl Iterator for Shuffled {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.ports.is_empty() {
            return None;
        }
        let position = self.random.usize(..self.ports.len());
        Some(self.ports.swap_remove(position))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Choice, PortSet, choose};
    use crate::request::Strategy;

    const STRATEGIES: [Strategy; 4] = [
        Strategy::Lowest,
        Strategy::Contiguous,
        Strategy::Random,
        Strategy::Stable,
    ];

    proptest! {
        /// Whatever the strategy: the ports are distinct, usable and within the range, nothing is
        /// asked twice, and a refusal is right about how many there are.
        #[test]
        fn a_choice_is_right(
            start in 1u16..300, length in 1u16..200, taken in prop::collection::btree_set(1u16..500, 0..200),
            count in 1usize..40, seed: u64, strategy in prop::sample::select(STRATEGIES.to_vec()),
        ) {
            let range = start..=start + length - 1;
            let mut asked = BTreeSet::new();
            let choice = choose(strategy, &range, count, "shop", seed, |port| {
                assert!(asked.insert(port), "{port} is asked about twice");
                Ok(!taken.contains(&port))
            }).unwrap();
            let free: Vec<u16> = range.clone().filter(|port| !taken.contains(port)).collect();
            match choice {
                Choice::Found(ports) => {
                    let distinct: BTreeSet<u16> = ports.iter().copied().collect();
                    prop_assert_eq!(distinct.len(), count);
                    prop_assert!(ports.iter().all(|port| free.contains(port)));
                    match strategy {
                        Strategy::Lowest => prop_assert_eq!(&ports, &free[..count]),
                        Strategy::Contiguous => {
                            prop_assert!(ports.windows(2).all(|two| two[1] == two[0] + 1));
                        }
                        _ => {}
                    }
                }
                Choice::Exhausted(found) => {
                    prop_assert!(found < count);
                    match strategy {
                        Strategy::Contiguous => {
                            let longest = free.chunk_by(|a, b| *b == a + 1).map(<[u16]>::len).max();
                            prop_assert_eq!(found, longest.unwrap_or(0));
                        }
                        _ => prop_assert_eq!(found, free.len()),
                    }
                }
            }
        }

        #[test]
        fn a_set_holds_what_was_put_into_it(ports in prop::collection::btree_set(any::<u16>(), 0..300)) {
            let set: PortSet = ports.iter().copied().collect();
            prop_assert!((0..=u16::MAX).filter(|port| set.contains(*port)).eq(ports));
        }
    }

    /// These ports are a promise to every machine: a change of the hash would move every project.
    #[test]
    fn stable_ports_never_change() {
        let stable = |name: &str| {
            choose(Strategy::Stable, &(3000..=9999), 1, name, 0, |_| Ok(true)).unwrap()
        };
        assert_eq!(stable("my-app/web"), Choice::Found(vec![5717]));
        assert_eq!(stable("shop/"), Choice::Found(vec![3490]));
    }
}
