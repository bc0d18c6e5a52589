//! What may be said of a socket's owner: the decision, without any I/O.

#[cfg(target_os = "linux")]
use std::collections::HashMap;

#[cfg(target_os = "linux")]
use crate::model::Known;
use crate::model::Owner;

/// Which processes have which socket, as far as could be seen.
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// The processes that have a socket open, by its inode and their pid; each once for a socket.
    pub found: Vec<Known>,
    /// What is known of sockets that were not looked for everywhere, because that was in vain before.
    pub given_up: HashMap<u64, Owner>,
    /// The processes that were read to find them, with the number of their descriptors.
    pub read: HashMap<u32, usize>,
    /// Whether no process that could have one of the sockets was kept from view.
    pub everything_was_seen: bool,
}

#[cfg(target_os = "linux")]
impl Holders {
    /// The processes that have this socket open.
    pub fn of(&self, inode: u64) -> &[Known] {
        let begin = self.found.partition_point(|known| known.inode < inode);
        let rest = self.found.get(begin..).unwrap_or_default();
        let end = rest.partition_point(|known| known.inode == inode);
        rest.get(..end).unwrap_or_default()
    }
}

/// Decides how much is known of a socket's owner.
///
/// A socket without an inode has none: no descriptor leads to it any more, or not yet. Processes that
/// were found are the owners. If none was found and a single process was kept from view (its
/// descriptors may not be read, or `/proc` hides processes), that one may be the owner, and the
/// answer is [`Owner::Denied`], whatever user the socket belongs to: servers are started by one user
/// and run as another. Only if everything was seen, and once more whatever has another number of
/// descriptors by then, is nobody in this pid namespace the owner: [`Owner::OtherNamespace`]. Where a
/// platform does not say what it kept from view, it is taken as having done so.
pub(super) fn classify(has_inode: bool, found: usize, everything_was_seen: bool) -> Owner {
    match (has_inode, found) {
        (_, 1..) => Owner::Known,
        (false, 0) => Owner::None,
        (true, 0) if everything_was_seen => Owner::OtherNamespace,
        (true, 0) => Owner::Denied,
    }
}

#[cfg(test)]
mod tests {
    use super::classify;
    use crate::model::Owner;

    #[test]
    fn an_owner_is_never_guessed() {
        for (has_inode, found, everything_was_seen, owner) in [
            (true, 1, true, Owner::Known),
            (true, 1, false, Owner::Known),
            (true, 9, false, Owner::Known),
            (true, 0, true, Owner::OtherNamespace),
            (true, 0, false, Owner::Denied),
            (false, 0, true, Owner::None),
            (false, 0, false, Owner::None),
        ] {
            assert_eq!(
                classify(has_inode, found, everything_was_seen),
                owner,
                "{has_inode} {found} {everything_was_seen}"
            );
        }
    }
}
