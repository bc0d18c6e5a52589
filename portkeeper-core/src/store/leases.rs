//! The rows of `leases`: on what, beside its project's wish, a claim depends.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use crate::model::{LeaseTerms, timestamp};

/// Gives the claim on `port` this lease in the place of any other.
pub(crate) fn put(
    db: &Connection,
    port: u16,
    lease: &LeaseTerms,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT OR REPLACE INTO leases (port, leaseId, role, ownerPid, ownerStart, \
         ownerBoot, ownerNamespace, ownerPidfd, expiresAt, createdAt) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let owner = lease.owner.as_ref();
    db.prepare_cached(SQL)?.execute(params![
        port,
        lease.id,
        lease.role,
        owner.map(|owner| owner.pid),
        owner.map(|owner| owner.start.cast_signed()),
        owner.map(|owner| owner.boot.as_str()),
        owner.map(|owner| owner.namespace.cast_signed()),
        owner.map(|owner| owner.pidfd.cast_signed()),
        lease.expires_at.map(timestamp::format),
        timestamp::format(now),
    ])?;
    Ok(())
}

/// Ends the lease on `port`, if there is one.
pub(crate) fn remove(db: &Connection, port: u16) -> rusqlite::Result<()> {
    const SQL: &str = "DELETE FROM leases WHERE port = ?1";
    db.prepare_cached(SQL)?.execute([port])?;
    Ok(())
}
