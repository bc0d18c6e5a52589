//! A document's claims, taken into the registry.

use rusqlite::Connection;
use serde_json::json;

use crate::{
    error::{Error, Result},
    keeper::{Journal, Keeper, lease::lease_id, sweep::settle},
    model::{Document, ImportOutcome, ImportReport, LeaseTerms},
    request::{ImportRequest, Source},
    rules::{self, ImportStep, ImportTerms, ImportWrite},
    store::{
        Durability, Failure,
        configurations::{self, NewConfiguration},
        leases,
        ports::{self, Listed},
        predecessor, sha256,
    },
    value,
    watch::Watch,
};

const OPERATION: &str = "import";
/// How many ports are written between two reports of progress.
const STRIDE: u64 = 1_024;

impl Keeper {
    /// Takes the claims of a document into the registry: all of them, in one transaction, or none.
    ///
    /// A [merge](crate::ImportMode::Merge) adds what is missing, alters what the project has otherwise,
    /// and takes nothing away. A port that another project has is a conflict: the import is refused with
    /// `PORT_RESERVED`, which names the first one, unless the request
    /// [skips](ImportRequest::skip_conflicts) them. A [dry run](ImportRequest::dry_run) reports them all.
    ///
    /// A [replacement](crate::ImportMode::Replace) makes the claims those of the document. Other claims
    /// end, with their leases; a port that another project has passes to the document's. Where it is
    /// limited to one [project](ImportRequest::project), other projects' ports are conflicts and nothing
    /// of theirs is touched.
    ///
    /// A claim from a document is one on paper: the machine is not asked what listens there, and what
    /// listened on the document's machine (`status`, `pid`, `processName`) is not taken over. A scan
    /// finds out. A new claim has the times of the document; one that says `autoRelease` keeps saying so,
    /// but no process is known whose end would end it. A lease of the same project goes on as it is.
    /// Of the document's ports, a lease that has ended is ended before, as any claim of the port would.
    ///
    /// Every changed port has one entry in the history, whose details name the
    /// [configuration](Self::configurations) that is kept of the import.
    ///
    /// `watch` is called before, at times within, and at the end of the transaction; stopping it there
    /// undoes everything. Other writers wait meanwhile, a second for 65,535 ports.
    ///
    /// The newest hundred imports without a [name](ImportRequest::name) are kept, and as many such
    /// exports, see [`configurations`](Self::configurations).
    ///
    /// ```
    /// use portkeeper_core::{Document, ImportRequest, Watch};
    ///
    /// # let keeper = portkeeper_core::Keeper::in_memory()?;
    /// let text = r#"{"version": "1.0", "ports": [
    ///     {"number": 3000, "projectName": "my-app", "description": "web", "tags": ["frontend"]}
    /// ]}"#;
    /// let request = ImportRequest::json(text);
    /// assert_eq!(keeper.import(request.clone().dry_run(true), Watch::none())?.added, 1);
    /// assert_eq!(keeper.import(request.clone(), Watch::none())?.added, 1);
    /// assert_eq!(keeper.import(request, Watch::none())?.unchanged, 1);
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn import(
        &self,
        request: impl Into<ImportRequest>,
        mut watch: Watch<'_>,
    ) -> Result<ImportReport> {
        let ImportRequest {
            source,
            mode,
            project,
            dry_run,
            skip_conflicts,
            name,
        } = request.into();
        if let Some(project) = &project {
            value::project(project)?;
        }
        if let Some(name) = &name {
            value::name(name)?;
        }
        watch.report(OPERATION, 0, 0)?;
        let document = self.document(source)?;
        let mut entries = document.claims()?;
        if let Some(project) = &project {
            entries.retain(|entry| entry.project_name == *project);
        }
        let text = document.to_json()?;
        if text.len() > Document::MAX_BYTES {
            // It could be kept, and never be read again.
            let (found, most) = (text.len(), Document::MAX_BYTES);
            let reason = format!("its {found} bytes are more than {most}");
            return Err(Error::ImportInvalid(reason));
        }
        let checksum = sha256(text.as_bytes());

        // The keeper's own connection stays free for its other threads, and for the watch.
        let apart = self.store.apart()?;
        let mut conditional = apart.read_one(|db| Ok(ports::conditional(db)?))?;
        // Every other claim is left to the next sweep: what an import does is all in its report.
        conditional.retain(|row| {
            let entry = entries.binary_search_by_key(&row.number, |entry| entry.number);
            entry.is_ok()
        });
        let mut ended = self.ended(&conditional, None)?;
        ended.retain(|end| !end.is_inherited());
        let journal = Journal::new(self);
        let terms = ImportTerms {
            mode,
            project: project.as_deref(),
            now: journal.now,
        };
        let body = |tx: &Connection| {
            settle(tx, &journal, &ended)?;
            let rows = ports::list(tx, &Listed::default())?;
            let steps = rules::import(&rows, &entries, &terms);
            let mut report = ImportReport::of(steps.iter().map(|s| s.report.clone()).collect());
            report.dry_run = dry_run;
            let total = u64::try_from(steps.len()).unwrap_or(u64::MAX);
            watch.report(OPERATION, 0, total)?;
            if !dry_run {
                let conflict = report
                    .ports
                    .iter()
                    .find(|port| port.outcome == ImportOutcome::Conflict);
                if let Some(conflict) = conflict
                    && !skip_conflicts
                    && let Some(row) = rows.iter().find(|row| row.number == conflict.port)
                {
                    return Err(Error::reserved(row).into());
                }
                let new = NewConfiguration {
                    name: name.as_deref().unwrap_or(OPERATION),
                    description: &format!("{}: {report}", mode.as_str()),
                    data: &text,
                    version: &document.version,
                    created_at: journal.now,
                    created_by: &journal.actor,
                    checksum: &checksum,
                };
                let configuration = configurations::add(tx, &new)?;
                if name.is_none() {
                    configurations::forget_old(tx, OPERATION)?;
                }
                report.configuration = Some(configuration);
                for (done, step) in (1..).zip(steps) {
                    write(tx, &journal, step, configuration)?;
                    if done % STRIDE == 0 && done < total {
                        watch.report(OPERATION, done, total)?;
                    }
                }
            }
            watch.report(OPERATION, total, total)?;
            Ok(report)
        };
        if dry_run {
            apart.rehearse(body)
        } else {
            apart.write(self.durability(Durability::Full), body)
        }
    }

    fn document(&self, source: Source) -> Result<Document> {
        match source {
            Source::Document(document) => Ok(document),
            Source::Json(text) => Document::from_json(&text),
            Source::Configuration(id) => Ok(self.configuration(id)?.document),
            Source::Predecessor(path) => predecessor::read(&path, self.host.now()),
        }
    }
}

fn write(
    tx: &Connection,
    journal: &Journal,
    step: ImportStep,
    configuration: i64,
) -> Result<(), Failure> {
    let Some(ImportWrite {
        mut row,
        action,
        mut details,
        ends_lease,
        role,
    }) = step.write
    else {
        return Ok(());
    };
    details.insert("configuration".to_owned(), json!(configuration));
    if ends_lease {
        leases::remove(tx, row.number)?;
    }
    if let Some(role) = role {
        row.lease = Some(LeaseTerms {
            id: lease_id()?,
            role: Some(role),
            owner: None,
            held: false,
            borrowed: false,
            expires_at: None,
        });
    }
    journal.write(tx, &row, action, &details)?;
    Ok(())
}
