//! Exactly one history row for each change of a claim, whoever makes it and however it is written.

#[path = "support/store_foreign.rs"]
mod foreign;

use foreign::{Run, each};

/// A claimed row and one that is free again.
const SETUP: &str = "
    INSERT INTO ports (number, projectName, description, status, reservedAt, updatedAt) VALUES
        (3000, 'a', 'web', 'reserved', '2024-01-20T10:30:00Z', '2024-01-20T10:30:00Z'),
        (3001, 'old', NULL, 'free', '2024-01-20T10:30:00Z', '2024-01-20T10:30:00Z');
";

/// The rows since the setup, one a line.
const NEW_ROWS: &str = "
    SELECT coalesce(group_concat(line, char(10)), '') FROM (
        SELECT port || ' ' || action || ' ' || projectName
            || coalesce(' (' || description || ')', '') || ': '
            || replace(json_extract(details, '$.reason'), ' by another writer', '')
            || coalesce(' of ' || json_extract(details, '$.previousProject'), '') AS line
        FROM port_history WHERE id > :mark ORDER BY id
    )";

/// What must hold after whatever was written: the last row of each port tells its present state, every
/// timestamp has the stored form, and a row is no older than the one before it.
const COMPLAINTS: &str = "
    SELECT coalesce(group_concat(complaint, '; '), '') FROM (
        SELECT 'history of ' || number || ' does not tell ' || status AS complaint
        FROM ports p
        WHERE CASE status WHEN 'free' THEN 'released' ELSE status || projectName END IS NOT coalesce((
            SELECT CASE action WHEN 'released' THEN action ELSE action || projectName END
            FROM port_history WHERE port = number ORDER BY id DESC LIMIT 1
        ), 'released')
        UNION ALL
        SELECT 'claim on ' || port || ' has no end' FROM port_history h
        WHERE action <> 'released' AND port NOT IN (SELECT number FROM ports)
            AND id = (SELECT max(id) FROM port_history WHERE port = h.port)
        UNION ALL
        SELECT 'bad time on ' || number FROM ports
        WHERE strftime('%Y-%m-%dT%H:%M:%SZ', reservedAt) IS NOT reservedAt
            OR strftime('%Y-%m-%dT%H:%M:%SZ', lastSeenAt) IS NOT lastSeenAt
            OR strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt) IS NOT updatedAt
        UNION ALL
        SELECT 'bad time in history ' || id FROM port_history
        WHERE strftime('%Y-%m-%dT%H:%M:%SZ', performedAt) IS NOT performedAt
    )";

/// A name, statements, and the new rows.
type Case = (&'static str, &'static str, &'static [&'static str]);

fn check(cases: &[Case], foreign_key_fails: bool) {
    let runs: Vec<Run> = cases
        .iter()
        .map(|(name, act, _)| Run {
            name: (*name).to_owned(),
            setup: SETUP.to_owned(),
            act: (*act).to_owned(),
            ask: vec![NEW_ROWS, COMPLAINTS],
        })
        .collect();
    each(&runs, |run, settings, outcome, context| {
        let (_, _, rows) = cases.iter().find(|(name, _, _)| *name == run.name).unwrap();
        let (error, rows) = if foreign_key_fails && settings.foreign_keys {
            (Some("FOREIGN KEY constraint failed"), String::new())
        } else {
            (None, rows.join("\n"))
        };
        assert_eq!(outcome.error.as_deref(), error, "{context}");
        assert_eq!(outcome.answers, [rows, String::new()], "{context}");
    });
}

#[test]
fn inserts() {
    check(
        &[
            (
                "reserved",
                "INSERT INTO ports (number, projectName, status) VALUES (3002, 'n', 'reserved')",
                &["3002 reserved n: inserted"],
            ),
            (
                "in use",
                "INSERT INTO ports (number, projectName, description, status) VALUES (3002, 'n', 'd', 'in-use')",
                &["3002 in-use n (d): inserted"],
            ),
            (
                "free",
                "INSERT INTO ports (number, projectName, status) VALUES (3002, 'n', 'free')",
                &[],
            ),
            (
                "by position",
                "INSERT INTO ports VALUES (3002, 'n', NULL, 'reserved', NULL, NULL, datetime('now'), NULL, datetime('now'), 0, '[\"t\"]', '{}')",
                &["3002 reserved n: inserted"],
            ),
            (
                "several rows",
                "INSERT INTO ports (number, projectName, status) VALUES (3002, 'n', 'reserved'), (3003, 'n', 'free'), (3004, 'm', 'in-use')",
                &["3002 reserved n: inserted", "3004 in-use m: inserted"],
            ),
            (
                "or ignore, new",
                "INSERT OR IGNORE INTO ports (number, projectName, status) VALUES (3002, 'n', 'reserved')",
                &["3002 reserved n: inserted"],
            ),
            (
                "or ignore, there",
                "INSERT OR IGNORE INTO ports (number, projectName, status) VALUES (3000, 'b', 'in-use')",
                &[],
            ),
            (
                "rolled back",
                "BEGIN; INSERT INTO ports (number, projectName, status) VALUES (3002, 'n', 'reserved'); ROLLBACK",
                &[],
            ),
        ],
        false,
    );
}

#[test]
fn replacements() {
    check(
        &[
            (
                "new",
                "INSERT OR REPLACE INTO ports (number, projectName, status) VALUES (3002, 'n', 'reserved')",
                &["3002 reserved n: inserted"],
            ),
            (
                "the same",
                "REPLACE INTO ports (number, projectName, description, status) VALUES (3000, 'a', 'web', 'reserved')",
                &[],
            ),
            (
                "changed",
                "REPLACE INTO ports (number, projectName, description, status) VALUES (3000, 'a', 'api', 'reserved')",
                &["3000 reserved a (api): replaced"],
            ),
            (
                "another project's",
                "REPLACE INTO ports (number, projectName, status) VALUES (3000, 'b', 'in-use')",
                &["3000 in-use b: handed over of a"],
            ),
            (
                "freed",
                "REPLACE INTO ports (number, projectName, status) VALUES (3000, 'b', 'free')",
                &["3000 released a (web): replaced"],
            ),
            (
                "of a free port",
                "REPLACE INTO ports (number, projectName, status) VALUES (3001, 'n', 'reserved')",
                &["3001 reserved n: replaced"],
            ),
            (
                "of a free port that stays free",
                "REPLACE INTO ports (number, projectName, status) VALUES (3001, 'n', 'free')",
                &[],
            ),
            (
                "several rows, one of them twice",
                "REPLACE INTO ports (number, projectName, status) VALUES (3000, 'b', 'reserved'), (3001, 'n', 'in-use'), (3000, 'c', 'reserved')",
                &[
                    "3000 reserved b: handed over of a",
                    "3001 in-use n: replaced",
                    "3000 reserved c: handed over of b",
                ],
            ),
            (
                "from itself",
                "REPLACE INTO ports SELECT * FROM ports",
                &[],
            ),
            (
                "after an insert that was ignored",
                "INSERT OR IGNORE INTO ports (number, projectName, status) VALUES (3000, 'x', 'in-use');
                 UPDATE ports SET projectName = 'b' WHERE number = 3000;
                 INSERT OR IGNORE INTO ports (number, projectName, status) VALUES (3000, 'x', 'in-use');
                 UPDATE ports SET status = 'free' WHERE number = 3000;
                 REPLACE INTO ports (number, projectName, status) VALUES (3000, 'b', 'reserved')",
                &[
                    "3000 reserved b (web): handed over of a",
                    "3000 released b (web): updated",
                    "3000 reserved b: replaced",
                ],
            ),
            (
                "rolled back",
                "BEGIN; REPLACE INTO ports (number, projectName, status) VALUES (3000, 'b', 'free'); ROLLBACK",
                &[],
            ),
        ],
        false,
    );
}

#[test]
fn upserts() {
    check(
        &[
            (
                "new",
                "INSERT INTO ports (number, projectName, status) VALUES (3002, 'n', 'reserved')
                 ON CONFLICT (number) DO UPDATE SET status = excluded.status",
                &["3002 reserved n: inserted"],
            ),
            (
                "changed",
                "INSERT INTO ports (number, projectName, status) VALUES (3000, 'n', 'in-use')
                 ON CONFLICT (number) DO UPDATE SET status = excluded.status",
                &["3000 in-use a (web): updated"],
            ),
            (
                "the same",
                "INSERT INTO ports (number, projectName, status) VALUES (3000, 'n', 'reserved')
                 ON CONFLICT (number) DO UPDATE SET status = excluded.status",
                &[],
            ),
            (
                "handed over, then replaced",
                "INSERT INTO ports (number, projectName, status) VALUES (3000, 'n', 'reserved')
                 ON CONFLICT (number) DO UPDATE SET projectName = excluded.projectName;
                 REPLACE INTO ports (number, projectName, description, status) VALUES (3000, 'n', 'web', 'reserved')",
                &["3000 reserved n (web): handed over of a"],
            ),
            (
                "do nothing, then deleted and inserted anew",
                "PRAGMA foreign_keys = OFF;
                 INSERT INTO ports (number, projectName, status) VALUES (3000, 'n', 'reserved')
                 ON CONFLICT DO NOTHING;
                 DELETE FROM ports WHERE number = 3000;
                 INSERT INTO ports (number, projectName, description, status) VALUES (3000, 'a', 'web', 'reserved')",
                &[
                    "3000 released a (web): deleted",
                    "3000 reserved a (web): inserted",
                ],
            ),
        ],
        false,
    );
}

#[test]
fn updates() {
    check(
        &[
            (
                "status",
                "UPDATE ports SET status = 'in-use' WHERE number = 3000",
                &["3000 in-use a (web): updated"],
            ),
            (
                "projectName",
                "UPDATE ports SET projectName = 'b' WHERE number = 3000",
                &["3000 reserved b (web): handed over of a"],
            ),
            (
                "description",
                "UPDATE ports SET description = NULL WHERE number = 3000",
                &["3000 reserved a: updated"],
            ),
            (
                "pid",
                "UPDATE ports SET pid = 4711 WHERE number = 3000",
                &["3000 reserved a (web): updated"],
            ),
            (
                "processName",
                "UPDATE ports SET processName = 'node' WHERE number = 3000",
                &["3000 reserved a (web): updated"],
            ),
            (
                "autoRelease",
                "UPDATE ports SET autoRelease = 1 WHERE number = 3000",
                &["3000 reserved a (web): updated"],
            ),
            (
                "tags",
                "UPDATE ports SET tags = '[\"t\"]' WHERE number = 3000",
                &["3000 reserved a (web): updated"],
            ),
            (
                "metadata",
                "UPDATE ports SET metadata = '{}' WHERE number = 3000",
                &["3000 reserved a (web): updated"],
            ),
            (
                "several columns",
                "UPDATE ports SET status = 'in-use', pid = 4711, processName = 'node', lastSeenAt = datetime('now') WHERE number = 3000",
                &["3000 in-use a (web): updated"],
            ),
            (
                "timestamps alone",
                "UPDATE ports SET reservedAt = datetime('now'); UPDATE ports SET lastSeenAt = datetime('now'); UPDATE ports SET updatedAt = datetime('now')",
                &[],
            ),
            (
                "nothing",
                "UPDATE ports SET status = status, projectName = projectName",
                &[],
            ),
            (
                "released",
                "UPDATE ports SET status = 'free' WHERE number = 3000",
                &["3000 released a (web): updated"],
            ),
            (
                "released and renamed at once",
                "UPDATE ports SET status = 'free', projectName = 'b', description = NULL WHERE number = 3000",
                &["3000 released a (web): updated"],
            ),
            (
                "a free port",
                "UPDATE ports SET projectName = 'b', description = 'd' WHERE number = 3001",
                &[],
            ),
            (
                "a free port, claimed",
                "UPDATE ports SET projectName = 'b', status = 'reserved' WHERE number = 3001",
                &["3001 reserved b: updated"],
            ),
            (
                "all rows",
                "UPDATE ports SET status = 'in-use'",
                &["3000 in-use a (web): updated", "3001 in-use old: updated"],
            ),
            (
                "or replace",
                "UPDATE OR REPLACE ports SET status = 'in-use' WHERE number = 3000",
                &["3000 in-use a (web): updated"],
            ),
            (
                "or ignore",
                "UPDATE OR IGNORE ports SET status = 'in-use' WHERE number = 3000",
                &["3000 in-use a (web): updated"],
            ),
            (
                "rolled back to a savepoint",
                "BEGIN; SAVEPOINT s; UPDATE ports SET status = 'free'; ROLLBACK TO s; UPDATE ports SET pid = 1 WHERE number = 3000; COMMIT",
                &["3000 reserved a (web): updated"],
            ),
            (
                "vacuum",
                "UPDATE ports SET status = 'in-use' WHERE number = 3000; VACUUM; ANALYZE",
                &["3000 in-use a (web): updated"],
            ),
        ],
        false,
    );
}

/// The documented foreign key forbids the deletion of a row with a history, where it is enforced.
#[test]
fn deletions() {
    check(
        &[
            (
                "claimed",
                "DELETE FROM ports WHERE number = 3000",
                &["3000 released a (web): deleted"],
            ),
            (
                "all",
                "DELETE FROM ports",
                &["3000 released a (web): deleted"],
            ),
        ],
        true,
    );
    check(
        &[("free", "DELETE FROM ports WHERE number = 3001", &[])],
        false,
    );
}

/// The copy that BEFORE INSERT makes is dropped by every INSERT and UPDATE that uses it.
#[test]
fn no_copy_of_a_row_is_left_behind() {
    let runs = [
        "INSERT INTO ports (number, projectName, status) VALUES (3002, 'n', 'reserved')",
        "REPLACE INTO ports (number, projectName, status) VALUES (3000, 'b', 'reserved')",
        "INSERT INTO ports (number, projectName, status) VALUES (3000, 'b', 'reserved')
         ON CONFLICT (number) DO UPDATE SET status = excluded.status",
    ]
    .map(|act| Run {
        name: act.to_owned(),
        setup: SETUP.to_owned(),
        act: act.to_owned(),
        ask: vec!["SELECT count(*) || '' FROM replaced_ports"],
    });
    each(&runs, |_, _, outcome, context| {
        assert_eq!(outcome.error, None, "{context}");
        assert_eq!(outcome.answers, ["0"], "{context}");
    });
}
