//! The way back from a backup or a dump.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use serde_json::json;

use crate::{
    error::Result,
    keeper::{Journal, Keeper, lease::lease_id},
    model::{Details, Reservation, RestoreReport, Status, timestamp},
    rules,
    store::{
        Durability, Failure, Store, backup,
        history::{self, NewEntry},
        leases, ports,
        restore::{self, Staged, Stored, Texts},
        source,
    },
    watch::Watch,
};

const OPERATION: &str = "restore";

impl Keeper {
    /// Makes the claims those of a backup, or of a [`dump`](Self::dump), while every process goes on.
    ///
    /// All or nothing, in one transaction. Afterwards the lasting claims are exactly the source's: a
    /// claim that it does not have ends, one that it has is made or altered. **Nothing is deleted.** The
    /// history is what both knew, each entry once, and an entry with the reason `restored` for each
    /// claim that the restore changed; configurations are added. So restoring into an empty registry
    /// gives the very rows of the source, and restoring twice changes nothing. What scans saw is this
    /// machine's and stays.
    ///
    /// Claims that end with a process are the present's: such a claim of the source comes back only
    /// where the registry has the same lease still, and one of now stays, unless the source gives its
    /// port to a lasting claim.
    ///
    /// Where it changes anything, the state before is first written to a backup beside the registry,
    /// which the report names: `NAME.before-restore-TIME`. Restore that to undo. The newest ten of them
    /// are kept, and the source if it is one; of older ones those are removed that are still, by their
    /// checksum, what was written. `TIME` is later than that of each one before, also where the clock was
    /// set back; backups of one second are numbered.
    ///
    /// Others read meanwhile, and wait with their writes while that backup is written and the claims are
    /// brought back: with a million entries of history (232 MB) and two writers, on two busy processors,
    /// the longest wait was 2.0 s of the 12.9 s that the restore took. The source may be in use, too.
    ///
    /// The source is not trusted and not changed: nothing in it runs, its checksum, its pages and every
    /// value are checked, and a row that breaks a rule is named (`DATABASE_CORRUPT`). A database that another
    /// program made from the documentation is welcome; one of a newer version is `SCHEMA_TOO_NEW`, and
    /// any other `SCHEMA_MISMATCH`. A restore that is refused, stopped or fails changes nothing.
    ///
    /// ```
    /// use portkeeper_core::{Keeper, ReserveRequest, Watch};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let (registry, backup) = (folder.path().join("database.db"), folder.path().join("backup.db"));
    /// let keeper = Keeper::open_at(&registry)?;
    /// keeper.reserve(3000, ReserveRequest::new("my-app").adopt(true))?;
    /// keeper.backup(&backup, Watch::none())?;
    /// keeper.release(3000)?;
    ///
    /// let report = keeper.restore(&backup, Watch::none())?;
    /// assert_eq!(report.restored, 1);
    /// assert_eq!(keeper.get(3000)?.unwrap().project_name, "my-app");
    /// # Ok::<(), portkeeper_core::Error>(())
    /// ```
    pub fn restore(&self, source: impl AsRef<Path>, mut watch: Watch<'_>) -> Result<RestoreReport> {
        let path = source.as_ref();
        // What follows makes others wait, so that everything is read before.
        let (wanted, configurations, entries, apart, staged) =
            source::read(path, &self.store, &mut watch, |source, watch| {
                let wanted = source.ports()?;
                let configurations = source.configurations()?;
                let entries = source.entries()?;
                let total = entries + wanted.len() as u64;
                let apart = self.store.apart()?;
                apart.enlarge_cache()?;
                let staged = restore::stage(&apart, source, watch, total)?;
                Ok((wanted, configurations, entries, apart, staged))
            })?;
        let total = entries + wanted.len() as u64;

        let journal = Journal::new(self);
        let reader = self.store.apart()?;
        let mut safety = SafetyBackup::new(&reader, &journal);
        let report = apart.write(self.durability(Durability::Full), |tx| {
            safety.forget()?;
            let bring = Bring {
                tx,
                journal: &journal,
                staged: &staged,
            };
            let (mut report, changed) = bring.claims(&wanted, &mut watch, entries)?;
            report.configurations = restore::add_configurations(tx, &configurations)?;
            if changed || report.history + report.configurations > 0 {
                report.safety_backup = safety.write(&mut watch)?;
            }
            // From here on it is stored: this is the last moment to stop it.
            watch.report(OPERATION, total, total)?;
            Ok(report)
        });
        match &report {
            Ok(report) => {
                let written = report.safety_backup.as_deref();
                let needed: Vec<&Path> = written.into_iter().chain([path]).collect();
                backup::forget_old(&self.store, &needed);
            }
            Err(_) => safety.forget_unless_stored(),
        }
        report
    }
}

/// The copy of the state that a restore replaces.
struct SafetyBackup<'a> {
    /// Sees what is committed, and nobody can commit before the restore's transaction ends.
    reader: &'a Store,
    time: String,
    written: Option<(PathBuf, i64)>,
}

impl<'a> SafetyBackup<'a> {
    fn new(reader: &'a Store, journal: &Journal) -> Self {
        Self {
            reader,
            time: timestamp::format(journal.now),
            written: None,
        }
    }

    /// `None` for a registry in memory, which has nothing beside it.
    fn write(&mut self, watch: &mut Watch<'_>) -> Result<Option<PathBuf>, Failure> {
        if !self.reader.is_shared() {
            return Ok(None);
        }
        let version = backup::data_version(self.reader)?;
        let path = backup::beside(self.reader, &self.time, watch)?;
        self.written = Some((path.clone(), version));
        Ok(Some(path))
    }

    /// Removes the copy of a transaction that is begun once more.
    fn forget(&mut self) -> Result<(), Failure> {
        if let Some((path, _)) = self.written.take() {
            std::fs::remove_file(&path).map_err(|error| backup::failed(&path, error))?;
        }
        Ok(())
    }

    /// Removes the copy of a restore that failed. A `COMMIT` may fail and yet be stored, so that the
    /// copy stays where anybody has stored anything.
    fn forget_unless_stored(&mut self) {
        if let Some((_, version)) = &self.written
            && backup::data_version(self.reader).is_ok_and(|now| now == *version)
        {
            let _ = self.forget();
        }
    }
}

/// A restore within its transaction.
struct Bring<'a> {
    tx: &'a Connection,
    journal: &'a Journal,
    staged: &'a Staged,
}

impl Bring<'_> {
    fn claims(
        &self,
        wanted: &[Stored],
        watch: &mut Watch<'_>,
        done: u64,
    ) -> Result<(RestoreReport, bool), Failure> {
        let mut before = restore::rows(self.tx)?;
        let numbers: BTreeSet<u16> = before
            .keys()
            .copied()
            .chain(wanted.iter().map(|wanted| wanted.row.number))
            .collect();
        let mut rest = wanted.iter().peekable();
        let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
        for (step, number) in (0..).zip(numbers) {
            if step % 1_000 == 0 {
                watch.report(OPERATION, done + step, done + step + 1)?;
            }
            let wanted = rest.next_if(|wanted| wanted.row.number == number);
            let present = before.remove(&number);
            let id = lease_id()?;
            let after = after(present.as_ref(), wanted, id, self.journal);
            let alike = match (&present, &after) {
                (Some(present), Some((_, Some(texts)))) => present.texts.are_like(texts),
                _ => true,
            };
            let present = present.map(|present| present.row);
            if let Some((after, texts)) = after {
                self.put(present.as_ref(), &after)?;
                if let Some(texts) = texts {
                    texts.put(self.tx, number)?;
                }
                // What a claim lost or got of JSON that nothing here can read is told of like a new claim.
                let is_told =
                    |present: &Reservation| alike || present.project_name != after.project_name;
                changed.push((present.filter(is_told), after));
            } else if let Some(present) = present {
                unchanged.push(present);
            }
        }
        for port in restore::orphans(self.tx)? {
            // A row without a claim, which every entry of the history needs.
            let row = rules::after_kill(port, None, self.journal.now);
            self.put(None, &row)?;
            changed.push((None, row));
        }
        let history = self.staged.add(self.tx)?;

        let mut report = RestoreReport {
            safety_backup: None,
            restored: 0,
            released: 0,
            history,
            configurations: 0,
        };
        for (present, after) in &changed {
            let was_claimed = present
                .as_ref()
                .is_some_and(|row| row.status != Status::Free);
            if after.status != Status::Free {
                report.restored += 1;
            } else if was_claimed {
                report.released += 1;
            }
            self.record(present.as_ref(), after)?;
        }
        // What the source's history says last of these may be another claim.
        for row in &unchanged {
            self.record(Some(row), row)?;
        }
        Ok((report, !changed.is_empty()))
    }

    fn put(&self, before: Option<&Reservation>, after: &Reservation) -> Result<(), Failure> {
        ports::put(self.tx, after)?;
        let lease = before.and_then(|row| row.lease.as_ref());
        match &after.lease {
            Some(new) if Some(new) == lease => {}
            Some(new) => leases::put(self.tx, after.number, new, self.journal.now)?,
            None => leases::remove(self.tx, after.number)?,
        }
        Ok(())
    }

    /// Writes the entry that the change needs, if it needs one.
    fn record(&self, before: Option<&Reservation>, after: &Reservation) -> Result<(), Failure> {
        let last = restore::last(self.tx, after.number)?;
        let (said, is_new) = match &last {
            Some(last) => (Some((last.action, last.project.as_deref())), last.is_new),
            None => (None, false),
        };
        let Some(action) = rules::restore_entry(before, after, said, is_new) else {
            return Ok(());
        };
        let mut details = Details::from_iter([("reason".to_owned(), json!("restored"))]);
        let previous = before
            .filter(|row| row.status != Status::Free && row.project_name != after.project_name);
        if let Some(previous) = previous {
            details.insert("previousProject".to_owned(), json!(previous.project_name));
        }
        // A release names who had the port.
        let holder = last.as_ref().and_then(|last| last.project.as_deref());
        let project = match after.status {
            Status::Free => holder.or(Some(after.project_name.as_str())),
            _ => Some(after.project_name.as_str()),
        };
        // The last entry may come from a clock that is ahead; the new one must still be the last.
        let last = last
            .as_ref()
            .and_then(|last| timestamp::parse(&last.performed_at));
        history::append(
            self.tx,
            &NewEntry {
                port: after.number,
                action,
                project,
                description: after.description.as_deref(),
                performed_by: &self.journal.actor,
                performed_at: last.map_or(self.journal.now, |last| last.max(self.journal.now)),
                details: &details,
            },
        )?;
        Ok(())
    }
}

/// The row of a port after the restore, and its texts where they are the source's; `None` where it
/// stays as it is.
fn after<'a>(
    present: Option<&Stored>,
    wanted: Option<&'a Stored>,
    lease_id: String,
    journal: &Journal,
) -> Option<(Reservation, Option<&'a Texts>)> {
    let row = |stored: Option<&'a Stored>| stored.map(|stored| &stored.row);
    let before = present.map(|present| &present.row);
    let is_same = |left: &Reservation, right: &Reservation| {
        (&left.project_name, left.status) == (&right.project_name, right.status)
    };
    if let Some(after) = rules::restored(before, row(wanted), || lease_id, journal.now) {
        let texts = wanted.filter(|wanted| {
            is_same(&wanted.row, &after) && (before.is_none() || after.status != Status::Free)
        });
        return Some((after, texts.map(|wanted| &wanted.texts)));
    }
    // Rows that read the same may differ in what nothing here can read.
    let (present, wanted) = (present?, wanted?);
    let differs = is_same(&present.row, &wanted.row)
        && present.row.status != Status::Free
        && !present.texts.are_like(&wanted.texts);
    differs.then(|| (present.row.clone(), Some(&wanted.texts)))
}
