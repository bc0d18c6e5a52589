//! What must hold of the rows, each as the query that finds what breaks it.

use crate::model::{FindingKind, Severity};

/// A query whose rows, a port and a sentence, are findings.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) kind: FindingKind,
    pub(super) severity: Severity,
    pub(super) sql: &'static str,
}

const fn error(kind: FindingKind, sql: &'static str) -> Check {
    Check {
        kind,
        severity: Severity::Error,
        sql,
    }
}

const fn warning(kind: FindingKind, sql: &'static str) -> Check {
    Check {
        kind,
        severity: Severity::Warning,
        sql,
    }
}

/// The last entry of each port, as the engine orders them.
macro_rules! last {
    ($condition:literal) => {
        concat!(
            "SELECT q.port, ",
            $condition,
            " FROM (SELECT number AS port FROM ports UNION SELECT DISTINCT port FROM port_history) q \
              LEFT JOIN ports p ON p.number = q.port \
              LEFT JOIN port_history h ON h.id = (SELECT id FROM port_history \
                 WHERE port = q.port ORDER BY performedAt DESC, id DESC LIMIT 1) WHERE "
        )
    };
}

pub(super) const CHECKS: &[Check] = &[
    error(
        FindingKind::Port,
        "SELECT number, 'ports ' || number || ': it is not in 1..=65535' FROM ports \
         WHERE number NOT BETWEEN 1 AND 65535",
    ),
    error(
        FindingKind::Port,
        "SELECT port, 'port_history ' || id || ': ' || port || ' is not in 1..=65535' \
         FROM port_history WHERE typeof(port) <> 'integer' OR port NOT BETWEEN 1 AND 65535",
    ),
    error(
        FindingKind::Value,
        "SELECT number, 'ports ' || number || ': the claim has no project' FROM ports \
         WHERE status <> 'free' AND (typeof(projectName) <> 'text' \
            OR trim(projectName, char(9, 10, 11, 12, 13, 32)) = '')",
    ),
    error(
        FindingKind::Value,
        "SELECT number, 'ports ' || number || ': a value has a wrong type' FROM ports \
         WHERE typeof(description) NOT IN ('text', 'null') OR typeof(pid) NOT IN ('integer', 'null') \
            OR typeof(processName) NOT IN ('text', 'null') \
            OR status NOT IN ('free', 'reserved', 'in-use') \
            OR autoRelease NOT IN (0, 1)",
    ),
    error(
        FindingKind::Timestamp,
        "SELECT number, 'ports ' || number || ': a timestamp is not in the stored form' FROM ports \
         WHERE reservedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', reservedAt) \
            OR lastSeenAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', lastSeenAt) \
            OR updatedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt)",
    ),
    error(
        FindingKind::Timestamp,
        "SELECT port, 'port_history ' || id || ': performedAt is not in the stored form' \
         FROM port_history WHERE performedAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', performedAt)",
    ),
    error(
        FindingKind::Timestamp,
        "SELECT port, 'leases ' || port || ': expiresAt is not in the stored form' FROM leases \
         WHERE expiresAt IS NOT strftime('%Y-%m-%dT%H:%M:%SZ', expiresAt)",
    ),
    error(
        FindingKind::Json,
        "SELECT number, 'ports ' || number || ': tags are not a JSON array' FROM ports \
         WHERE tags IS NOT NULL AND CASE WHEN json_valid(tags) THEN json_type(tags) <> 'array' \
            ELSE 1 END",
    ),
    error(
        FindingKind::Json,
        "SELECT number, 'ports ' || number || ': metadata is not a JSON object' FROM ports \
         WHERE metadata IS NOT NULL AND CASE WHEN json_valid(metadata) \
            THEN json_type(metadata) <> 'object' ELSE 1 END",
    ),
    error(
        FindingKind::Json,
        "SELECT port, 'port_history ' || id || ': details are not a JSON object' FROM port_history \
         WHERE details IS NOT NULL AND CASE WHEN json_valid(details) \
            THEN json_type(details) <> 'object' ELSE 1 END",
    ),
    error(
        FindingKind::History,
        concat!(
            last!("'port ' || q.port || ' is claimed, and its history says otherwise'"),
            "p.status <> 'free' AND (h.id IS NULL OR h.action = 'released' \
                OR h.projectName IS NOT p.projectName)"
        ),
    ),
    error(
        FindingKind::History,
        concat!(
            last!("'port ' || q.port || ' is claimed in its history, and not in its row'"),
            "h.action <> 'released' AND coalesce(h.projectName, '') <> '' \
                AND coalesce(p.status, 'free') = 'free'"
        ),
    ),
    warning(
        FindingKind::History,
        concat!(
            last!("'port ' || q.port || ' has another status than its history says'"),
            "p.status <> 'free' AND h.action <> 'released' AND h.projectName IS p.projectName \
                AND (p.status = 'in-use') <> (h.action = 'in-use')"
        ),
    ),
    warning(
        FindingKind::History,
        concat!(
            last!("'port ' || q.port || ' has another description than its history says'"),
            "p.status <> 'free' AND h.action <> 'released' AND h.projectName IS p.projectName \
                AND typeof(p.description) IN ('text', 'null') AND p.description IS NOT h.description"
        ),
    ),
    error(
        FindingKind::Value,
        "SELECT port, 'leases ' || port || ': a value has a wrong type' FROM leases \
         WHERE typeof(leaseId) <> 'text' OR typeof(role) NOT IN ('text', 'null') \
            OR typeof(ownerPid) NOT IN ('integer', 'null') \
            OR typeof(ownerStart) NOT IN ('integer', 'null') \
            OR typeof(ownerBoot) NOT IN ('text', 'null') \
            OR typeof(ownerNamespace) NOT IN ('integer', 'null') \
            OR typeof(ownerPidfd) NOT IN ('integer', 'null') \
            OR held NOT IN (0, 1) OR borrowed NOT IN (0, 1)",
    ),
    error(
        FindingKind::Lease,
        "SELECT l.port, 'leases ' || l.port || ': the port is not claimed' FROM leases l \
         LEFT JOIN ports p ON p.number = l.port WHERE coalesce(p.status, 'free') = 'free'",
    ),
];
