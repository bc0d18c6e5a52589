use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

use crate::failure::{Failure, Outcome};

/// How many names are tried for the new file: a process that was killed may have left one.
const TRIES: u32 = 16;

/// Who may read a file that was not there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// The user alone, as it is with the registry.
    User,
    /// Whom the umask allows.
    Usual,
}

/// Writes a file that the user named, beside the registry. One that is there already is replaced once the
/// new one is whole: it may be the only copy of something, and a disk may be full. Its rights stay. The
/// registry's own files are refused.
pub fn write<T>(
    path: &Path,
    registry: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> Outcome<T>,
) -> Outcome<T> {
    if belongs_to(registry, path) {
        let reason = format!("{} is the registry itself", path.display());
        return Err(Failure::invalid(reason));
    }
    let failed = |error| Failure::file(path, error);
    // Who may not write to the file may not replace it either, whatever its folder allows.
    match File::options().write(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let Some((beside, file)) = beside(path, readers) else {
        let file = options(readers).create(true).truncate(true).open(path);
        let mut out = BufWriter::new(file.map_err(failed)?);
        let written = write(&mut out)?;
        out.flush().map_err(failed)?;
        return Ok(written);
    };
    let mut out = BufWriter::new(file);
    let done = write(&mut out).and_then(|written| {
        out.flush()
            .and_then(|()| out.get_ref().sync_all())
            .and_then(|()| fs::rename(&beside, target(path)))
            .map_err(failed)?;
        Ok(written)
    });
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

fn options(readers: Readers) -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    if readers == Readers::User {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options
}

/// Whether the path is the registry's, or that of a file which SQLite has beside it.
fn belongs_to(registry: &Path, path: &Path) -> bool {
    let (registry, target) = (target(registry), target(path));
    ["", "-wal", "-shm", "-journal"].iter().any(|suffix| {
        let mut own = registry.clone().into_os_string();
        own.push(suffix);
        target.as_os_str() == own
    })
}

/// The file itself, where the path is a link to it; there may be none yet.
fn target(path: &Path) -> PathBuf {
    let absolute = || {
        let absolute = std::path::absolute(path).ok()?;
        let folder = fs::canonicalize(absolute.parent()?).ok()?;
        Some(folder.join(absolute.file_name()?))
    };
    let existing = fs::canonicalize(path).ok();
    existing
        .or_else(absolute)
        .unwrap_or_else(|| path.to_owned())
}

/// A new file in the same folder with the owner and the rights of the old one; `None` where there can be none,
/// where the path is no file, such as a terminal or a pipe, and where the old file has another name as well.
fn beside(path: &Path, readers: Readers) -> Option<(PathBuf, File)> {
    let old = match fs::metadata(path) {
        Ok(old) if old.is_file() => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => None,
        _ => return None,
    };
    let target = target(path);
    let (beside, file) = (0..TRIES).find_map(|count| {
        let mut name = OsString::from(".");
        name.push(target.file_name()?);
        name.push(format!(".{}.{count}", process::id()));
        let beside = target.with_file_name(name);
        let file = options(readers).create_new(true).open(&beside);
        Some((beside, file.ok()?))
    })?;
    if let Some(old) = old
        && (!is_replaceable(&old, &file) || file.set_permissions(old.permissions()).is_err())
    {
        let _ = fs::remove_file(&beside);
        return None;
    }
    Some((beside, file))
}

/// Whether a file in its place would be as good to everybody: of the same owner, and under every name.
#[cfg(unix)]
fn is_replaceable(old: &fs::Metadata, new: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    let owner = |metadata: &fs::Metadata| (metadata.uid(), metadata.gid());
    old.nlink() == 1 && new.metadata().is_ok_and(|new| owner(&new) == owner(old))
}

#[cfg(not(unix))]
fn is_replaceable(_: &fs::Metadata, _: &File) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::{Readers, write};
    use crate::failure::Failure;

    fn put(path: &Path, text: &str) -> Result<(), Failure> {
        let registry = Path::new("/no/such/registry.db");
        write(path, registry, Readers::Usual, |out| {
            Ok(out.write_all(text.as_bytes())?)
        })
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.sql"), folder.path().join("link"));
        let count = || fs::read_dir(&folder).unwrap().count();
        put(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("a.sql", &link).unwrap();

        let torn = write(&link, Path::new("ports.db"), Readers::Usual, |out| {
            out.write_all("x".repeat(100_000).as_bytes())?;
            Err::<(), _>(Failure::Interrupted)
        });
        assert!(matches!(torn, Err(Failure::Interrupted)));
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), count()),
            ("old", 2)
        );

        put(&link, "new").unwrap();
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), count()),
            ("new", 2)
        );
        assert!(link.is_symlink());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn a_file_with_two_names_stays_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.sql"), folder.path().join("b.sql"));
        put(&path, "old").unwrap();
        fs::hard_link(&path, &other).unwrap();
        put(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn the_registrys_own_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (registry, link) = (folder.path().join("ports.db"), folder.path().join("link"));
        fs::write(&registry, "registry").unwrap();
        std::os::unix::fs::symlink("ports.db", &link).unwrap();
        let log = folder.path().join("./ports.db-wal");
        for path in [&registry, &link, &log] {
            let refused = write(path, &link, Readers::Usual, |out| {
                Ok(out.write_all(b"text")?)
            });
            assert_eq!(refused.map_err(|failure| failure.exit_code()), Err(2));
        }
        assert_eq!(fs::read_to_string(&registry).unwrap(), "registry");
        assert!(!log.exists());
    }

    #[test]
    fn what_is_no_file_is_written_as_it_is() {
        put(Path::new("/dev/null"), "text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let full = put(Path::new("/dev/full"), "text");
        assert!(matches!(full, Err(Failure::File(path, _)) if path == "/dev/full"));
        let missing = put(Path::new("/no/such/folder/a.sql"), "text");
        assert_eq!(missing.map_err(|error| error.exit_code()), Err(2));
        assert!(matches!(
            put(Path::new("."), "text"),
            Err(Failure::File(..))
        ));
    }
}
