//! Timestamps are stored as `YYYY-MM-DDTHH:MM:SSZ`, so that text order is time order.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, SubsecRound, Utc};

/// The last second that the stored form can name.
const LAST: i64 = 253_402_300_799;

/// The stored form; a time after the year 9999 is its last second.
pub(crate) fn format(time: DateTime<Utc>) -> String {
    let time = DateTime::from_timestamp(time.timestamp().min(LAST), 0).unwrap_or(time);
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Reads the stored form, and `YYYY-MM-DD HH:MM:SS` as SQLite's `datetime()` writes it, also with the
/// `T` that other programs put between date and time without naming a zone.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.with_timezone(&Utc)),
        Err(_) => ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(|time| time.and_utc()),
    }
}

/// The present, in the whole seconds that are stored.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(0)
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn both_documented_forms_are_read_and_one_is_written() {
        for text in [
            "2024-01-20T10:30:00Z",
            "2024-01-20 10:30:00",
            "2024-01-20T10:30:00",
            "2024-01-20T12:30:00+02:00",
        ] {
            let time = parse(text).unwrap_or_else(|| panic!("{text} is not read"));
            assert_eq!(format(time), "2024-01-20T10:30:00Z");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(
            format(chrono::DateTime::<chrono::Utc>::MAX_UTC),
            "9999-12-31T23:59:59Z"
        );
    }
}
