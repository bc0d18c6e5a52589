//! What processes that were killed left of their temporary files.
//!
//! Removed is only what is provably theirs and dead: it has the name that [`NewFile`](super::NewFile)
//! gives, is a regular file of this user that is empty or a database, was not touched for a minute, and
//! its maker's lock is gone. On a file system of another machine such a lock may be of the same kind as
//! those of SQLite, and keep it from the file: there, and on other systems than Linux, nothing is locked
//! and nothing is removed.

use std::{fs, io, path::Path};

/// Younger files may be between their creation and their lock.
#[cfg(target_os = "linux")]
const AGE: std::time::Duration = std::time::Duration::from_mins(1);

/// Locks a file that is being made. The lock ends with the process, however that ends.
#[cfg(target_os = "linux")]
pub(super) fn lock(file: &fs::File) -> io::Result<()> {
    if is_local(file) {
        file.try_lock()?;
    }
    Ok(())
}

/// Whether the file is on a file system of this machine that is known to keep the two kinds of locks
/// apart.
#[cfg(target_os = "linux")]
fn is_local(file: &fs::File) -> bool {
    /// From `linux/magic.h`: bcachefs, btrfs, ext2–4, f2fs, overlay, ramfs, tmpfs, xfs; and zfs.
    const LOCAL: [u32; 9] = [
        0xCA45_1A4E,
        0x9123_683E,
        0xEF53,
        0xF2F5_2010,
        0x794C_7630,
        0x8584_58F6,
        0x0102_1994,
        0x5846_5342,
        0x2FC1_2FC1,
    ];
    // The type's width and sign differ between architectures, and the number has 32 bits.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "see above"
    )]
    let kind = rustix::fs::fstatfs(file).map(|system| system.f_type as u32);
    kind.is_ok_and(|kind| LOCAL.contains(&kind))
}

/// Elsewhere such a lock would keep SQLite itself, which has another kind, from the file.
#[cfg(not(target_os = "linux"))]
pub(super) fn lock(_file: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Removes what is left beside `target` of files whose name `is_wanted`.
#[cfg(target_os = "linux")]
pub(in super::super) fn remove(target: &Path, is_wanted: impl Fn(&str) -> bool) {
    let Some(folder) = target.parent() else {
        return;
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_str()
            .and_then(stem)
            .is_some_and(&is_wanted)
        {
            let path = entry.path();
            // Not removing it is no failure of what the caller wants to do.
            if matches!(is_abandoned(&path), Ok(true)) {
                super::remove_with_companions(&path);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(in super::super) fn remove(_target: &Path, _is_wanted: impl Fn(&str) -> bool) {}

/// The name that the file was to get; `None` for a name of another form.
pub(super) fn stem(name: &str) -> Option<&str> {
    let (stem, random) = name
        .strip_prefix('.')?
        .strip_suffix(".tmp")?
        .rsplit_once('.')?;
    let is_ours = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then_some(stem)
}

#[cfg(target_os = "linux")]
fn is_abandoned(path: &Path) -> io::Result<bool> {
    use std::{io::Read, os::unix::fs::MetadataExt};
    const MAGIC: &[u8] = b"SQLite format 3\0";

    let metadata = fs::symlink_metadata(path)?;
    let age = metadata.modified()?.elapsed().unwrap_or_default();
    let owner = rustix::process::geteuid().as_raw();
    if !metadata.is_file() || metadata.uid() != owner || age < AGE {
        return Ok(false);
    }
    let file = fs::File::open(path)?;
    if !is_local(&file) || file.try_lock().is_err() {
        return Ok(false);
    }
    let mut header = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut header)?;
    Ok(header.is_empty() || header == MAGIC)
}

#[cfg(test)]
mod tests {
    use super::stem;

    /// Of what is not known to be a disk of this machine, nothing is locked.
    #[cfg(target_os = "linux")]
    #[test]
    fn only_disks_of_this_machine_are_local() {
        let file = tempfile::tempfile().unwrap();
        assert!(super::is_local(&file));
        // No disk at all.
        assert!(!super::is_local(
            &std::fs::File::open("/proc/self/stat").unwrap()
        ));
    }

    #[test]
    fn only_names_of_this_form_are_looked_at() {
        assert_eq!(stem(".b.db.00ff00ff00ff00ff.tmp"), Some("b.db"));
        for other in [
            "b.db.00ff00ff00ff00ff.tmp",
            ".b.db.00ff00ff00ff00f.tmp",
            ".b.db.00ff00ff00ff00fg.tmp",
            ".b.db.00ff00ff00ff00ff",
            ".00ff00ff00ff00ff.tmp",
        ] {
            assert_eq!(stem(other), None, "{other}");
        }
    }
}
