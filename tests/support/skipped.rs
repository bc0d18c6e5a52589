//! Saying that a test could not run here.

use std::io::Write;

/// Says so in a line that `tests/run` finds, and that CI does not let pass. What a passing test prints otherwise,
/// its harness keeps to itself.
pub fn skipped(what: impl std::fmt::Display) {
    let _ = std::io::stderr().write_all(format!("\nSKIPPED {what}\n").as_bytes());
}
