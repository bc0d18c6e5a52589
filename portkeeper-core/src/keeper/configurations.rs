//! The exports and imports that were kept.

use crate::{
    error::{Error, ErrorKind, Result},
    keeper::Keeper,
    model::{Configuration, Document, SavedDocument},
    store::{Durability, configurations},
};

impl Keeper {
    /// Every export and import, newest first, without the documents.
    ///
    /// One that was given a name stays until it is [removed](Self::remove_configuration). Of those that
    /// are called `export` or `import`, because nobody said otherwise, the newest hundred of each are
    /// kept, or fewer where their documents have more than 256 MiB. Rows that another tool made, or
    /// whose checksum does not hold, are never removed by themselves.
    ///
    /// ```
    /// use portkeeper_core::{ExportRequest, ImportRequest, Watch};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// keeper.export(ExportRequest::all().name("before the move"))?;
    ///
    /// let id = keeper.configurations()?[0].id;
    /// assert!(keeper.configuration(id)?.verified);
    /// keeper.import(ImportRequest::configuration(id), Watch::none())?;
    /// keeper.remove_configuration(id)?;
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn configurations(&self) -> Result<Vec<Configuration>> {
        self.store.read_one(|db| Ok(configurations::list(db)?))
    }

    /// One export or import with its document.
    ///
    /// Fails with `DATABASE_CORRUPT` where the document is not the one that the checksum was made of,
    /// and with `IMPORT_INVALID` where another tool kept something that is no document. An id that does
    /// not exist is `INVALID_INPUT`.
    pub fn configuration(&self, id: i64) -> Result<SavedDocument> {
        let found = self.store.read_one(|db| Ok(configurations::get(db, id)?))?;
        let (configuration, data) = found.ok_or_else(|| missing(id))?;
        if configurations::is_whole(&configuration, &data) == Some(false) {
            return Err(Error::Database {
                kind: ErrorKind::DatabaseCorrupt,
                path: self.path().to_owned(),
                reason: format!("configuration {id} is not what its checksum was made of"),
                source: None,
            });
        }
        let invalid =
            |reason: String| Error::ImportInvalid(format!("configuration {id}: {reason}"));
        let text = String::from_utf8(data).map_err(|_| invalid("it is not UTF-8".to_owned()))?;
        let document = Document::from_json(&text).map_err(|error| match error {
            Error::ImportInvalid(reason) => invalid(reason),
            other => other,
        })?;
        Ok(SavedDocument {
            verified: configuration.checksum.is_some(),
            configuration,
            document,
        })
    }

    /// Removes an export or import from the list. Claims and history are left alone.
    ///
    /// An id that does not exist is `INVALID_INPUT`.
    pub fn remove_configuration(&self, id: i64) -> Result<()> {
        let removed = self.store.write(self.durability(Durability::Full), |tx| {
            Ok(configurations::remove(tx, id)?)
        })?;
        if removed { Ok(()) } else { Err(missing(id)) }
    }
}

fn missing(id: i64) -> Error {
    Error::invalid("configuration", id.to_string(), "does not exist")
}
