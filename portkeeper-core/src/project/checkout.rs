//! The git checkout around a folder.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    path::{Component, Path, PathBuf},
};

/// Longest `.git` file that is read; it holds one path.
const LONGEST: u64 = 64 * 1024;

/// A working tree of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    /// The folder that has `.git`.
    pub root: PathBuf,
    /// Git's name of it, where it is not the main one.
    pub worktree: Option<String>,
    /// What the folder of the main working tree, or the bare repository, is called.
    pub main: Option<String>,
}

impl Checkout {
    /// The innermost one around `folder`.
    pub fn of(folder: &Path) -> Option<Self> {
        let has_git = |folder: &&Path| fs::symlink_metadata(folder.join(".git")).is_ok();
        let root = folder.ancestors().find(has_git)?;
        let link = linked(root);
        Some(Self {
            root: root.to_owned(),
            worktree: link.as_ref().map(|(worktree, _)| worktree.clone()),
            main: link.and_then(|(_, main)| main),
        })
    }
}

/// The worktree's name and the main one's, where `root` is a linked worktree.
///
/// Its `.git` is a file `gitdir: REPOSITORY/worktrees/NAME`, see `gitrepository-layout(5)`. That of a
/// submodule has `REPOSITORY/modules/PATH`, where the path may well be `worktrees/x`; only a
/// worktree's folder has the file `commondir`. A submodule inside a linked worktree has
/// `REPOSITORY/worktrees/NAME/modules/PATH`, and is as much a second checkout as what is around it.
fn linked(root: &Path) -> Option<(String, Option<String>)> {
    let path = root.join(".git");
    if !path.is_file() {
        return None;
    }
    let mut text = String::new();
    let mut file = File::open(path).ok()?.take(LONGEST);
    file.read_to_string(&mut text).ok()?;
    let target = root.join(text.strip_prefix("gitdir:")?.trim());
    // The repository may be out of sight, in a container for instance; then its path must do.
    let target = target.canonicalize().unwrap_or(target);
    let parts: Vec<&OsStr> = target
        .components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part),
            _ => None,
        })
        .collect();
    let modules = parts.iter().position(|part| *part == "modules");
    let is_worktree = |folder: &Path| folder.join("commondir").is_file();

    let worktrees = match parts.len().checked_sub(2) {
        Some(last) if parts[last] == "worktrees" => {
            (modules.is_none() || is_worktree(&target)).then_some(last)
        }
        _ => None,
    };
    let before_modules = || {
        let position = modules?.checked_sub(2)?;
        (parts[position] == "worktrees").then_some(position)
    };
    match worktrees {
        Some(position) => {
            let repository = parts[..position].split_last();
            let main = repository.and_then(|(last, before)| called(last, before.last().copied()));
            Some((lossy(parts[position + 1]), main))
        }
        // The repository's name is not the submodule's.
        None => Some((lossy(parts[before_modules()? + 1]), None)),
    }
}

/// What a repository `FOLDER/.git` or `FOLDER.git` is called.
fn called(last: &OsStr, before: Option<&OsStr>) -> Option<String> {
    if last == ".git" || last == ".bare" {
        return before.map(lossy);
    }
    let name = lossy(last);
    Some(name.strip_suffix(".git").unwrap_or(&name).to_owned())
}

fn lossy(part: &OsStr) -> String {
    part.to_string_lossy().into_owned()
}
