//! The schema of Port Keeper's database, as numbered steps.
//!
//! A crate of its own, because `include_str!` of a file outside of a crate's folder builds but cannot
//! be packaged. A step that was released is never edited again: databases record its checksum, and
//! refuse to be opened by a program that has another text.

/// One step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number, from 1 without gaps; the `id` of its row in the table `migrations`.
    pub id: u32,
    /// Its name in the column `version`: the number as the file name has it.
    pub version: &'static str,
    /// What it does, in a few words.
    pub description: &'static str,
    /// The statements, to be executed in one transaction.
    pub sql: &'static str,
}

/// Every step, in order.
pub const ALL: &[Migration] = &[
    Migration {
        id: 1,
        version: "0001",
        description: "the schema as documented",
        sql: include_str!("../0001_documented_schema.sql"),
    },
    Migration {
        id: 2,
        version: "0002",
        description: "repairs around the documented tables; leases and sockets",
        sql: include_str!("../0002_repairs.sql"),
    },
];

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn numbers_have_no_gaps_and_versions_follow_them() {
        for (id, migration) in (1..).zip(ALL) {
            assert_eq!(migration.id, id);
            assert_eq!(migration.version, format!("{id:04}"));
        }
    }
}
