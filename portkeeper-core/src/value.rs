//! Bounds of what callers may give, checked once at the border of the engine.

use std::{collections::HashSet, ops::RangeInclusive, time::Duration};

use chrono::TimeDelta;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Longest project, role or actor name, in characters.
const NAME_LENGTH: usize = 200;
/// Longest description, in characters.
const DESCRIPTION_LENGTH: usize = 4_000;
/// Most tags of one port.
const TAG_COUNT: usize = 100;
/// Longest tag, in characters.
const TAG_LENGTH: usize = 100;
/// Longest metadata, in bytes of JSON.
const METADATA_BYTES: usize = 64 * 1024;

/// The one of `all` that is called `text`.
pub(crate) fn word<T: Copy>(
    what: &'static str,
    text: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T> {
    let found = all.iter().find(|one| name(**one) == text);
    found.copied().ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        let reason = format!("is none of {}", words.join(", "));
        Error::invalid(what, text, reason)
    })
}

/// `number` as a port.
pub(crate) fn port(number: i64) -> Result<u16> {
    u16::try_from(number)
        .ok()
        .filter(|port| *port != 0)
        .ok_or(Error::PortInvalid(number))
}

/// Two ends of a range, in order.
pub(crate) fn range(range: &RangeInclusive<i64>) -> Result<RangeInclusive<u16>> {
    let (start, end) = (port(*range.start())?, port(*range.end())?);
    if start > end {
        return Err(Error::invalid(
            "range",
            format!("{start}..={end}"),
            "ends before it starts",
        ));
    }
    Ok(start..=end)
}

pub(crate) fn project(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::ProjectRequired);
    }
    line("project", name, NAME_LENGTH)
}

pub(crate) fn role(name: &str) -> Result<()> {
    not_blank("role", name)?;
    line("role", name, NAME_LENGTH)
}

/// Roles, each once.
pub(crate) fn roles(roles: &[String]) -> Result<()> {
    let most = usize::from(u16::MAX);
    if roles.len() > most {
        let given = format!("({} of them)", roles.len());
        return Err(Error::invalid(
            "roles",
            given,
            format!("are more than {most}"),
        ));
    }
    let mut seen = HashSet::with_capacity(roles.len());
    for name in roles {
        role(name)?;
        if !seen.insert(name) {
            return Err(Error::invalid("role", name, "is asked for twice"));
        }
    }
    Ok(())
}

/// A time to live, in whole seconds; what is left of a second counts as one.
pub(crate) fn ttl(time: Duration) -> Result<TimeDelta> {
    let refused = |reason| Error::invalid("ttl", format!("{time:?}"), reason);
    if time.is_zero() {
        return Err(refused("is zero"));
    }
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let seconds = i64::try_from(seconds).ok();
    // A hundred years are enough, and far from where a date overflows.
    seconds
        .filter(|seconds| *seconds <= 100 * 366 * 86_400)
        .map(TimeDelta::seconds)
        .ok_or_else(|| refused("is longer than a hundred years"))
}

pub(crate) fn actor(name: &str) -> Result<()> {
    not_blank("actor", name)?;
    line("actor", name, NAME_LENGTH)
}

/// What a configuration is called.
pub(crate) fn name(name: &str) -> Result<()> {
    not_blank("name", name)?;
    line("name", name, NAME_LENGTH)
}

/// A description may hold line breaks, also those of Windows, and tabs, and no other control character.
pub(crate) fn description(text: &str) -> Result<()> {
    no_longer_than("description", text, DESCRIPTION_LENGTH)?;
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if text.chars().all(allowed) {
        Ok(())
    } else {
        Err(Error::invalid(
            "description",
            text,
            "contains a control character",
        ))
    }
}

/// Tags in the caller's order, each once.
pub(crate) fn tags(tags: &[String]) -> Result<Vec<&str>> {
    if tags.len() > TAG_COUNT {
        return Err(Error::invalid(
            "tags",
            format!("({} of them)", tags.len()),
            format!("are more than {TAG_COUNT}"),
        ));
    }
    let mut unique: Vec<&str> = Vec::with_capacity(tags.len());
    for tag in tags {
        self::tag(tag)?;
        if !unique.contains(&tag.as_str()) {
            unique.push(tag);
        }
    }
    Ok(unique)
}

pub(crate) fn tag(tag: &str) -> Result<()> {
    not_blank("tag", tag)?;
    line("tag", tag, TAG_LENGTH)
}

/// Metadata is a JSON object.
pub(crate) fn metadata(text: &str) -> Result<Map<String, Value>> {
    if text.len() > METADATA_BYTES {
        return Err(Error::invalid(
            "metadata",
            text,
            format!("is longer than {METADATA_BYTES} bytes"),
        ));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::invalid("metadata", text, "is not a JSON object")),
        Err(error) => Err(Error::invalid(
            "metadata",
            text,
            format!("is not valid JSON: {error}"),
        )),
    }
}

fn line(what: &'static str, text: &str, most: usize) -> Result<()> {
    no_longer_than(what, text, most)?;
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(what, text, "contains a control character"));
    }
    Ok(())
}

fn no_longer_than(what: &'static str, text: &str, most: usize) -> Result<()> {
    // A character takes at least one byte, so the long count is needed for long texts only.
    if text.len() > most && text.chars().count() > most {
        return Err(Error::invalid(
            what,
            text,
            format!("is longer than {most} characters"),
        ));
    }
    Ok(())
}

fn not_blank(what: &'static str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(what, text, "is blank"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::{description, metadata, port, project, range, tags};

    #[test]
    fn a_refusal_names_the_value() {
        let message = |result: crate::Result<()>| result.unwrap_err().to_string();
        assert_eq!(message(port(0).map(drop)), "port 0 is not in 1..=65535");
        assert_eq!(message(port(-1).map(drop)), "port -1 is not in 1..=65535");
        assert_eq!(
            message(port(65_536).map(drop)),
            "port 65536 is not in 1..=65535"
        );
        assert_eq!(
            message(range(&RangeInclusive::new(4000, 3000)).map(drop)),
            r#"range "4000..=3000" ends before it starts"#
        );
        assert_eq!(message(project(" \t")), "a project name is required");
        assert_eq!(
            message(project("a\nb")),
            r#"project "a\nb" contains a control character"#
        );
        assert_eq!(
            message(project(&"x".repeat(100_000))),
            format!(
                "project \"{}…\" is longer than 200 characters",
                "x".repeat(60)
            )
        );
        assert_eq!(
            message(description("\u{7}")),
            r#"description "\u{7}" contains a control character"#
        );
        assert_eq!(
            message(tags(&vec!["t".to_owned(); 10_000]).map(drop)),
            r#"tags "(10000 of them)" are more than 100"#
        );
        assert_eq!(
            message(metadata("[1]").map(drop)),
            r#"metadata "[1]" is not a JSON object"#
        );
        assert!(message(metadata("{broken").map(drop)).starts_with(
            r#"metadata "{broken" is not valid JSON: key must be a string at line 1 column 2"#
        ));
    }

    #[test]
    fn bounds_themselves_are_allowed() {
        assert_eq!(port(1).unwrap(), 1);
        assert_eq!(port(65_535).unwrap(), 65_535);
        project(&"é".repeat(200)).unwrap();
        description("two\nlines").unwrap();
        assert_eq!(
            tags(&["b".into(), "a".into(), "b".into()]).unwrap(),
            ["b", "a"]
        );
        assert!(metadata("{}").unwrap().is_empty());
    }
}
