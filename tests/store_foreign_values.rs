//! What other programs may store, in which form it stays, and when a lease ends.

#[path = "support/store_foreign.rs"]
mod foreign;

use foreign::{Run, each};

const SETUP: &str = r#"
    INSERT INTO ports (number, projectName, description, status, tags, reservedAt, updatedAt) VALUES
        (3000, 'a', 'web', 'reserved', '["t"]', '2024-01-20T10:30:00Z', '2024-01-20T10:30:00Z'),
        (3001, 'old', NULL, 'free', NULL, '2024-01-20T10:30:00Z', '2024-01-20T10:30:00Z');
    INSERT INTO leases (port, leaseId, createdAt) VALUES (3000, 'l', '2024-01-20T10:30:00Z');
    INSERT INTO active_scans (port, pid, state, scannedAt) VALUES (3000, 1, 'old', '2024-01-20T10:30:00Z');
    INSERT INTO configurations (name, data, version) VALUES ('c', '{}', '1');
"#;

fn run(name: &str, act: &str, ask: &[&'static str]) -> Run {
    Run {
        name: name.to_owned(),
        setup: SETUP.to_owned(),
        act: act.to_owned(),
        ask: ask.to_vec(),
    }
}

const EVERYTHING: &str = "
    SELECT (SELECT count(*) FROM ports) || ' ' || (SELECT count(*) FROM port_history) || ' '
        || (SELECT group_concat(coalesce(tags, '') || coalesce(metadata, '')) FROM ports)";

/// Values that no program may store, by the column that the message begins with.
const REFUSED: [(&str, &[&str]); 10] = [
    (
        "number",
        &["0", "-1", "65536", "70000", "NULL", "9223372036854775807"],
    ),
    ("projectName", &["''", "'  '", "char(9, 10, 32)", "x'00'"]),
    ("description", &["x'00'"]),
    ("pid", &["'node'", "1.5", "x'00'"]),
    ("processName", &["x'00'"]),
    (
        "reservedAt",
        &["'yesterday'", "''", "'2024-13-01'", "1705746600"],
    ),
    ("updatedAt", &["'yesterday'", "''"]),
    ("autoRelease", &["2", "-1", "'yes'", "0.5"]),
    (
        "tags",
        &[
            "''", "'a,b'", "'{}'", "'\"a\"'", "'[1'", "'null'", "x'5b5d'", "5",
        ],
    ),
    (
        "metadata",
        &["''", "'[]'", "'{broken'", "'null'", "x'7b7d'", "5"],
    ),
];

#[test]
fn a_bad_value_is_refused_and_its_column_named() {
    let mut runs = Vec::new();
    for (column, values) in REFUSED {
        for value in values {
            for verb in ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"] {
                let insert = if column == "number" {
                    format!(
                        "{verb} INTO ports (number, projectName, status) VALUES ({value}, 'n', 'reserved')"
                    )
                } else if column == "projectName" {
                    format!(
                        "{verb} INTO ports (number, projectName, status) VALUES (3002, {value}, 'reserved')"
                    )
                } else {
                    format!(
                        "{verb} INTO ports (number, projectName, status, {column}) VALUES (3000, 'n', 'reserved', {value})"
                    )
                };
                runs.push(run(column, &insert, &[EVERYTHING]));
            }
            if column != "number" {
                let update = format!("UPDATE ports SET {column} = {value}");
                runs.push(run(column, &update, &[EVERYTHING]));
            }
        }
    }
    for (column, insert) in [
        (
            "lastSeenAt",
            "INSERT INTO ports (number, projectName, status, lastSeenAt) VALUES (3002, 'n', 'free', 'never')",
        ),
        ("lastSeenAt", "UPDATE ports SET lastSeenAt = 'never'"),
        (
            "number",
            "UPDATE ports SET number = 3002 WHERE number = 3000",
        ),
        (
            "number",
            "UPDATE OR REPLACE ports SET number = 3001 WHERE number = 3000",
        ),
        (
            "port",
            "INSERT INTO port_history (port, action) VALUES (0, 'reserved')",
        ),
        (
            "port",
            "INSERT INTO port_history (port, action) VALUES (70000, 'reserved')",
        ),
        (
            "port",
            "INSERT INTO port_history (port, action) VALUES ('http', 'reserved')",
        ),
        ("port", "UPDATE port_history SET port = -3000"),
        (
            "performedAt",
            "INSERT INTO port_history (port, action, performedAt) VALUES (3000, 'killed', 'now-ish')",
        ),
        ("performedAt", "UPDATE port_history SET performedAt = ''"),
        (
            "details",
            "INSERT INTO port_history (port, action, details) VALUES (3000, 'killed', 'by hand')",
        ),
        (
            "details",
            "INSERT INTO port_history (port, action, details) VALUES (3000, 'killed', '[]')",
        ),
        ("details", "UPDATE port_history SET details = '{'"),
    ] {
        runs.push(run(column, insert, &[EVERYTHING]));
    }
    each(&runs, |run, _, outcome, context| {
        let error = outcome.error.as_deref().unwrap_or("no error");
        let beginning = format!("{} ", run.name);
        assert!(
            error.starts_with(&beginning),
            "{error}: {}, {context}",
            run.act
        );
        assert_eq!(outcome.answers, [r#"2 1 ["t"],"#], "{}, {context}", run.act);
    });
}

#[test]
fn good_values_are_stored_as_they_are() {
    let row = "SELECT quote(projectName) || quote(description) || quote(pid) || quote(processName)
        || quote(autoRelease) || quote(tags) || quote(metadata) FROM ports WHERE number = 65535";
    let insert = |values: &str| {
        format!(
            "INSERT INTO ports (number, status, projectName, description, pid, processName, autoRelease, tags, metadata) VALUES (65535, 'in-use', {values})"
        )
    };
    let runs = [
        run(
            "'p'NULLNULLNULLNULLNULLNULL",
            &insert("'p', NULL, NULL, NULL, NULL, NULL, NULL"),
            &[row],
        ),
        run(
            r#"'p''q''d'7'node'1'[ "a", 1 ]''{ "k" : [ ] }'"#,
            &insert(r#"'p''q', 'd', 7, 'node', TRUE, '[ "a", 1 ]', '{ "k" : [ ] }'"#),
            &[row],
        ),
    ];
    each(&runs, |run, _, outcome, context| {
        assert_eq!(outcome.error, None, "{context}");
        assert_eq!(outcome.answers, [run.name.as_str()], "{context}");
    });
}

/// A row that was bad before it was adopted can still be released.
#[test]
fn an_update_is_not_refused_for_what_it_leaves_alone() {
    let bad = "
        DROP TRIGGER validate_updated_port; DROP TRIGGER validate_updated_history;
        UPDATE ports SET tags = 'a,b', metadata = 'x', projectName = ' ' WHERE number = 3000;
        UPDATE port_history SET details = 'by hand';";
    let schema = portkeeper_migrations::ALL[1].sql;
    let again: String = ["validate_updated_port", "validate_updated_history"]
        .iter()
        .map(|name| {
            let begin = schema.find(&format!("CREATE TRIGGER {name}\n")).unwrap();
            let length = schema[begin..].find("\nEND;").unwrap() + 5;
            &schema[begin..begin + length]
        })
        .collect();
    let setup = format!("{SETUP}{bad}{again}");
    let mut released = run(
        "release",
        "UPDATE ports SET status = 'free' WHERE number = 3000; UPDATE port_history SET performedBy = 'me'",
        &["SELECT status || tags FROM ports WHERE number = 3000"],
    );
    released.setup = setup;
    let mut cleared = run(
        "clear",
        "PRAGMA foreign_keys = OFF;
         UPDATE ports SET status = 'free' WHERE number = 70000;
         UPDATE ports SET status = 'in-use' WHERE number = 70000;
         DELETE FROM ports WHERE number = 70000",
        &["SELECT 'free' || 'a,b' FROM (SELECT count(*) AS rows FROM ports) WHERE rows = 2"],
    );
    cleared.setup = format!(
        "{SETUP} DROP TRIGGER validate_inserted_port;
         INSERT INTO ports (number, projectName, status) VALUES (70000, 'far', 'reserved');"
    );
    each(&[released, cleared], |_, _, outcome, context| {
        assert_eq!(outcome.error, None, "{context}");
        assert_eq!(outcome.answers, ["freea,b"], "{context}");
    });
}

const TIMES: &str = "
    SELECT reservedAt || ' ' || coalesce(lastSeenAt, '-') || ' '
        || CASE WHEN abs(strftime('%s', updatedAt) - strftime('%s', 'now')) < 60 THEN 'now' ELSE updatedAt END
        || CASE WHEN strftime('%Y-%m-%dT%H:%M:%SZ', updatedAt) = updatedAt THEN '' ELSE ' in another form' END
    FROM ports WHERE number = 3000";

#[test]
fn timestamps_take_one_form_and_an_update_moves_updated_at() {
    let at = "2024-01-20T10:30:00Z";
    let cases = [
        ("UPDATE ports SET description = 'd'", format!("{at} - now")),
        ("UPDATE ports SET description = description", format!("{at} - now")),
        (
            "UPDATE ports SET description = 'd', updatedAt = '2024-02-01 08:00:00.5'",
            format!("{at} - 2024-02-01T08:00:00Z"),
        ),
        (
            "UPDATE ports SET updatedAt = '2024-02-01T10:00:00+02:00'",
            format!("{at} - 2024-02-01T08:00:00Z"),
        ),
        (
            "UPDATE ports SET reservedAt = '2024-02-01 08:00:00'",
            "2024-02-01T08:00:00Z - now".to_owned(),
        ),
        (
            "UPDATE ports SET reservedAt = '2024-01-20 10:30:00'",
            format!("{at} - now"),
        ),
        (
            "UPDATE ports SET lastSeenAt = '2024-02-01 08:00', updatedAt = '2024-02-01 09:00'",
            format!("{at} 2024-02-01T08:00:00Z 2024-02-01T09:00:00Z"),
        ),
        (
            "REPLACE INTO ports (number, projectName, status, reservedAt, lastSeenAt, updatedAt)
             VALUES (3000, 'a', 'reserved', '2024-01-20 10:30:00', '2024-01-20', '2024-01-21T00:00:00Z')",
            format!("{at} 2024-01-20T00:00:00Z 2024-01-21T00:00:00Z"),
        ),
        (
            "INSERT INTO ports (number, projectName, status) VALUES (3000, 'a', 'reserved')
             ON CONFLICT (number) DO UPDATE SET lastSeenAt = '2024-02-01 08:00:00'",
            format!("{at} 2024-02-01T08:00:00Z now"),
        ),
    ];
    let runs: Vec<Run> = cases
        .iter()
        .map(|(act, _)| run(act, act, &[TIMES]))
        .collect();
    each(&runs, |run, _, outcome, context| {
        assert_eq!(outcome.error, None, "{context}");
        let (_, times) = cases.iter().find(|(act, _)| *act == run.name).unwrap();
        assert_eq!(outcome.answers, [times.as_str()], "{context}");
    });
}

#[test]
fn other_tables_take_the_same_form_and_keep_their_statements() {
    const HISTORY: &str = "SELECT group_concat(action || performedAt || coalesce(details, ''), ' ')
        FROM (SELECT * FROM port_history WHERE id > :mark OR id = 1 ORDER BY id)";
    const SCAN: &str = "SELECT group_concat(pid || state || scannedAt, ' ') FROM active_scans";
    const CONFIGURATION: &str =
        "SELECT group_concat(name || createdAt, ' ') FROM configurations WHERE name <> 'c'";
    const MIGRATION: &str = "SELECT group_concat(id || appliedAt, ' ') FROM migrations";
    let cases: [(&str, &'static str, &str); 10] = [
        (
            "REPLACE INTO port_history (id, port, action, performedAt) VALUES (1, 3000, 'killed', '2024-02-01 08:00:00')",
            HISTORY,
            "killed2024-02-01T08:00:00Z",
        ),
        (
            "UPDATE port_history SET performedAt = '2024-02-01 08:00:00', details = '{}'",
            HISTORY,
            "reserved2024-02-01T08:00:00Z{}",
        ),
        (
            "INSERT INTO active_scans (port, pid, state, scannedAt) VALUES (3000, 1, 'new', '2024-02-01 08:00:00')
             ON CONFLICT(port, pid) DO UPDATE SET state = excluded.state, scannedAt = excluded.scannedAt",
            SCAN,
            "1new2024-02-01T08:00:00Z",
        ),
        (
            "REPLACE INTO active_scans (port, pid, state, scannedAt) VALUES (3000, 1, 'new', '2024-02-01 08:00:00')",
            SCAN,
            "1new2024-02-01T08:00:00Z",
        ),
        (
            "UPDATE active_scans SET scannedAt = 'unknown'",
            SCAN,
            "1oldunknown",
        ),
        (
            "INSERT INTO configurations (name, data, version, createdAt) VALUES ('d', '{}', '1', '2024-02-01 08:00:00')",
            CONFIGURATION,
            "d2024-02-01T08:00:00Z",
        ),
        (
            "REPLACE INTO configurations (id, name, data, version, createdAt) VALUES (1, 'd', '{}', '1', 'unknown')",
            CONFIGURATION,
            "dunknown",
        ),
        (
            "UPDATE configurations SET name = 'd', createdAt = '2024-02-01 08:00:00'",
            CONFIGURATION,
            "d2024-02-01T08:00:00Z",
        ),
        (
            "INSERT INTO migrations (id, version, appliedAt) VALUES (7, 'x', '2024-02-01 08:00:00')",
            MIGRATION,
            "72024-02-01T08:00:00Z",
        ),
        (
            "INSERT INTO migrations (id, version) VALUES (7, 'x'); UPDATE migrations SET appliedAt = '2024-02-01 08:00:00'",
            MIGRATION,
            "72024-02-01T08:00:00Z",
        ),
    ];
    let runs: Vec<Run> = cases
        .iter()
        .map(|(act, ask, _)| run(act, act, &[ask]))
        .collect();
    each(&runs, |run, _, outcome, context| {
        assert_eq!(outcome.error, None, "{context}");
        let (_, _, answer) = cases.iter().find(|(act, _, _)| *act == run.name).unwrap();
        assert_eq!(outcome.answers, [*answer], "{context}");
    });
}

#[test]
fn a_lease_ends_with_its_claim_and_not_before() {
    let cases = [
        ("UPDATE ports SET status = 'in-use', pid = 4711", "l"),
        (
            "UPDATE ports SET projectName = 'a', status = 'reserved', description = 'd'",
            "l",
        ),
        ("UPDATE ports SET status = 'free'", ""),
        ("UPDATE ports SET projectName = 'b' WHERE number = 3000", ""),
        ("PRAGMA foreign_keys = OFF; DELETE FROM ports", ""),
        (
            "REPLACE INTO ports (number, projectName, status) VALUES (3000, 'b', 'reserved')",
            "",
        ),
        (
            "REPLACE INTO ports (number, projectName, status) VALUES (3000, 'a', 'free')",
            "",
        ),
        (
            "INSERT INTO ports (number, projectName, status) VALUES (3000, 'a', 'in-use')
             ON CONFLICT (number) DO UPDATE SET status = excluded.status",
            "l",
        ),
        (
            "INSERT OR IGNORE INTO ports (number, projectName, status) VALUES (3000, 'b', 'reserved')",
            "l",
        ),
        (
            "DELETE FROM port_history; DELETE FROM ports WHERE number = 3000 AND 0",
            "l",
        ),
    ];
    const LEASES: &str = "SELECT coalesce(group_concat(leaseId), '') FROM leases";
    let mut runs: Vec<Run> = cases
        .iter()
        .map(|(act, _)| run(act, act, &[LEASES]))
        .collect();
    let same = "REPLACE INTO ports (number, projectName, status) VALUES (3000, 'a', 'in-use')";
    runs.push(run(same, same, &[LEASES]));
    each(&runs, |run, settings, outcome, context| {
        assert_eq!(outcome.error, None, "{context}");
        let lease = match cases.iter().find(|(act, _)| *act == run.name) {
            Some((_, lease)) => *lease,
            // With recursive triggers the REPLACE is a deletion too, and a deletion ends the lease.
            None if settings.recursive_triggers => "",
            None => "l",
        };
        assert_eq!(outcome.answers, [lease], "{context}");
    });
}
