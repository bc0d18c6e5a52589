//! What the migrations make, taken from their text.
//!
//! Running them in memory would tell the same, and take most of the time of opening a database. SQLite
//! stores a statement as it was written, so that the text is what `sqlite_schema` must say.

use std::sync::OnceLock;

use portkeeper_migrations::ALL;

/// A table, index, trigger or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Object {
    /// Type and name, such as `index idx_ports_status`.
    pub(in super::super) key: String,
    pub(in super::super) sql: &'static str,
}

/// What the first `count` migrations make, in the order in which they make it.
pub(in super::super) fn after(count: usize) -> Vec<Object> {
    let mut objects = Vec::new();
    for migration in ALL.iter().take(count) {
        collect(migration.sql, &mut objects);
    }
    objects
}

/// What all of them make.
pub(super) fn latest() -> &'static [Object] {
    static LATEST: OnceLock<Vec<Object>> = OnceLock::new();
    if let Some(objects) = LATEST.get() {
        return objects;
    }
    // Computed outside of the lock, which a fork at that moment would leave locked for ever.
    let objects = after(ALL.len());
    LATEST.get_or_init(|| objects)
}

/// Reads the form that migrations are written in: CREATE and DROP begin a line, a trigger ends with a
/// line `END;`, and nothing else that is created contains a semicolon. A test compares with SQLite.
fn collect(script: &'static str, objects: &mut Vec<Object>) {
    let mut rest = script;
    while let Some(line) = rest.split('\n').next().filter(|_| !rest.is_empty()) {
        let mut length = line.len();
        if let Some(definition) = line.strip_prefix("CREATE ") {
            let end = if definition.starts_with("TRIGGER ") {
                rest.find("\nEND;").map(|at| at + "\nEND".len())
            } else {
                rest.find(';')
            };
            length = end.unwrap_or(rest.len());
            objects.push(Object {
                key: key(definition),
                sql: &rest[..length],
            });
        } else if let Some(name) = line.strip_prefix("DROP ") {
            let dropped = key(name);
            objects.retain(|object| object.key != dropped);
        }
        rest = &rest[length..];
        rest = rest.find('\n').map_or("", |at| &rest[at + 1..]);
    }
}

/// `TABLE ports (…` as `table ports`.
fn key(definition: &str) -> String {
    let mut words = definition.split([' ', '(', ';', '\n']);
    let kind = words.next().unwrap_or_default();
    let name = words.next().unwrap_or_default();
    super::key(&kind.to_ascii_lowercase(), name)
}

#[cfg(test)]
mod tests {
    use portkeeper_migrations::ALL;
    use rusqlite::Connection;

    use super::after;
    use crate::store::schema::read;

    #[test]
    fn the_text_says_what_sqlite_makes_of_it() {
        let connection = Connection::open_in_memory().unwrap();
        for (count, migration) in (1..).zip(ALL) {
            connection.execute_batch(migration.sql).unwrap();
            let mut made: Vec<_> = read(&connection).unwrap().into_iter().collect();
            let mut expected: Vec<_> = after(count)
                .into_iter()
                .map(|object| (object.key, object.sql.to_owned()))
                .collect();
            made.sort();
            expected.sort();
            assert_eq!(made, expected);
        }
    }
}
