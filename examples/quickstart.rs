//! Replaced by the quickstart.
fn main() {}
