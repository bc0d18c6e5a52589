//! The arguments of an operation: named values, each read once, none ignored.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use napi::{
    JsValue, Result, ValueType,
    bindgen_prelude::{FromNapiValue, Function, JsObjectValue, Object, Unknown, Utf16String},
    sys,
};
use portkeeper_core::{Error, Result as CoreResult};

/// The largest whole number that JavaScript tells from its neighbours.
const LARGEST: f64 = 9_007_199_254_740_991.0;

/// A value as JavaScript gave it. What no operation takes is only known by a name for messages.
#[derive(Debug, Clone)]
pub enum Value {
    Undefined,
    Flag(bool),
    Number(f64),
    Text(String),
    /// A text with half of a surrogate pair, which is no Unicode; shown with a replacement.
    Broken(String),
    /// Milliseconds since 1970, NaN of an invalid date.
    Time(f64),
    List(Vec<Value>),
    Other(&'static str),
}

impl Value {
    fn read(value: Unknown<'_>, deeper: bool) -> Result<Self> {
        Ok(match value.get_type()? {
            ValueType::Undefined => Self::Undefined,
            ValueType::Null => Self::Other("null"),
            ValueType::Boolean => Self::Flag(unsafe { value.cast()? }),
            ValueType::Number => Self::Number(unsafe { value.cast()? }),
            ValueType::String => {
                let text: String = unsafe { value.cast()? };
                // Node has replaced it, so that two different texts would become one.
                if text.contains(char::REPLACEMENT_CHARACTER) {
                    let units: Utf16String = unsafe { value.cast()? };
                    if String::from_utf16(&units).is_err() {
                        return Ok(Self::Broken(text));
                    }
                }
                Self::Text(text)
            }
            ValueType::Object if value.is_date()? => {
                let date: Object = unsafe { value.cast()? };
                let time: Function<'_, (), f64> = date.get_named_property("valueOf")?;
                Self::Time(time.apply(date, ())?)
            }
            ValueType::Object if value.is_array()? && deeper => {
                let array: Object = unsafe { value.cast()? };
                let length = array.get_array_length()?;
                let items = (0..length).map(|index| Self::read(array.get_element(index)?, false));
                Self::List(items.collect::<Result<_>>()?)
            }
            ValueType::Object if value.is_array()? => Self::Other("an array"),
            ValueType::Object => Self::Other("an object"),
            ValueType::Function => Self::Other("a function"),
            ValueType::Symbol => Self::Other("a symbol"),
            ValueType::BigInt => Self::Other("a BigInt"),
            _ => Self::Other("something unknown"),
        })
    }

    fn shown(&self) -> String {
        match self {
            Self::Undefined => "undefined".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) | Self::Broken(text) => text.clone(),
            Self::Time(time) if time.is_nan() => "Invalid Date".to_owned(),
            Self::Time(_) => "a Date".to_owned(),
            Self::List(_) => "an array".to_owned(),
            Self::Other(kind) => (*kind).to_owned(),
        }
    }

    fn refused(&self, what: &'static str, reason: &str) -> Error {
        invalid(what, self.shown(), reason)
    }

    fn whole(&self, what: &'static str) -> CoreResult<i64> {
        let Self::Number(number) = self else {
            return Err(self.refused(what, "is not a number"));
        };
        if number.fract() != 0.0 || !number.is_finite() {
            return Err(self.refused(what, "is not a whole number"));
        }
        if number.abs() > LARGEST {
            return Err(self.refused(what, "is too large"));
        }
        // It is whole, and far within the bounds.
        #[allow(clippy::cast_possible_truncation)]
        Ok(*number as i64)
    }

    fn natural(&self, what: &'static str) -> CoreResult<u64> {
        let number = self.whole(what)?;
        u64::try_from(number).map_err(|_| self.refused(what, "is negative"))
    }

    fn time(&self, what: &'static str) -> CoreResult<DateTime<Utc>> {
        match self {
            Self::Time(time) if !time.is_nan() => {
                // A date is at most 8.64e15 milliseconds away from 1970.
                #[allow(clippy::cast_possible_truncation)]
                let found = DateTime::from_timestamp_millis(*time as i64);
                found.ok_or_else(|| invalid(what, time.to_string(), "is too far away"))
            }
            other => Err(other.refused(what, "is not a valid Date")),
        }
    }

    fn text(self, what: &'static str) -> CoreResult<String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Broken(_) => Err(self.refused(what, "is not well-formed Unicode")),
            other => Err(other.refused(what, "is not a string")),
        }
    }

    fn list(self, what: &'static str, of: &str) -> CoreResult<Vec<Self>> {
        match self {
            Self::List(list) => Ok(list),
            other => Err(other.refused(what, &format!("is not an array of {of}"))),
        }
    }
}

/// The arguments of one call by name. Every reader takes one away; [`finish`](Args::finish) refuses
/// what is left.
pub struct Args {
    given: BTreeMap<String, Value>,
    known: Vec<&'static str>,
    /// Those that are no options, but have a place of their own in JavaScript.
    placed: Vec<String>,
}

impl FromNapiValue for Args {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let object = unsafe { Object::from_napi_value(env, value)? };
        let mut given = BTreeMap::new();
        for key in Object::keys(&object)? {
            let value = Value::read(object.get_named_property_unchecked(&key)?, true)?;
            given.insert(key, value);
        }
        Ok(Self {
            given,
            known: Vec::new(),
            placed: Vec::new(),
        })
    }
}

impl Args {
    /// Says which are no options; a refusal does not offer them.
    pub fn placed(mut self, names: Vec<String>) -> Self {
        self.placed = names;
        self
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        let value = self.given.remove(name);
        value.filter(|value| !matches!(value, Value::Undefined))
    }

    /// A whole number that must be there; core says whether it is a port.
    pub fn number(&mut self, name: &'static str) -> CoreResult<i64> {
        self.take(name).unwrap_or(Value::Undefined).whole(name)
    }

    pub fn optional_number(&mut self, name: &'static str) -> CoreResult<Option<i64>> {
        self.take(name).map(|value| value.whole(name)).transpose()
    }

    /// A whole number that is not negative.
    pub fn natural(&mut self, name: &'static str) -> CoreResult<Option<u64>> {
        self.take(name).map(|value| value.natural(name)).transpose()
    }

    pub fn numbers(&mut self, name: &'static str) -> CoreResult<Option<Vec<i64>>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let list = value.list(name, "numbers")?;
        list.iter()
            .map(|item| item.whole(name))
            .collect::<CoreResult<_>>()
            .map(Some)
    }

    /// Two numbers, the first and the last.
    pub fn range(&mut self, name: &'static str) -> CoreResult<Option<(i64, i64)>> {
        match self.numbers(name)?.as_deref() {
            None => Ok(None),
            Some([first, last]) => Ok(Some((*first, *last))),
            Some(other) => {
                let given = format!("{other:?}");
                Err(invalid(name, given, "is not an array of two numbers"))
            }
        }
    }

    pub fn text(&mut self, name: &'static str) -> CoreResult<Option<String>> {
        self.take(name).map(|value| value.text(name)).transpose()
    }

    /// A text that must be there.
    pub fn required_text(&mut self, name: &'static str) -> CoreResult<String> {
        self.take(name).unwrap_or(Value::Undefined).text(name)
    }

    pub fn texts(&mut self, name: &'static str) -> CoreResult<Option<Vec<String>>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let list = value.list(name, "strings")?;
        list.into_iter()
            .map(|item| item.text(name))
            .collect::<CoreResult<_>>()
            .map(Some)
    }

    /// A word that core knows, such as `stable`.
    pub fn word<T: std::str::FromStr<Err = Error>>(
        &mut self,
        name: &'static str,
    ) -> CoreResult<Option<T>> {
        self.text(name)?.map(|word| word.parse()).transpose()
    }

    pub fn flag(&mut self, name: &'static str) -> CoreResult<bool> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Flag(flag)) => Ok(flag),
            Some(other) => Err(other.refused(name, "is not a boolean")),
        }
    }

    /// Milliseconds.
    pub fn duration(&mut self, name: &'static str) -> CoreResult<Option<Duration>> {
        Ok(self.natural(name)?.map(Duration::from_millis))
    }

    /// Milliseconds, as an age.
    pub fn age(&mut self, name: &'static str) -> CoreResult<Option<TimeDelta>> {
        let Some(age) = self.natural(name)? else {
            return Ok(None);
        };
        let delta = i64::try_from(age)
            .ok()
            .and_then(TimeDelta::try_milliseconds);
        delta
            .map(Some)
            .ok_or_else(|| invalid(name, age.to_string(), "is too large"))
    }

    pub fn time(&mut self, name: &'static str) -> CoreResult<Option<DateTime<Utc>>> {
        self.take(name).map(|value| value.time(name)).transpose()
    }

    /// An entry's place in the history: its time and its id.
    pub fn place(&mut self, name: &'static str) -> CoreResult<Option<(DateTime<Utc>, i64)>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.list(name, "a Date and an id")?.as_slice() {
            [time, id] => Ok(Some((time.time(name)?, id.whole(name)?))),
            _ => Err(invalid(
                name,
                "an array",
                "is not an array of a Date and an id",
            )),
        }
    }

    /// A process id.
    pub fn pid(&mut self, name: &'static str) -> CoreResult<Option<u32>> {
        let Some(number) = self.natural(name)? else {
            return Ok(None);
        };
        let pid = u32::try_from(number);
        pid.map(Some)
            .map_err(|_| invalid(name, number.to_string(), "is not a process id"))
    }

    /// Refuses an option that nobody asked for.
    pub fn finish(self, operation: &str) -> CoreResult<()> {
        let Some((name, _)) = self.given.into_iter().next() else {
            return Ok(());
        };
        let is_option = |name: &&str| !self.placed.iter().any(|placed| placed == name);
        let options: Vec<&str> = self.known.into_iter().filter(is_option).collect();
        let taken = if options.is_empty() {
            "none".to_owned()
        } else {
            options.join(", ")
        };
        let reason = format!("is not known: {operation} takes {taken}");
        Err(invalid("option", name, &reason))
    }
}

/// A refusal in core's own words.
pub fn invalid(what: &'static str, value: impl Into<String>, reason: &str) -> Error {
    Error::InvalidInput {
        what,
        value: value.into(),
        reason: reason.to_owned(),
    }
}
