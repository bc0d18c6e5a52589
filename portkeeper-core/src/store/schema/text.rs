//! Comparison of SQL statements by what they say.

/// Whether two statements differ in nothing but white space, comments, letter case and the quotes
/// around names.
pub(super) fn same(left: &str, right: &str) -> bool {
    left == right || words(left) == words(right)
}

/// The statement's words, each in its plain form.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (word, length) = match first {
            _ if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            _ if rest.starts_with("/*") => {
                (None, rest.find("*/").map_or(rest.len(), |end| end + 2))
            }
            _ if first.is_whitespace() => (None, first.len_utf8()),
            '\'' => {
                let length = quoted(rest, '\'');
                (Some(rest[..length].to_owned()), length)
            }
            '"' | '`' | '[' => {
                let length = quoted(rest, if first == '[' { ']' } else { first });
                let name = rest.get(1..length.saturating_sub(1).max(1));
                (Some(name.unwrap_or(rest).to_ascii_lowercase()), length)
            }
            _ if is_name(first) => {
                let length = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
                (Some(rest[..length].to_ascii_lowercase()), length)
            }
            _ => (Some(first.to_string()), first.len_utf8()),
        };
        words.extend(word);
        rest = &rest[length..];
    }
    words
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

/// The length of a quoted word with its quotes; a doubled quote stands for itself.
fn quoted(text: &str, end: char) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == end {
            if end != ']' && letters.peek().is_some_and(|(_, next)| *next == end) {
                letters.next();
            } else {
                return at + letter.len_utf8();
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn form_does_not_matter_and_content_does() {
        let documented = "CREATE TABLE t (\n    a TEXT DEFAULT 'It''s', -- why\n    b INTEGER\n)";
        for other in [
            "create table T(a text default 'It''s',b integer)",
            "CREATE TABLE \"t\" ([a] TEXT /* so */ DEFAULT 'It''s', `b` INTEGER)",
        ] {
            assert!(same(documented, other), "{other}");
        }
        for other in [
            "CREATE TABLE t (a TEXT DEFAULT 'it''s', b INTEGER)",
            "CREATE TABLE t (a TEXT DEFAULT 'It''s', b INTEGER, c)",
            "CREATE TABLE t (a TEXT DEFAULT 'It''s', b INTEGER) STRICT",
            "CREATE TABLE t (a TEXT DEFAULT 'It''s', 'b' INTEGER)",
            "CREATE TABLE t (a TEXT DEFAULT 'It''s', b INTEGER",
            "CREATE TABLE t (a TEXT DEFAULT 'It''s",
        ] {
            assert!(!same(documented, other), "{other}");
        }
    }
}
