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

const OPERATION: &str = "export";

impl Keeper {
    /// The claims of this moment, of every project or of one, as a document by number. Ports that are
    /// free are not in it, and history and leases neither.
    ///
    /// The document is kept with its checksum, see [`configurations`](Self::configurations). What is
    /// exported can be imported: where its text would be longer than [`Document::MAX_BYTES`], or another
    /// program has stored what no document may have, such as a project name of 300 characters, it is
    /// `UNSUPPORTED`, and the message names the port. Projects can be exported one by one;
    /// [`backup`](Self::backup) has no such bounds.
    ///
    /// There are at most 65,535 claims, which take a fifth of a second: it needs no watch.
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
        let (mut rows, unreadable) = self
            .store
            .read(|db| Ok((ports::list(db, &wanted)?, ports::unreadable(db)?)))?;
        rows.retain(rules::was_claimed);
        if let Some(row) = rows.iter().find(|row| unreadable.contains(&row.number)) {
            return Err(refused(
                row.number,
                "its JSON is beyond what can be read here",
            ));
        }
        let now = self.host.now();
        let document =
            Document::of(&rows, now).map_err(|(port, error)| refused(port, &error.to_string()))?;
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
            name: name.as_deref().unwrap_or(OPERATION),
            description: &description,
            data: &text,
            version: &document.version,
            created_at: now,
            created_by: &self.actor(),
            checksum: &sha256(text.as_bytes()),
        };
        self.store.write(self.durability(Durability::Full), |tx| {
            configurations::add(tx, &new)?;
            if name.is_none() {
                configurations::forget_old(tx, OPERATION)?;
            }
            Ok(())
        })?;
        Ok(document)
    }
}

/// What nobody could import is not exported.
fn refused(port: u16, reason: &str) -> Error {
    Error::Unsupported(format!("an export of port {port} ({reason})"))
}
