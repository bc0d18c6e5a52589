//! Who descends from whom.

/// More generations than any machine has; a climb ends there.
const GENERATIONS: usize = 1024;

/// What the climb needs to know of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kin {
    /// The parent's pid; 0 for the first process and for one whose parent is outside the namespace.
    pub parent: u32,
    /// When it started, in any unit.
    pub start: u64,
}

/// Whether `pid` is `ancestor` or descends from it.
///
/// A parent that started after its child is a stranger on a reused pid, and ends the climb: nobody
/// is made a descendant by a number alone. An orphan belongs to whoever adopted it, usually process 1.
pub(super) fn descends(pid: u32, ancestor: u32, look: impl Fn(u32) -> Option<Kin>) -> bool {
    let Some(mut kin) = look(pid) else {
        return false;
    };
    let mut pid = pid;
    for _ in 0..GENERATIONS {
        if pid == ancestor {
            return true;
        }
        match look(kin.parent) {
            Some(parent) if parent.start <= kin.start => (pid, kin) = (kin.parent, parent),
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Kin, descends};

    #[test]
    fn the_climb_follows_parents_that_are_older() {
        // Pid, parent, start: 1 → 10 → 20 → 30; 41 and 42 are each other's parent; the parent of 50
        // started after it.
        let table = [
            (1, 0, 0),
            (10, 1, 5),
            (20, 10, 7),
            (30, 20, 7),
            (41, 42, 8),
            (42, 41, 8),
            (50, 51, 8),
            (51, 10, 9),
        ];
        let look = |pid| {
            let row = table.iter().find(|row| row.0 == pid)?;
            Some(Kin {
                parent: row.1,
                start: row.2,
            })
        };
        for (pid, ancestor, expected) in [
            (30, 30, true),
            (30, 20, true),
            (30, 10, true),
            (30, 1, true),
            (20, 30, false),
            (10, 20, false),
            (30, 0, false),
            (0, 0, false),
            (99, 99, false),
            (41, 1, false),
            (50, 51, false),
            (50, 10, false),
            (51, 10, true),
        ] {
            assert_eq!(descends(pid, ancestor, look), expected, "{pid} {ancestor}");
        }
    }
}
