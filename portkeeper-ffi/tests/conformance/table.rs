//! The cases as C: arrays of structs, as `tests/c/conformance.h` declares them.

use std::{fmt::Write, path::Path};

use serde_json::{Map, Value};

use super::{Case, Step, support::CRATE};

/// The table.
#[derive(Default)]
pub struct Table {
    text: String,
    cases: String,
    count: usize,
}

impl Table {
    pub fn case(&mut self, case: &Case, folder: &Path, known: &[(String, Value)]) {
        let number = self.count;
        self.count += 1;
        let mut steps = String::new();
        for (index, step) in case.steps.iter().enumerate() {
            let prefix = format!("case{number}_{index}");
            let arguments = self.arguments(&prefix, &step.args, known);
            let checks = self.checks(&prefix, step, known);
            let guard = step.guard.as_deref().map_or("NULL".to_owned(), literal);
            let _ = writeln!(
                steps,
                "    {{ {}, {guard}, {}, {}, {arguments}, {prefix}_arguments, {checks}, {prefix}_checks }},",
                literal(&step.op),
                step.cancel,
                step.error.is_some(),
            );
        }
        let _ = writeln!(
            self.text,
            "static const struct step case{number}[] = {{\n{steps}}};\n"
        );
        let _ = writeln!(
            self.cases,
            "    {{ {}, {}, {}, case{number} }},",
            literal(&case.name),
            literal(folder.to_str().unwrap()),
            case.steps.len()
        );
    }

    fn arguments(
        &mut self,
        prefix: &str,
        arguments: &Map<String, Value>,
        known: &[(String, Value)],
    ) -> usize {
        let mut rows = Vec::new();
        for (name, value) in arguments {
            let value = filled(value, known);
            match (name.as_str(), &value) {
                // Left out, which is what NULL is.
                (_, Value::Null) => {}
                // What C takes as the text of a JSON document.
                ("document" | "metadata", value) => rows.push(argument(
                    name,
                    "0",
                    &literal(&value.to_string()),
                    0,
                    "NULL",
                    "NULL",
                )),
                ("before", Value::Object(place)) => {
                    for (inner, value) in place {
                        rows.push(scalar(&format!("before.{inner}"), value));
                    }
                }
                (_, Value::Array(items)) => {
                    let list = format!("{prefix}_{name}");
                    let is_text = items.iter().any(Value::is_string);
                    let values: Vec<String> = items
                        .iter()
                        .map(|item| item.as_str().map_or_else(|| item.to_string(), literal))
                        .chain(items.is_empty().then(|| "0".to_owned()))
                        .collect();
                    let kind = if is_text { "char *const" } else { "int64_t" };
                    let _ = writeln!(
                        self.text,
                        "static const {kind} {list}[] = {{ {} }};",
                        values.join(", ")
                    );
                    let (numbers, texts) = if is_text {
                        ("NULL", list.as_str())
                    } else {
                        (list.as_str(), "NULL")
                    };
                    rows.push(argument(name, "0", "NULL", items.len(), numbers, texts));
                }
                (_, value) => rows.push(scalar(name, value)),
            }
        }
        self.list("argument", &format!("{prefix}_arguments"), &rows, "{ 0 }")
    }

    fn checks(&mut self, prefix: &str, step: &Step, known: &[(String, Value)]) -> usize {
        let mut rows = Vec::new();
        match (&step.ok, &step.error) {
            (_, Some(facts)) => {
                for (name, value) in facts {
                    check(0, name, &filled(value, known), &mut rows);
                }
            }
            // What returns nothing has no rows either.
            (Some(Value::Null), None) => rows.push(row(0, "", "HAS_ROWS", "0", "NULL")),
            (Some(Value::String(any)), None) if any == "$any" => {
                rows.push(row(0, "", "HAS_ROWS", "-1", "NULL"));
            }
            (Some(Value::Array(list)), None) => {
                rows.push(row(0, "", "HAS_ROWS", &list.len().to_string(), "NULL"));
                for (index, item) in list.iter().enumerate() {
                    members(index, "", &filled(item, known), &mut rows);
                }
            }
            (Some(answer @ (Value::Bool(_) | Value::Number(_))), None) => {
                check(0, "", answer, &mut rows);
            }
            (Some(record), None) => members(0, "", &filled(record, known), &mut rows),
            (None, None) => {}
        }
        self.list("check", &format!("{prefix}_checks"), &rows, "{ 0 }")
    }

    fn list(&mut self, kind: &str, name: &str, rows: &[String], none: &str) -> usize {
        // C has no empty arrays.
        let body = if rows.is_empty() {
            none.to_owned()
        } else {
            rows.join(",\n    ")
        };
        let _ = writeln!(
            self.text,
            "static const struct {kind} {name}[] = {{\n    {body}\n}};"
        );
        rows.len()
    }

    pub fn finished(self) -> String {
        let script = Path::new(CRATE).join("../tests/conformance/stranger.py");
        format!(
            "#include \"conformance.h\"\n\n#pragma GCC diagnostic ignored \"-Wmissing-field-initializers\"\n\
             #pragma GCC diagnostic ignored \"-Woverlength-strings\"\n\n{}\
             const struct test_case table[] = {{\n{}}};\nconst size_t table_length = {};\n\
             const char *const stranger_script = {};\n",
            self.text,
            self.cases,
            self.count,
            literal(script.to_str().unwrap())
        )
    }
}

fn argument(
    name: &str,
    number: &str,
    text: &str,
    count: usize,
    numbers: &str,
    texts: &str,
) -> String {
    format!(
        "{{ {}, {number}, {text}, {count}, {numbers}, {texts} }}",
        literal(name)
    )
}

fn scalar(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => argument(name, "0", &literal(text), 0, "NULL", "NULL"),
        Value::Bool(truth) => argument(
            name,
            &u8::from(*truth).to_string(),
            "NULL",
            0,
            "NULL",
            "NULL",
        ),
        other => argument(name, &other.to_string(), "NULL", 0, "NULL", "NULL"),
    }
}

fn row(row: usize, field: &str, expectation: &str, number: &str, text: &str) -> String {
    format!(
        "{{ {row}, {}, {expectation}, {number}, {text} }}",
        literal(field)
    )
}

/// Expectations of all members of a record, or elements of a list.
fn members(index: usize, path: &str, pattern: &Value, rows: &mut Vec<String>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match pattern {
        Value::Object(record) => {
            for (name, pattern) in record {
                check(index, &below(name), pattern, rows);
            }
        }
        Value::Array(list) => {
            for (place, pattern) in list.iter().enumerate() {
                check(index, &below(&place.to_string()), pattern, rows);
            }
        }
        // A row that is there is something.
        Value::String(any) if any == "$any" => {}
        other => panic!("{other} is no record"),
    }
}

fn check(index: usize, path: &str, pattern: &Value, rows: &mut Vec<String>) {
    match pattern {
        Value::Null => rows.push(row(index, path, "IS_NULL", "0", "NULL")),
        Value::String(text) => match text.as_str() {
            "$any" => rows.push(row(index, path, "IS_SOMETHING", "0", "NULL")),
            "$pid" | "$stranger" => rows.push(row(index, path, "IS_NUMBER", "0", &literal(text))),
            text => rows.push(row(index, path, "IS_TEXT", "0", &literal(text))),
        },
        Value::Bool(truth) => rows.push(row(
            index,
            path,
            "IS_NUMBER",
            &u8::from(*truth).to_string(),
            "NULL",
        )),
        Value::Number(number) if number.is_i64() => {
            rows.push(row(index, path, "IS_NUMBER", &number.to_string(), "NULL"));
        }
        Value::Number(number) => rows.push(row(
            index,
            path,
            "IS_TEXT",
            "0",
            &literal(&number.to_string()),
        )),
        Value::Array(list) => {
            rows.push(row(
                index,
                path,
                "HAS_LENGTH",
                &list.len().to_string(),
                "NULL",
            ));
            members(index, path, pattern, rows);
        }
        Value::Object(_) => {
            rows.push(row(index, path, "IS_SOMETHING", "0", "NULL"));
            members(index, path, pattern, rows);
        }
    }
}

/// `value` with the placeholders that are known before the program runs.
fn filled(value: &Value, known: &[(String, Value)]) -> Value {
    match value {
        Value::String(text) => match known.iter().find(|(name, _)| name == text) {
            Some((_, whole)) => whole.clone(),
            None => known
                .iter()
                .fold(text.clone(), |text, (name, value)| {
                    text.replace(name.as_str(), value.as_str().unwrap_or(&value.to_string()))
                })
                .into(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), filled(value, known)))
            .collect(),
        other => other.clone(),
    }
}

/// A text as C writes it: octal, since a hexadecimal escape would go on into what follows.
fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                literal.push('\\');
                literal.push(byte.into());
            }
            // A question mark may begin a trigraph.
            b' '..=b'~' if byte != b'?' => literal.push(byte.into()),
            other => {
                let _ = write!(literal, "\\{other:03o}");
            }
        }
    }
    literal + "\""
}
