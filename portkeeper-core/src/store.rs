//! The database: one SQLite file, opened with care, read and written in short transactions.
