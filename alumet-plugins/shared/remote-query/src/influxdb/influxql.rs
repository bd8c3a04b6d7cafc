//! The language of version 1 (<https://docs.influxdata.com/influxdb/v1/query_language/spec/>), and its answers.

use std::collections::BTreeMap;
use std::fmt::Write;

use alumet_core::attributes::AttributeValue;
use alumet_core::value::ValueType;
use alumet_shared_query::{QueryError, Range, Steps};
use serde::Deserialize;
use serde_json::Value as Json;

use super::found::Window;
use super::question::{Kinds, Question};
use super::stored::{KIND, VALUE};

/// Asks for the fields of a measurement, or of all.
pub(super) fn fields(retention_policy: Option<&str>, measurement: Option<&str>) -> String {
    match measurement {
        None => "SHOW FIELD KEYS".to_owned(),
        Some(measurement) => format!("SHOW FIELD KEYS FROM {}", from(retention_policy, measurement)),
    }
}

/// Asks for the first sample of each series, and for the last: two statements for each measurement.
pub(super) fn ends(question: &Question) -> String {
    let (value, place) = (quoted(VALUE), Place(question));
    let mut text = String::new();
    for measurement in &question.measurements {
        for end in ["first", "last"] {
            let place = place.of(measurement);
            // Text grows without end, here and below.
            let _ = writeln!(text, "SELECT {end}({value}) {place} GROUP BY *;");
        }
    }
    text
}

/// Asks for samples with all that stands beside them: a statement for each measurement.
pub(super) fn samples(question: &Question, newest: Option<usize>) -> String {
    let what = match question.fields.is_empty() {
        true => quoted(VALUE),
        false => "*::field".to_owned(),
    };
    let newest = newest.map_or(String::new(), |count| {
        format!(" ORDER BY time DESC LIMIT {count}")
    });
    let mut text = String::new();
    for measurement in &question.measurements {
        let place = Place(question).of(measurement);
        let _ = writeln!(text, "SELECT {what} {place} GROUP BY *{newest};");
    }
    text
}

/// Asks for what samples come to in each interval: a statement for each measurement.
pub(super) fn windows(question: &Question, steps: Steps) -> String {
    let value = quoted(VALUE);
    let aggregates = Window::AGGREGATES.map(|aggregate| format!("{aggregate}({value})"));
    let aggregates = aggregates.join(", ");
    // Without intervals, the whole range is one.
    let groups = match steps.count {
        1 => "*".to_owned(),
        _ => {
            let offset = steps.start.rem_euclid(steps.step);
            format!("time({}ns, {offset}ns), * fill(none)", steps.step)
        }
    };
    let mut text = String::new();
    for measurement in &question.measurements {
        let place = Place(question).of(measurement);
        let _ = writeln!(text, "SELECT {aggregates} {place} GROUP BY {groups};");
    }
    text
}

struct Place<'a>(&'a Question<'a>);

impl Place<'_> {
    /// `FROM` and `WHERE`.
    fn of(&self, measurement: &str) -> String {
        let question = self.0;
        let Range { from: start, until } = question.range;
        let place = from(question.retention_policy, measurement);
        let mut text = format!("FROM {place} WHERE time >= {start} AND time < {until}");
        for (key, value) in &question.tags {
            let _ = write!(text, " AND {} = {}", quoted(key), string(value));
        }
        let kind = quoted(KIND);
        text.push_str(&match question.kinds {
            Kinds::All => String::new(),
            Kinds::Summed => format!(" AND ({kind} = 'gauge' OR {kind} = 'delta')"),
            Kinds::Counters => format!(" AND {kind} = 'counter'"),
            Kinds::Unknown => format!(" AND {kind} = ''"),
        });
        text
    }
}

fn from(retention_policy: Option<&str>, measurement: &str) -> String {
    let policy = retention_policy.map_or(String::new(), |policy| format!("{}.", quoted(policy)));
    format!("{policy}{}", quoted(measurement))
}

/// An identifier.
fn quoted(name: &str) -> String {
    between('"', name)
}

/// A text.
fn string(text: &str) -> String {
    between('\'', text)
}

fn between(quote: char, text: &str) -> String {
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A line of an answer.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Outcome>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

/// Rows of a measurement that have the same tags.
#[derive(Debug, Deserialize)]
pub(super) struct Series {
    /// The measurement.
    pub(super) name: String,
    /// Empty where there is none.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    pub(super) columns: Vec<String>,
    pub(super) values: Vec<Vec<Json>>,
}

/// Reads complete lines of an answer.
pub(super) fn read(
    lines: &[u8],
    mut take: impl FnMut(Series) -> Result<(), QueryError>,
) -> Result<(), ReadError> {
    for answer in serde_json::Deserializer::from_slice(lines).into_iter::<Answer>() {
        let answer =
            answer.map_err(|error| ReadError::Said(format!("it says what it should not: {error}")))?;
        let errors = answer.results.iter().filter_map(|outcome| outcome.error.as_ref());
        if let Some(error) = errors.chain(&answer.error).next() {
            return Err(ReadError::Said(error.clone()));
        }
        let mut series = answer.results.into_iter().flat_map(|outcome| outcome.series);
        series.try_for_each(&mut take).map_err(ReadError::Query)?;
    }
    Ok(())
}

/// Why an answer is of no use.
#[derive(Debug)]
pub(super) enum ReadError {
    /// What the server says, or what is wrong with it.
    Said(String),
    /// There is too much of it.
    Query(QueryError),
}

impl Series {
    /// The tags that it has.
    pub(super) fn tags(&self) -> super::stored::Tags {
        let tags = self.tags.iter().filter(|(_, text)| !text.is_empty());
        tags.map(|(key, text)| (key.clone(), text.clone())).collect()
    }

    /// The rows, as pairs of a column and a cell, with the time of each.
    pub(super) fn rows(&self) -> impl Iterator<Item = (i64, impl Iterator<Item = (&str, &Json)>)> {
        self.values.iter().filter_map(|row| {
            let cells = self.columns.iter().map(String::as_str).zip(row);
            let at = row.first()?.as_i64()?;
            Some((at, cells.skip(1)))
        })
    }
}

/// The type of a field that has numbers.
pub(super) fn type_of(field_type: &str) -> Option<ValueType> {
    match field_type {
        "integer" => Some(ValueType::I64),
        "unsigned" => Some(ValueType::U64),
        "float" => Some(ValueType::F64),
        _ => None,
    }
}

/// A cell, of a field of this type if that is known: a float may look like an integer.
pub(super) fn cell(json: &Json, value_type: Option<ValueType>) -> Option<AttributeValue> {
    Some(match (json, value_type) {
        (Json::Bool(value), _) => AttributeValue::Bool(*value),
        (Json::String(text), _) => AttributeValue::Text(text.as_str().into()),
        (Json::Number(number), Some(ValueType::F64)) => AttributeValue::F64(number.as_f64()?),
        (Json::Number(number), Some(ValueType::U64)) => AttributeValue::U64(number.as_u64()?),
        (Json::Number(number), _) => match number.as_i64() {
            Some(value) => AttributeValue::I64(value),
            None => AttributeValue::F64(number.as_f64()?),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first token of a text, and what follows it, as the scanner of the server reads it: a quote ends it, `\n`, `\\`, `\'` and
    /// `\"` are escapes, and all else with a backslash and each line end is an error.
    fn scanned(text: &str) -> Option<(String, &str)> {
        let quote = text.chars().next()?;
        let (mut token, mut chars) = (String::new(), text.char_indices().skip(1));
        loop {
            match chars.next()? {
                (at, c) if c == quote => return Some((token, &text[at + 1..])),
                (_, '\n') => return None,
                (_, '\\') => match chars.next()?.1 {
                    'n' => token.push('\n'),
                    c @ ('\\' | '\'' | '"') => token.push(c),
                    _ => return None,
                },
                (_, c) => token.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_its_quotes(text in ".*|[\\\\'\"\n ;]*") {
            for token in [quoted(&text), string(&text)] {
                let (read, rest) = scanned(&token).unwrap();
                prop_assert_eq!((&*read, rest), (&*text, ""));
            }
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let _ = read(&bytes, |_| Ok(()));
        }
    }

    #[test]
    fn an_error_in_an_answer_is_told() {
        for line in [
            r#"{"error":"no"}"#,
            r#"{"results":[{"statement_id":0,"error":"no"}]}"#,
        ] {
            let error = read(line.as_bytes(), |_| Ok(())).unwrap_err();
            assert!(
                matches!(&error, ReadError::Said(said) if said == "no"),
                "{error:?}"
            );
        }
    }
}
