//! Foreign text, numbers and times as a person reads them in a terminal.

use std::{
    borrow::Cow,
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use chrono::{DateTime, Local, Utc};
use portkeeper_core::{Process, Status};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Marks that change the direction of what follows, so that one text looks like another.
pub fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text in one line that no terminal obeys: what controls it is escaped, as `\u{1b}`.
pub fn clean(text: &str) -> Cow<'_, str> {
    let breaks_lines = |c: char| matches!(c, '\u{2028}' | '\u{2029}');
    let is_unsafe = |c: char| c.is_control() || turns_direction(c) || breaks_lines(c);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\t' | '\r' => safe.extend(c.escape_default()),
            c if is_unsafe(c) => {
                // Writing to a string does not fail.
                let _ = write!(safe, "{}", c.escape_unicode());
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// How many columns of a terminal the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of the text that takes at most `most` columns, marked where it was cut.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if width(text) <= most {
        return Cow::Borrowed(text);
    }
    let Some(room) = most.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    // A cluster such as a family of emoji is one character to a person and must not be torn.
    let (mut end, mut taken) = (0, 0);
    for (at, cluster) in text.grapheme_indices(true) {
        taken += width(cluster);
        if taken > room {
            break;
        }
        end = at + cluster.len();
    }
    Cow::Owned(format!("{}…", &text[..end]))
}

/// `free`, `reserved` or `in use`.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::InUse => "in use",
        other => other.as_str(),
    }
}

/// A time of the reader's clock: `14:02` today, else `2026-11-02 08:15`.
pub fn when(time: DateTime<Utc>) -> String {
    let (time, now) = (time.with_timezone(&Local), Local::now());
    if time.date_naive() == now.date_naive() {
        time.format("%H:%M").to_string()
    } else {
        time.format("%Y-%m-%d %H:%M").to_string()
    }
}

/// To the second, with the date.
pub fn exactly(time: DateTime<Utc>) -> String {
    let time = time.with_timezone(&Local);
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `node 41213`; only the pid of a process without a name.
pub fn process(process: &Process) -> String {
    if process.name.is_empty() {
        return process.pid.to_string();
    }
    format!("{} {}", clean(&process.name), process.pid)
}

/// `127.0.0.1`, and `*` for every address of one family.
pub fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => "0.0.0.0".to_owned(),
        IpAddr::V6(v6) if v6.is_unspecified() => "[::]".to_owned(),
        IpAddr::V6(v6) => format!("[{v6}]"),
        IpAddr::V4(v4) => v4.to_string(),
    }
}

/// `1.2.3.4:80`, or nothing.
pub fn remote(remote: Option<SocketAddr>) -> String {
    remote.map_or_else(String::new, |remote| remote.to_string())
}

/// `12 ports`, `1 port`.
pub fn count(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Bytes in the unit that keeps the number short.
pub fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

#[cfg(test)]
mod tests {
    use super::{bytes, clean, cut, width};

    #[test]
    fn no_text_controls_the_terminal() {
        for (text, safe) in [
            ("shop 🛒", "shop 🛒"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\x1b[31mred", "\\u{1b}[31mred"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{7f}", "\\u{7f}"),
        ] {
            assert_eq!(clean(text), safe, "{text:?}");
        }
    }

    #[test]
    fn a_cut_text_fits_and_tears_no_cluster() {
        for (text, most, expected) in [
            ("shop", 4, "shop"),
            ("shopping", 4, "sho…"),
            ("日本語", 4, "日…"),
            ("日本語", 6, "日本語"),
            ("👨‍👩‍👧 family", 3, "👨‍👩‍👧…"),
            ("👨‍👩‍👧 family", 2, "…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("x", 0, ""),
        ] {
            let found = cut(text, most);
            assert_eq!(found, expected, "{text:?} in {most}");
            assert!(width(&found) <= most);
        }
    }

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (1024 * 1024 * 3, "3.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }
}
