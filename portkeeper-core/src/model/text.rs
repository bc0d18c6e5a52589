//! How a value is shown to a person.

/// A value as a message shows it: quoted, escaped, and cut where it is long.
pub(crate) fn shown(value: &str) -> String {
    const SHOWN: usize = 60;
    let mut beginning: String = value.chars().take(SHOWN).collect();
    if beginning.len() < value.len() {
        beginning.push('…');
    }
    format!("{beginning:?}")
}
