//! How much a test tries.

/// `quick` in everybody's `cargo test`, who waits for it; `full` in `tests/run`.
pub fn size<T>(quick: T, full: T) -> T {
    if std::env::var("PORTKEEPER_TESTS").is_ok_and(|asked| asked == "full" || asked == "long") {
        full
    } else {
        quick
    }
}
