//! Whether a process that was seen before still lives: the decision, without any I/O.
//!
//! A wrong `Dead` takes a port away from a running owner, a wrong `Alive` keeps it for ever. So
//! `Dead` needs a proof, `Alive` needs something that only the same process can have, and what is
//! left is `Unknown`, which never releases anything.

use super::Fate;
use crate::model::ProcessIdentity;

/// Where the judge stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Here {
    /// The boot; empty where the platform has no name for it.
    pub boot: String,
    /// The pid namespace; 0 where it is not known.
    pub namespace: u64,
}

/// What is found under the pid now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// No process, or one that has ended and was not waited for.
    Gone,
    /// A process that may not be looked at.
    Hidden {
        /// Inode of its pidfd; 0 where there is none.
        pidfd: u64,
    },
    /// A running process.
    Running {
        /// Its start, as in [`ProcessIdentity::start`].
        start: u64,
        /// Inode of its pidfd; 0 where there is none.
        pidfd: u64,
    },
}

/// Judges by the first rule that applies.
///
/// 1. It was seen in another boot: dead.
/// 2. It was seen from another pid namespace, where its number means another process: unknown.
/// 3. Nothing runs under the number: dead.
/// 4. Both pidfds are known: the kernel numbers processes once and for all, so they decide alone.
/// 5. Its start is known: the same start is the same process, since a pid comes back later.
///    (Only a forced reuse within one tick escapes, and only where there are no pidfds.)
/// 6. There is a process that may not be looked at: unknown.
pub(super) fn judge(then: &ProcessIdentity, here: &Here, now: Present) -> Fate {
    if !then.boot.is_empty() && !here.boot.is_empty() && then.boot != here.boot {
        return Fate::Dead;
    }
    if then.namespace != 0 && here.namespace != 0 && then.namespace != here.namespace {
        return Fate::Unknown;
    }
    let (start, pidfd) = match now {
        Present::Gone => return Fate::Dead,
        Present::Hidden { pidfd } => (None, pidfd),
        Present::Running { start, pidfd } => (Some(start), pidfd),
    };
    if then.pidfd != 0 && pidfd != 0 {
        return same(then.pidfd, pidfd);
    }
    start.map_or(Fate::Unknown, |start| same(then.start, start))
}

fn same(then: u64, now: u64) -> Fate {
    if then == now { Fate::Alive } else { Fate::Dead }
}

#[cfg(test)]
mod tests {
    use super::{Here, Present, judge};
    use crate::{host::Fate, model::ProcessIdentity};

    #[test]
    fn each_rule_decides_where_the_ones_before_it_do_not() {
        let running = |start, pidfd| Present::Running { start, pidfd };
        let hidden = |pidfd| Present::Hidden { pidfd };
        // The boot, namespace, start and pidfd that were seen; what is there now; the fate.
        let cases = [
            (("b", 1, 50, 9), running(50, 9), Fate::Alive),
            (("old", 1, 50, 9), running(50, 9), Fate::Dead),
            (("old", 2, 50, 9), running(50, 9), Fate::Dead),
            (("b", 2, 50, 9), running(50, 9), Fate::Unknown),
            (("b", 2, 50, 9), Present::Gone, Fate::Unknown),
            (("", 1, 50, 9), running(50, 9), Fate::Alive),
            (("b", 0, 50, 9), running(50, 9), Fate::Alive),
            (("b", 1, 50, 9), Present::Gone, Fate::Dead),
            (("b", 1, 50, 9), running(50, 10), Fate::Dead),
            // Another time namespace counts other ticks; the pidfd knows better.
            (("b", 1, 50, 9), running(70, 9), Fate::Alive),
            (("b", 1, 50, 0), running(50, 9), Fate::Alive),
            (("b", 1, 50, 9), running(50, 0), Fate::Alive),
            (("b", 1, 50, 0), running(51, 9), Fate::Dead),
            (("b", 1, 50, 9), running(49, 0), Fate::Dead),
            (("b", 1, 50, 9), hidden(9), Fate::Alive),
            (("b", 1, 50, 9), hidden(10), Fate::Dead),
            (("b", 1, 50, 9), hidden(0), Fate::Unknown),
            (("b", 1, 50, 0), hidden(9), Fate::Unknown),
        ];
        let here = Here {
            boot: "b".to_owned(),
            namespace: 1,
        };
        for ((boot, namespace, start, pidfd), now, fate) in cases {
            let then = ProcessIdentity {
                pid: 7,
                start,
                boot: boot.to_owned(),
                namespace,
                pidfd,
            };
            assert_eq!(judge(&then, &here, now), fate, "{then:?} {now:?}");
        }
    }

    #[test]
    fn a_place_without_names_cannot_contradict() {
        let then = ProcessIdentity {
            pid: 7,
            start: 50,
            boot: "b".to_owned(),
            namespace: 1,
            pidfd: 0,
        };
        let here = Here {
            boot: String::new(),
            namespace: 0,
        };
        let now = Present::Running {
            start: 50,
            pidfd: 0,
        };
        assert_eq!(judge(&then, &here, now), Fate::Alive);
    }
}
