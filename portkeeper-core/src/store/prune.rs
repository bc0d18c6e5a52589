//! Removes what is too old to matter, a little at a time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Durability, Store};
use crate::{
    error::Result,
    model::{PruneReport, timestamp},
    watch::Watch,
};

/// Rows of a transaction, at first and at least. Each row is in six indexes, and others wait meanwhile.
const BATCH: usize = 250;
/// Most of the time goes into copying pages from the log, which many rows of a transaction share: 1,000 at once
/// took half as long as 250. With more the log would grow to tens of megabytes.
const LARGEST_BATCH: usize = 1_000;
/// How long others wait at most, where a transaction need not be smaller than [`BATCH`] for that.
const LONGEST: Duration = Duration::from_millis(20);

const OPERATION: &str = "prune";

/// Removes entries of the history before `history`, and results of scans before `scans`.
///
/// Of each port the last claim before `history` stays: until the next entry it says who had the port,
/// and for an open claim there is no next one. A release there says only that nobody had it, which is
/// also what no entry says. The oldest go first, so that no answer is wrong between two batches.
pub(crate) fn run(
    store: &Store,
    history: DateTime<Utc>,
    scans: DateTime<Utc>,
    watch: &mut Watch<'_>,
) -> Result<PruneReport> {
    let (history, scans) = (timestamp::format(history), timestamp::format(scans));
    let total = store.read(|db| Ok(old(db, &history, &scans)?))?;
    watch.report(OPERATION, 0, total)?;
    let apart = store.apart()?;
    apart.enlarge_cache()?;
    let mut report = PruneReport {
        history: 0,
        scans: 0,
    };
    let mut looked_at = 0;
    let mut after = (String::new(), i64::MIN);
    let mut batch = BATCH;
    loop {
        let ((end, seen, removed), took) = apart.write(Durability::Normal, |tx| {
            let begin = Instant::now();
            let done = entries(tx, &after, &history, batch)?;
            Ok((done, begin.elapsed()))
        })?;
        batch = next_batch(batch, took);
        report.history += removed;
        looked_at += seen;
        watch.report(OPERATION, looked_at, total.max(looked_at))?;
        match end {
            Some(end) => after = end,
            None => break,
        }
    }
    for (table, key) in [("active_scans", "id"), ("active_sockets", "port, position")] {
        loop {
            let removed =
                apart.write(Durability::Normal, |tx| Ok(rows(tx, table, key, &scans)?))?;
            report.scans += removed;
            looked_at += removed;
            watch.report(OPERATION, looked_at, total.max(looked_at))?;
            if removed == 0 {
                break;
            }
        }
    }
    Ok(report)
}

/// How many rows the next transaction has, after one that took so long.
fn next_batch(batch: usize, took: Duration) -> usize {
    let next = if took > LONGEST {
        batch / 2
    } else if took < LONGEST / 2 {
        batch * 2
    } else {
        batch
    };
    next.clamp(BATCH, LARGEST_BATCH)
}

/// How many rows there are to look at.
fn old(db: &Connection, history: &str, scans: &str) -> rusqlite::Result<u64> {
    const SQL: &str = "SELECT (SELECT count(*) FROM port_history WHERE performedAt < ?1) \
         + (SELECT count(*) FROM active_scans WHERE scannedAt < ?2) \
         + (SELECT count(*) FROM active_sockets WHERE scannedAt < ?2)";
    db.query_row(SQL, [history, scans], |row| row.get(0))
}

/// Where a batch of the history ended, how many entries it looked at and how many it removed.
type Batch = (Option<(String, i64)>, u64, u64);

/// Looks at the entries that follow `after`, in the order of time.
fn entries(
    tx: &Connection,
    after: &(String, i64),
    before: &str,
    batch: usize,
) -> rusqlite::Result<Batch> {
    const OLD: &str = "SELECT h.performedAt, h.id, h.action = 'released' OR EXISTS ( \
             SELECT 1 FROM port_history n WHERE n.port = h.port AND n.performedAt < ?3 \
             AND (n.performedAt, n.id) > (h.performedAt, h.id)) \
         FROM port_history h WHERE h.performedAt < ?3 AND (h.performedAt, h.id) > (?1, ?2) \
         ORDER BY h.performedAt, h.id LIMIT ?4";
    let mut old = tx.prepare_cached(OLD)?;
    let found = old.query_map(params![after.0, after.1, before, batch], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
    })?;
    let mut end = None;
    let (mut seen, mut removed) = (0, Vec::new());
    for entry in found {
        let (time, id, superseded): (String, i64, bool) = entry?;
        seen += 1;
        if superseded {
            removed.push(id);
        }
        end = Some((time, id));
    }
    let mut delete = tx.prepare_cached("DELETE FROM port_history WHERE id = ?1")?;
    for id in &removed {
        delete.execute([id])?;
    }
    Ok((end, seen, removed.len() as u64))
}

fn rows(tx: &Connection, table: &str, key: &str, before: &str) -> rusqlite::Result<u64> {
    let sql = format!(
        "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE scannedAt < ?1 LIMIT ?2)"
    );
    let removed = tx.prepare_cached(&sql)?.execute(params![before, BATCH])?;
    Ok(removed as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BATCH, LARGEST_BATCH, next_batch};

    #[test]
    fn a_batch_is_as_large_as_its_time_allows() {
        for (batch, took, next) in [
            (BATCH, 3, 2 * BATCH),
            (2 * BATCH, 15, 2 * BATCH),
            (2 * BATCH, 21, BATCH),
            (BATCH, 500, BATCH),
            (LARGEST_BATCH, 0, LARGEST_BATCH),
        ] {
            assert_eq!(
                next_batch(batch, Duration::from_millis(took)),
                next,
                "{batch}, {took}"
            );
        }
    }
}
