//! What a folder is called as a project.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

mod checkout;
mod manifest;
mod name;

use checkout::Checkout;

/// A project, found from a folder of it.
///
/// ```
/// use portkeeper_core::{Keeper, Project, ReserveRequest};
///
/// let project = Project::detect(".")?;
/// assert_eq!(project.name, "portkeeper-core");
///
/// let keeper = Keeper::in_memory()?;
/// keeper.reserve(3000, ReserveRequest::new(project.id()))?;
/// # Ok::<(), portkeeper_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// What its manifest calls it, else the name of its folder.
    pub name: String,
    /// The folder that gave the name, without symbolic links.
    pub root: PathBuf,
    /// Git's name of the linked worktree that the folder is in.
    pub worktree: Option<String>,
}

impl Project {
    /// Finds the project that a folder belongs to.
    ///
    /// That is the nearest folder, upwards, that has a manifest, and at the latest the root of the
    /// git checkout; outside git, where there is no manifest, the folder itself. The name is the
    /// first that is found in its `Cargo.toml` (`package.name`), `package.json` (`name`) and
    /// `pyproject.toml` (`project.name` or `tool.poetry.name`), else the folder's own: so does a
    /// workspace without a package get one. A manifest that does not parse, or is longer than
    /// 4 MiB, gives no name. In a linked worktree a root without a named manifest is called like the
    /// main checkout, since its own folder is usually called like the worktree.
    ///
    /// The name is fit to be [a project's](crate::ReserveRequest::new): control characters become
    /// `-`, and what is too long is cut and marked with a hash of the whole.
    ///
    /// Fails with `INVALID_INPUT` when `dir` is no folder that can be entered.
    pub fn detect(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = folder(dir.as_ref())?;
        let checkout = Checkout::of(&dir);
        let top = checkout.as_ref().map(|checkout| checkout.root.as_path());
        let project = dir
            .ancestors()
            .find(|folder| Some(*folder) == top || manifest::any_in(folder))
            .unwrap_or(&dir);

        let main = checkout
            .as_ref()
            .filter(|checkout| checkout.root == project)
            .and_then(|checkout| checkout.main.clone());
        let name = manifest::name_in(project)
            .or(main)
            .unwrap_or_else(|| folder_name(project));
        let name = name::clean(&name, name::LONGEST).unwrap_or_else(|| "-".to_owned());
        Ok(Self {
            name,
            root: project.to_owned(),
            worktree: checkout.and_then(|checkout| checkout.worktree),
        })
    }

    /// What to reserve ports for: the name, and in a linked worktree `name@worktree`, so that two
    /// checkouts have each its own ports.
    pub fn id(&self) -> String {
        match &self.worktree {
            None => self.name.clone(),
            Some(worktree) => name::joined(&self.name, worktree),
        }
    }
}

/// The same as [`id`](Project::id).
impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

fn folder(dir: &Path) -> Result<PathBuf> {
    let refusal =
        |reason: &str| Error::invalid("project folder", dir.to_string_lossy(), reason.to_owned());
    match dir.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => Err(refusal("is not a folder")),
        Err(error) => Err(refusal(&format!("cannot be entered: {error}"))),
    }
}

/// Its last part; the root of a file system has none and is called by its path.
fn folder_name(folder: &Path) -> String {
    let last = folder.file_name().unwrap_or(folder.as_os_str());
    last.to_string_lossy().into_owned()
}
