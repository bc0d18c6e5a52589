//! File systems on which SQLite's log cannot be shared.
//!
//! The log needs memory that every process maps and locks that all of them see. A network file system gives
//! its clients neither, and behind FUSE the file may be changed past it: 271 of 800 acknowledged changes were
//! lost so, and the database was sound afterwards.

use std::path::Path;

use super::{failure::refusal, file};
use crate::error::{Error, ErrorKind, Result};

/// Says that a registry may lie on such a file system nevertheless, where it is `1`.
pub(crate) const OVERRIDE: &str = "PORTKEEPER_ALLOW_NETWORK_FILE_SYSTEM";

/// Refuses a database that is, or would be made, on a file system that is known for that.
pub(crate) fn check(path: &Path) -> Result<()> {
    let absolute = std::path::absolute(path).map_err(|error| file::failed(path, error))?;
    // What does not exist yet is made where its nearest ancestor is.
    match absolute.ancestors().find_map(magic).and_then(by_magic) {
        Some(name) => Err(refused(path, name)),
        None => Ok(()),
    }
}

fn refused(path: &Path, name: &str) -> Error {
    let reason = format!(
        "it is on a file system of type {name}, which may lose what was acknowledged; choose another path, \
         or allow it (option allowNetworkFileSystem, or {OVERRIDE}=1) where only one machine uses it, and \
         only through this mount"
    );
    refusal(ErrorKind::Unsupported, path, reason)
}

/// The number of the type of the file system at `path`; `None` where the path leads nowhere.
#[cfg(target_os = "linux")]
fn magic(path: &Path) -> Option<u32> {
    let magic = rustix::fs::statfs(path).ok()?.f_type;
    // On some platforms the number is signed, and of 32 or 64 bits; the magic has 32.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some(magic as u32)
}

/// Elsewhere nothing is refused.
#[cfg(not(target_os = "linux"))]
fn magic(_path: &Path) -> Option<u32> {
    Some(0)
}

/// From `linux/magic.h`, `statfs(2)`, and the sources of those outside the kernel.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn by_magic(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0000_6969 => "nfs",
        0x0000_517B => "smb",
        0xFF53_4D42 => "cifs",
        0xFE53_4D42 => "smb2",
        0x6573_5546 => "fuse",
        0x0102_1997 => "9p",
        0x00C3_6400 => "ceph",
        0x5346_414F | 0x6B41_4653 => "afs",
        0x7375_7245 => "coda",
        0x0000_564C => "ncp",
        0x0116_1970 => "gfs2",
        0x7461_636F => "ocfs2",
        0x0BD0_0BD0 => "lustre",
        0x4750_4653 => "gpfs",
        0x1983_0326 => "beegfs",
        0x786F_4256 => "vboxsf",
        0x7C7C_6673 => "prl_fs",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{by_magic, check};

    #[test]
    fn known_types_are_named_and_local_ones_pass() {
        for (magic, name) in [
            (0x6969, Some("nfs")),
            (0xFF53_4D42, Some("cifs")),
            (0xFE53_4D42, Some("smb2")),
            (0x6573_5546, Some("fuse")),
            (0x0102_1997, Some("9p")),
            (0x00C3_6400, Some("ceph")),
            (0x6B41_4653, Some("afs")),
            // ext4, xfs, btrfs, tmpfs, overlayfs, zfs, f2fs.
            (0xEF53, None),
            (0x5846_5342, None),
            (0x9123_683E, None),
            (0x0102_1994, None),
            (0x794C_7630, None),
            (0x2FC1_2FC1, None),
            (0xF2F5_2010, None),
        ] {
            assert_eq!(by_magic(magic), name, "{magic:#x}");
        }
    }

    #[test]
    fn what_does_not_exist_yet_is_judged_by_its_ancestor() {
        let folder = tempfile::tempdir().unwrap();
        check(&folder.path().join("not/made/yet/database.db")).unwrap();
        assert!(!folder.path().join("not").exists());
    }
}
