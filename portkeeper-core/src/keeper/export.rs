//! The claims as a document.

use crate::{
    error::{Error, Result},
    keeper::Keeper,
    model::{Document, shown},
    request::ExportRequest,
    rules,
    store::{
        Durability,
        configurations::{self, NewConfiguration},
        ports::{self, Listed},
        sha256,
    },
    value,
};

impl Keeper {
    /// The claims of this moment, of every project or of one, as a document by number. Ports that are
    /// free are not in it, and history and leases neither.
    ///
    /// The document is kept with its checksum, see [`configurations`](Self::configurations). Fails with
    /// `UNSUPPORTED` where its text is longer than [`Document::MAX_BYTES`], since nobody could import it;
    /// projects can be exported one by one.
    ///
    /// ```
    /// use portkeeper_core::{Document, ExportRequest, ReserveRequest};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// keeper.reserve(3000, ReserveRequest::new("my-app").tag("frontend"))?;
    ///
    /// let document = keeper.export(ExportRequest::all())?;
    /// assert_eq!(document.ports[0].tags, ["frontend"]);
    /// let text = document.to_json()?;                     // what Keeper::import takes
    /// assert!(text.contains("my-app"));
    /// assert_eq!(keeper.configurations()?[0].name, "export");
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn export(&self, request: ExportRequest) -> Result<Document> {
        let ExportRequest { project, name } = request;
        if let Some(project) = &project {
            value::project(project)?;
        }
        if let Some(name) = &name {
            value::name(name)?;
        }
        let wanted = Listed {
            project: project.as_deref(),
            ..Listed::default()
        };
        let mut rows = self.store.read_one(|db| Ok(ports::list(db, &wanted)?))?;
        rows.retain(rules::was_claimed);
        let now = self.host.now();
        let document = Document::of(&rows, now);
        let text = document.to_json()?;
        if text.len() > Document::MAX_BYTES {
            return Err(Error::Unsupported(format!(
                "an export of {} bytes, more than {},",
                text.len(),
                Document::MAX_BYTES
            )));
        }
        let description = match &project {
            Some(project) => format!("{} ports of project {}", rows.len(), shown(project)),
            None => format!("{} ports", rows.len()),
        };
        let new = NewConfiguration {
            name: name.as_deref().unwrap_or("export"),
            description: &description,
            data: &text,
            version: &document.version,
            created_at: now,
            created_by: &self.actor(),
            checksum: &sha256(text.as_bytes()),
        };
        self.store.write(self.durability(Durability::Full), |tx| {
            Ok(configurations::add(tx, &new)?)
        })?;
        Ok(document)
    }
}
