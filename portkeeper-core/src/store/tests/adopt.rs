//! Databases that another program made from the documentation.

use portkeeper_migrations::ALL;

use super::{ask, folder, foreign, insert, open, schema};

/// Opens a database made by `sql`, and answers `query`.
fn adopted(sql: &str, query: &str) -> String {
    let (_folder, path) = folder();
    foreign(&path).execute_batch(sql).unwrap();
    let store = open(&path).unwrap();
    ask(&store, query)
}

#[test]
fn fresh_equals_adopted_and_upgraded() {
    let (_folder, fresh) = folder();
    drop(open(&fresh).unwrap());
    let documented = include_str!("../../../../tests/fixtures/store_documented.sql");
    let before_indexes = documented.find("-- Indexes").unwrap();
    for made in [
        documented.to_owned(),
        // Nothing but the one table, in another hand.
        documented[..before_indexes].to_owned(),
        // A mere index, trigger and view less.
        format!(
            "{documented}; DROP INDEX idx_ports_tags; DROP TRIGGER track_port_changes; \
             DROP VIEW v_port_summary; DROP TABLE migrations; PRAGMA journal_mode = WAL; ANALYZE;"
        ),
    ] {
        let (_folder, path) = folder();
        foreign(&path).execute_batch(&made).unwrap();
        insert(&open(&path).unwrap(), 9000).unwrap();
        assert_eq!(schema(&path), schema(&fresh));
        drop(open(&path).unwrap());
    }
}

#[test]
fn a_database_that_was_left_after_the_first_step_goes_on() {
    let (_folder, fresh) = folder();
    drop(open(&fresh).unwrap());
    let (_folder, path) = folder();
    let connection = foreign(&path);
    connection.execute_batch(ALL[0].sql).unwrap();
    super::super::migrate::record(&connection, &ALL[0]).unwrap();
    drop(connection);
    let store = open(&path).unwrap();
    assert_eq!(ask::<i64>(&store, "SELECT count(*) FROM migrations"), 2);
    assert_eq!(schema(&path), schema(&fresh));
}

/// A table that differs in its form alone is the documented one.
#[test]
fn another_form_of_the_same_statements_is_adopted() {
    let (_folder, path) = folder();
    let lower = ALL[0]
        .sql
        .replace("CREATE TABLE ports (", "create table `ports` (")
        .replace(
            "    description TEXT,",
            "  \"description\" text, -- what for",
        );
    foreign(&path).execute_batch(&lower).unwrap();
    drop(open(&path).unwrap());
    drop(open(&path).unwrap());
}

/// The rows of the documented example, as its own triggers left them.
#[test]
fn the_documented_example_keeps_its_rows() {
    let made = include_str!("../../../../tests/fixtures/store_documented.sql");
    let rows = "SELECT group_concat(line, '; ') FROM (
            SELECT number || ' ' || status || ' ' || coalesce(tags, '-') AS line FROM ports
            UNION ALL SELECT port || ' ' || processName FROM active_scans
            UNION ALL SELECT name || ' ' || data FROM configurations
            UNION ALL SELECT * FROM (
                SELECT port || ' ' || action || ' ' || coalesce(details, '-') FROM port_history
                ORDER BY port, performedAt, id
            )
        )";
    assert_eq!(
        adopted(made, rows),
        r#"3000 in-use ["frontend","react","dev"]; 3001 reserved -; 8080 free -; 3000 node; team {}; "#
            .to_owned()
            + r#"3000 in-use -; 3001 reserved {"reason":"adopted"}; 8080 released -"#
    );
}

const PORTS: &str =
    "SELECT group_concat(number || ' ' || reservedAt || ' ' || coalesce(lastSeenAt, '-'), '; ')
    FROM (SELECT * FROM ports ORDER BY number)";

#[test]
fn rows_are_kept_and_their_timestamps_take_one_form() {
    let made = format!(
        "{}
        INSERT INTO ports (number, projectName, status, reservedAt, lastSeenAt, updatedAt, tags) VALUES
            (70000, 'a', 'free', '2024-01-20 10:30:00', NULL, '2024-01-20 10:30:00', 'broken'),
            (3000, 'a', 'free', '2024-01-20T12:30:00.25+02:00', 'never', '2024-01-20 10:30:00', NULL),
            (3001, 'a', 'free', 'long ago', '2024-01-21 10:30', '2024-01-22 10:30:00', NULL);
        INSERT INTO active_scans (port, scannedAt) VALUES (3000, '2024-01-20 10:30:00');
        INSERT INTO configurations (name, data, version, createdAt) VALUES ('c', '{{}}', '1', 'x');",
        ALL[0].sql
    );
    assert_eq!(
        adopted(&made, PORTS),
        "3000 2024-01-20T10:30:00Z -; 3001 2024-01-22T10:30:00Z 2024-01-21T10:30:00Z; \
         70000 2024-01-20T10:30:00Z -"
    );
    let rest = "SELECT scannedAt || createdAt FROM active_scans, configurations";
    assert_eq!(
        adopted(&made, rest),
        "2024-01-20T10:30:00Z1970-01-01T00:00:00Z"
    );
}

const HISTORY: &str =
    "SELECT group_concat(port || ' ' || action || ' ' || coalesce(projectName, '-') || ' '
        || performedAt || coalesce(' ' || json_extract(details, '$.reason'), ''), '; ')
    FROM (SELECT * FROM port_history ORDER BY port, performedAt, id)";

#[test]
fn history_tells_exactly_the_claims_that_are_open() {
    // 3000 was only ever inserted; 3001 has its entry; 3002 was released and inserted anew; 3003
    // changed hands; 3004 was freed and 3005 deleted without a word; 3006 was killed and stays.
    let made = format!(
        "{}
        DROP TRIGGER track_port_changes;
        INSERT INTO ports (number, projectName, status, reservedAt, updatedAt) VALUES
            (3000, 'a', 'reserved', '2024-01-20 10:30:00', '2024-01-25 10:30:00'),
            (3001, 'b', 'in-use', '2024-01-20 10:30:00', '2024-01-25 10:30:00'),
            (3002, 'c', 'reserved', '2024-01-20 10:30:00', '2024-01-25 10:30:00'),
            (3003, 'd', 'reserved', '2024-01-20 10:30:00', '2024-01-25 10:30:00'),
            (3004, 'e', 'free', '2024-01-20 10:30:00', '2024-01-25 10:30:00'),
            (3006, 'g', 'reserved', '2024-01-20 10:30:00', '2024-01-25 10:30:00'),
            (3007, 'h', 'free', '2024-01-20 10:30:00', '2024-01-25 10:30:00');
        INSERT INTO port_history (port, action, projectName, performedAt) VALUES
            (3001, 'in-use', 'b', '2024-01-20T10:30:00Z'),
            (3002, 'released', 'c', '2024-01-22 10:30:00'),
            (3003, 'reserved', 'old', 'once'),
            (3004, 'reserved', 'e', '2024-01-21 10:30:00'),
            (3005, 'reserved', 'f', '2024-01-21 10:30:00'),
            (3006, 'killed', 'g', '2024-01-21 10:30:00');",
        ALL[0].sql
    );
    assert_eq!(
        adopted(&made, HISTORY),
        "3000 reserved a 2024-01-20T10:30:00Z adopted; \
         3001 in-use b 2024-01-20T10:30:00Z; \
         3002 released c 2024-01-22T10:30:00Z; \
         3002 reserved c 2024-01-22T10:30:00Z adopted; \
         3003 reserved old 1970-01-01T00:00:00Z; \
         3003 reserved d 2024-01-20T10:30:00Z adopted; \
         3004 reserved e 2024-01-21T10:30:00Z; \
         3004 released e 2024-01-25T10:30:00Z adopted; \
         3005 reserved f 2024-01-21T10:30:00Z; \
         3005 released f 2024-01-21T10:30:00Z adopted; \
         3006 killed g 2024-01-21T10:30:00Z"
    );
}
