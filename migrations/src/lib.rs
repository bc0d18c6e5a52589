//! Replaced by the quickstart.
