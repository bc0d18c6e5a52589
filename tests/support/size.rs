//! How much a test tries.

/// `quick` in everybody's `cargo test`, who waits for it; `full` in `tests/run`.
pub fn size<T>(quick: T, full: T) -> T {
    if std::env::var_os("PORTKEEPER_TESTS").is_some() {
        full
    } else {
        quick
    }
}
