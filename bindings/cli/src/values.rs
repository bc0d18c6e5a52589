//! What users write for ranges, times and durations.

use std::{ops::RangeInclusive, time::Duration};

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};

/// `8000-9000`, `8000..9000`, or one port.
pub fn range(text: &str) -> Result<RangeInclusive<i64>, String> {
    let parts = text
        .split_once("..=")
        .or_else(|| text.split_once(".."))
        .or_else(|| text.split_once(['-', ':']))
        .unwrap_or((text, text));
    match (parts.0.trim().parse(), parts.1.trim().parse()) {
        (Ok(first), Ok(last)) => Ok(first..=last),
        _ => Err("is not a range such as 3000-9000".to_owned()),
    }
}

/// A number with a unit.
fn spanned(text: &str, units: &[(&str, i64)]) -> Option<TimeDelta> {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: i64 = number.parse().ok()?;
    let (_, millis) = units.iter().find(|(name, _)| *name == unit.trim())?;
    TimeDelta::try_milliseconds(number.checked_mul(*millis)?)
}

const SECOND: i64 = 1_000;
const DAY: i64 = 24 * 3_600 * SECOND;

/// `30d`, `12h`, `2w`; a plain number counts days.
pub fn age(text: &str) -> Result<TimeDelta, String> {
    let units = [
        ("", DAY),
        ("s", SECOND),
        ("m", 60 * SECOND),
        ("h", 3_600 * SECOND),
        ("d", DAY),
        ("w", 7 * DAY),
        ("y", 365 * DAY),
    ];
    spanned(text, &units).ok_or_else(|| "is not an age such as 30d, 12h or 2w".to_owned())
}

/// `10`, `10s`, `500ms`, `2m`; a plain number counts seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [
        ("", SECOND),
        ("ms", 1),
        ("s", SECOND),
        ("m", 60 * SECOND),
        ("h", 3_600 * SECOND),
        ("d", DAY),
    ];
    let span = spanned(text, &units).and_then(|span| span.to_std().ok());
    span.ok_or_else(|| "is not a time such as 10s, 500ms or 2m".to_owned())
}

/// A moment: RFC 3339, `2026-11-23 14:02`, `14:02` today, or an age such as `2h`.
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    let forms = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    let times = ["%H:%M:%S", "%H:%M"];
    let midnight = NaiveTime::MIN;
    let local = forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(day.and_time(midnight))
        })
        .or_else(|| {
            let today = Local::now().date_naive();
            let time = |form: &&str| NaiveTime::parse_from_str(text, form).ok();
            Some(today.and_time(times.iter().find_map(time)?))
        });
    if let Some(local) = local {
        let time = Local.from_local_datetime(&local).earliest();
        return time
            .map(|time| time.with_timezone(&Utc))
            .ok_or_else(|| "does not exist on this clock".to_owned());
    }
    let before = age(text)
        .ok()
        .filter(|_| text.ends_with(char::is_alphabetic));
    before
        .and_then(|age| Utc::now().checked_sub_signed(age))
        .ok_or_else(|| "is not a time such as 2026-11-23T14:02:00Z, 14:02 or 2h (ago)".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use super::{age, duration, moment, range};

    #[test]
    fn ranges_are_read_as_people_write_them() {
        for (text, expected) in [
            ("3000-9000", Some(3000..=9000)),
            ("3000..9000", Some(3000..=9000)),
            ("3000..=9000", Some(3000..=9000)),
            ("3000:9000", Some(3000..=9000)),
            ("3000", Some(3000..=3000)),
            ("70000-80000", Some(70_000..=80_000)),
            ("a-b", None),
            ("", None),
        ] {
            assert_eq!(range(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn spans_have_units() {
        assert_eq!(age("30"), Ok(TimeDelta::days(30)));
        assert_eq!(age("12h"), Ok(TimeDelta::hours(12)));
        assert_eq!(age("2w"), Ok(TimeDelta::weeks(2)));
        assert!(age("-1d").is_err() && age("x").is_err() && age("99999999999999999999d").is_err());
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("").is_err());
    }

    #[test]
    fn moments_have_several_forms() {
        let time = moment("2026-11-23T14:02:00Z").unwrap();
        assert_eq!(time.timestamp(), 1_795_442_520);
        assert!(moment("2026-11-23 14:02").is_ok() && moment("2026-11-23").is_ok());
        assert!(moment("14:02").is_ok() && moment("2h").is_ok());
        assert!(moment("2").is_err() && moment("soon").is_err());
    }
}
