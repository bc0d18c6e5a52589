use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    error::{Error, Result},
    model::Document,
    value,
};

/// What to export, for [`Keeper::export`](crate::Keeper::export).
#[derive(Debug, Clone, Default)]
pub struct ExportRequest {
    pub(crate) project: Option<String>,
    pub(crate) name: Option<String>,
}

impl ExportRequest {
    /// Every claim.
    pub fn all() -> Self {
        Self::default()
    }

    /// The claims of one project.
    pub fn project(project: impl Into<String>) -> Self {
        Self {
            project: Some(project.into()),
            name: None,
        }
    }

    /// What the kept [`Configuration`](crate::Configuration) is called: 1–200 characters; `export` by
    /// default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// What to import and how, for [`Keeper::import`](crate::Keeper::import).
///
/// ```
/// use portkeeper_core::{ImportMode, ImportRequest};
///
/// let text = r#"{"version": "1.0", "ports": []}"#;
/// let request = ImportRequest::json(text).mode(ImportMode::Replace).project("my-app").dry_run(true);
/// # drop(request);
/// ```
#[derive(Debug, Clone)]
pub struct ImportRequest {
    pub(crate) source: Source,
    pub(crate) mode: ImportMode,
    pub(crate) project: Option<String>,
    pub(crate) dry_run: bool,
    pub(crate) skip_conflicts: bool,
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Document(Document),
    Json(String),
    Configuration(i64),
    Predecessor(PathBuf),
}

/// What an import does with claims that the document does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ImportMode {
    /// They stay, and so does what the document leaves out of a claim, or has empty. A port of another
    /// project is a conflict.
    #[default]
    Merge,
    /// They end, so that the claims are those of the document. Rows and history stay.
    Replace,
}

impl ImportMode {
    const ALL: [Self; 2] = [Self::Merge, Self::Replace];

    /// `merge` or `replace`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Replace => "replace",
        }
    }
}

/// From its word; `INVALID_INPUT` lists the words for any other.
impl FromStr for ImportMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        value::word("mode", text, &Self::ALL, Self::as_str)
    }
}

impl ImportRequest {
    /// A document.
    pub fn document(document: Document) -> Self {
        Self::of(Source::Document(document))
    }

    /// The text of a document, see [`Document::from_json`].
    pub fn json(text: impl Into<String>) -> Self {
        Self::of(Source::Json(text.into()))
    }

    /// The document of an earlier export or import, see
    /// [`Keeper::configurations`](crate::Keeper::configurations).
    pub fn configuration(id: i64) -> Self {
        Self::of(Source::Configuration(id))
    }

    /// The database of Port Keeper's predecessor, which is `~/.portmanager/ports.db`: its claims with
    /// their tags. It is only read, and nothing is left beside it.
    ///
    /// A program that writes it meanwhile is not disturbed. Nothing of it is trusted: views, virtual
    /// tables and computed columns in the place of its tables are refused with `IMPORT_INVALID`, and so
    /// is a row that is not valid, by its number.
    pub fn predecessor(path: impl AsRef<Path>) -> Self {
        Self::of(Source::Predecessor(path.as_ref().to_owned()))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            mode: ImportMode::default(),
            project: None,
            dry_run: false,
            skip_conflicts: false,
            name: None,
        }
    }

    /// What becomes of claims that the document does not have; [`ImportMode::Merge`] by default.
    #[must_use]
    pub fn mode(mut self, mode: ImportMode) -> Self {
        self.mode = mode;
        self
    }

    /// Only claims of this project, in the document and in the registry. Nothing else is touched.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Changes nothing, and reports what an import at this moment would do.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Leaves ports of other projects out, instead of refusing the import because of them.
    #[must_use]
    pub fn skip_conflicts(mut self, skip: bool) -> Self {
        self.skip_conflicts = skip;
        self
    }

    /// What the kept [`Configuration`](crate::Configuration) is called: 1–200 characters; `import` by
    /// default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl From<Document> for ImportRequest {
    fn from(document: Document) -> Self {
        Self::document(document)
    }
}
