//! The rows of `leases`: on what, beside its project's wish, a claim depends.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::column;
use crate::model::{LeaseTerms, timestamp};

/// Gives the claim on `port` this lease in the place of any other.
pub(crate) fn put(
    db: &Connection,
    port: u16,
    lease: &LeaseTerms,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT OR REPLACE INTO leases (port, leaseId, role, ownerPid, ownerStart, \
         ownerBoot, ownerNamespace, ownerPidfd, held, borrowed, expiresAt, createdAt) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
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
        lease.held,
        lease.borrowed,
        lease.expires_at.map(timestamp::format),
        timestamp::format(now),
    ])?;
    Ok(())
}

/// Gives the lease `id` on `port` another role.
pub(crate) fn set_role(
    db: &Connection,
    port: u16,
    id: &str,
    role: Option<&str>,
) -> rusqlite::Result<()> {
    const SQL: &str = "UPDATE leases SET role = ?3 WHERE port = ?1 AND leaseId = ?2";
    db.prepare_cached(SQL)?.execute(params![port, id, role])?;
    Ok(())
}

/// Another port than those of `except` on which the project has the role.
pub(crate) fn role_elsewhere(
    db: &Connection,
    project: &str,
    role: &str,
    except: &[u16],
) -> rusqlite::Result<Option<u16>> {
    const SQL: &str = "SELECT l.port FROM leases l JOIN ports p ON p.number = l.port \
         WHERE l.role = ?1 AND p.projectName = ?2 AND p.status <> 'free' ORDER BY l.port";
    let mut statement = db.prepare_cached(SQL)?;
    for port in statement.query_map([role, project], |row| row.get(0))? {
        let port = port?;
        if !except.contains(&port) {
            return Ok(Some(port));
        }
    }
    Ok(None)
}

/// Ends the lease on `port`, if there is one.
pub(crate) fn remove(db: &Connection, port: u16) -> rusqlite::Result<()> {
    const SQL: &str = "DELETE FROM leases WHERE port = ?1";
    db.prepare_cached(SQL)?.execute([port])?;
    Ok(())
}

/// Which lease each port has.
pub(crate) fn ids(db: &Connection) -> rusqlite::Result<HashMap<u16, String>> {
    const SQL: &str = "SELECT port, leaseId FROM leases WHERE port BETWEEN 1 AND 65535";
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, column::text(row, 1)?.unwrap_or_default()))
    })?;
    rows.collect()
}

/// The port of each role that the project has.
pub(crate) fn roles(db: &Connection, project: &str) -> rusqlite::Result<Vec<(String, u16)>> {
    const SQL: &str = "SELECT l.role, l.port FROM ports p JOIN leases l ON l.port = p.number \
         WHERE p.projectName = ?1 AND p.status <> 'free' AND l.role IS NOT NULL ORDER BY l.port";
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map([project], |row| {
        Ok((column::text(row, 0)?.unwrap_or_default(), row.get(1)?))
    })?;
    rows.collect()
}
