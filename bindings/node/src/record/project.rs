use napi_derive::napi;
use portkeeper_core as core;

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Project {
    pub name: String,
    pub root: String,
    pub worktree: Option<String>,
    pub id: String,
}

impl From<core::Project> for Project {
    fn from(project: core::Project) -> Self {
        let id = project.id();
        let core::Project {
            name,
            root,
            worktree,
        } = project;
        Self {
            name,
            root: root.to_string_lossy().into_owned(),
            worktree,
            id,
        }
    }
}
