use std::time::Duration;

use super::{Durability, Location, Store};

fn count(store: &Store) -> i64 {
    store
        .read_one(|connection| {
            Ok(connection.query_row("SELECT count(*) FROM ports", (), |row| row.get(0))?)
        })
        .unwrap()
}

#[test]
fn a_second_store_sees_what_the_first_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/database.db");
    let open = || Store::open(Location::File(path.clone()), Duration::from_secs(5)).unwrap();
    let first = open();
    for durability in [Durability::Normal, Durability::Full] {
        first
            .write(durability, |transaction| {
                transaction.execute(
                    "INSERT INTO ports (projectName, status) VALUES ('a', 'reserved')",
                    (),
                )?;
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(count(&open()), 2);
}
