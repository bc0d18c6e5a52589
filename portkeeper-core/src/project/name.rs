//! Names that `value::project` accepts.

use sha2::{Digest, Sha256};

/// Longest project name, in characters; see `value::project`.
pub(super) const LONGEST: usize = 200;

/// Of a joined name this much at most is the worktree's.
const LONGEST_WORKTREE: usize = 90;

/// How many characters the mark of a cut name has.
const MARK: usize = 9;

/// The name in one line of at most `most` characters; `None` when it is blank.
///
/// A name that is cut ends in a hash of the whole, so that two that begin alike stay apart.
pub(super) fn clean(name: &str, most: usize) -> Option<String> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let line = name.chars().map(|c| if c.is_control() { '-' } else { c });
    if name.chars().count() <= most {
        return Some(line.collect());
    }
    let hash = Sha256::digest(name.as_bytes());
    let mark = hash.iter().take(4).map(|byte| format!("{byte:02x}"));
    let beginning: String = line.take(most.saturating_sub(MARK)).collect();
    Some(format!("{beginning}~{}", mark.collect::<String>()))
}

/// `name@worktree`.
pub(super) fn joined(name: &str, worktree: &str) -> String {
    let worktree = clean(worktree, LONGEST_WORKTREE).unwrap_or_else(|| "-".to_owned());
    let room = LONGEST - 1 - worktree.chars().count();
    let name = clean(name, room).unwrap_or_else(|| "-".to_owned());
    format!("{name}@{worktree}")
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, clean, joined};
    use crate::value;

    #[test]
    fn every_name_is_a_project() {
        let long = "é".repeat(LONGEST);
        for (name, cleaned) in [
            ("shop", Some("shop")),
            ("@scope/shop", Some("@scope/shop")),
            (" two words\n", Some("two words")),
            ("a\nb\u{7f}c\0", Some("a-b-c-")),
            (&long, Some(&*long)),
            ("", None),
            (" \t", None),
        ] {
            let found = clean(name, LONGEST);
            assert_eq!(found.as_deref(), cleaned, "{name:?}");
            found.map_or(Ok(()), |name| value::project(&name)).unwrap();
        }
    }

    #[test]
    fn long_names_that_begin_alike_stay_apart() {
        let long = "x".repeat(5_000);
        let (one, two) = (format!("{long}1"), format!("{long}2"));
        for (a, b) in [
            (clean(&one, LONGEST).unwrap(), clean(&two, LONGEST).unwrap()),
            (joined(&one, "w"), joined(&two, "w")),
            (joined("shop", &one), joined("shop", &two)),
            (joined(&one, &one), joined(&one, &two)),
        ] {
            assert_ne!(a, b);
            value::project(&a).unwrap();
            value::project(&b).unwrap();
        }
        assert_eq!(joined("shop", "a\tb"), "shop@a-b");
    }
}
