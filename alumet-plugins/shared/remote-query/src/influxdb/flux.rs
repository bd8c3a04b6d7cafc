//! The language of version 2 (<https://docs.influxdata.com/flux/v0/spec/>).

use std::fmt::Write;

use alumet_shared_query::{Range, Steps};

use super::found::Window;
use super::question::{Kinds, Question};
use super::stored::{KIND, VALUE};

/// What every series has that the plugin has written.
const OWN_TAG: &str = "resource_kind";

/// Asks for all measurements in a range.
pub(super) fn measurements(bucket: &str, range: Range) -> String {
    format!("{}{}", from(bucket, range), distinct("_measurement"))
}

/// Asks for the fields that series have which the plugin has written.
pub(super) fn fields(question: &Question) -> String {
    let place = place(question);
    // What does not have a tag, compares with nothing.
    let own = filter(&[format!("{} != \"\"", column(OWN_TAG))], "or");
    format!("{place}{own}{}", distinct("_field"))
}

/// Asks for the first sample of each series, and for the last.
pub(super) fn ends(question: &Question) -> String {
    let values = format!("data = {}{}", place(question), of_field());
    yields(&values, "data", &["first", "last"])
}

/// Asks for samples with all that stands beside them.
pub(super) fn samples(question: &Question, newest: Option<usize>) -> String {
    let mut text = place(question);
    if question.fields.is_empty() {
        text.push_str(&of_field());
    }
    match newest {
        None => {}
        Some(1) => text.push_str("  |> last()\n"),
        Some(count) => {
            let _ = writeln!(text, "  |> tail(n: {count})");
        }
    }
    text
}

/// Asks for what samples come to in each interval.
pub(super) fn windows(question: &Question, steps: Steps) -> String {
    let mut values = format!("data = {}{}", place(question), of_field());
    // Without intervals, the whole range is one.
    if steps.count != 1 {
        let offset = steps.start.rem_euclid(steps.step);
        // Text grows without end.
        let _ = writeln!(values, "  |> window(every: {}ns, offset: {offset}ns)", steps.step);
    }
    yields(&values, "data", &Window::AGGREGATES)
}

/// One result for each of these functions.
fn yields(values: &str, data: &str, functions: &[&str]) -> String {
    let mut text = values.to_owned();
    for function in functions {
        let _ = writeln!(text, "{data} |> {function}() |> yield(name: \"{function}\")");
    }
    text
}

fn from(bucket: &str, range: Range) -> String {
    let Range { from, until } = range;
    format!(
        "from(bucket: {})\n  |> range(start: time(v: {from}), stop: time(v: {until}))\n",
        string(bucket)
    )
}

fn place(question: &Question) -> String {
    let equal = |key: &str, text: &str| format!("{} == {}", column(key), string(text));
    let measurements: Vec<_> = question
        .measurements
        .iter()
        .map(|one| equal("_measurement", one))
        .collect();
    let tags: Vec<_> = question.tags.iter().map(|(key, text)| equal(key, text)).collect();
    let kinds = match question.kinds {
        Kinds::All => Vec::new(),
        Kinds::Summed => vec![equal(KIND, "gauge"), equal(KIND, "delta")],
        Kinds::Counters => vec![equal(KIND, "counter")],
        Kinds::Unknown => vec![format!("not exists {}", column(KIND))],
    };
    [
        from(question.place, question.range),
        filter(&measurements, "or"),
        filter(&tags, "and"),
        filter(&kinds, "or"),
    ]
    .concat()
}

fn of_field() -> String {
    filter(&[format!("{} == {}", column("_field"), string(VALUE))], "or")
}

fn filter(conditions: &[String], operator: &str) -> String {
    match conditions.is_empty() {
        true => String::new(),
        false => {
            let conditions = conditions.join(&format!(" {operator} "));
            format!("  |> filter(fn: (r) => {conditions})\n")
        }
    }
}

/// The values of a column, each once: the form that the server answers from its index.
fn distinct(name: &str) -> String {
    let name = string(name);
    format!("  |> keep(columns: [{name}])\n  |> group()\n  |> distinct(column: {name})\n")
}

fn column(key: &str) -> String {
    format!("r[{}]", string(key))
}

/// A text. `\x24` is a `$`, because `${` begins an expression.
fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c == '$' || c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// The first string of a text, and what follows it, as the specification says it is read; `None` if it holds an expression.
    fn scanned(text: &str) -> Option<(String, &str)> {
        let mut rest = text.strip_prefix('"')?;
        let mut bytes = Vec::new();
        loop {
            let c = rest.chars().next()?;
            let after = &rest[c.len_utf8()..];
            rest = match c {
                '"' => return Some((String::from_utf8(bytes).unwrap(), after)),
                '$' if after.starts_with('{') => return None,
                '\\' if after.starts_with(['"', '\\']) => {
                    bytes.push(after.as_bytes()[0]);
                    &after[1..]
                }
                '\\' => {
                    let code = after.strip_prefix('x')?.get(..2)?;
                    bytes.push(u8::from_str_radix(code, 16).ok()?);
                    &after[3..]
                }
                c => {
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    after
                }
            };
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_its_quotes_or_begins_an_expression(text in ".*|[\\\\\"\n${}]*") {
            let token = string(&text);
            let (read, rest) = scanned(&token).unwrap();
            prop_assert_eq!((&*read, rest), (&*text, ""));
        }
    }

    fn question(kinds: Kinds) -> Question<'static> {
        Question {
            place: "b",
            retention_policy: None,
            measurements: vec!["energy".to_owned(), "power".to_owned()],
            tags: vec![("domain".to_owned(), "package".to_owned())],
            kinds,
            range: Range { from: 5, until: 25 },
            fields: BTreeSet::new(),
            types: BTreeMap::new(),
        }
    }

    #[test]
    fn a_question_is_a_chain_that_the_storage_of_the_server_can_answer() {
        let steps = Steps {
            start: 5,
            step: 10,
            count: 2,
        };
        let place = r#"from(bucket: "b")
  |> range(start: time(v: 5), stop: time(v: 25))
  |> filter(fn: (r) => r["_measurement"] == "energy" or r["_measurement"] == "power")
  |> filter(fn: (r) => r["domain"] == "package")
"#;
        let value = "  |> filter(fn: (r) => r[\"_field\"] == \"value\")\n";
        let text = windows(&question(Kinds::Summed), steps);
        let kinds =
            "  |> filter(fn: (r) => r[\"metric_kind\"] == \"gauge\" or r[\"metric_kind\"] == \"delta\")\n";
        let start =
            format!("data = {place}{kinds}{value}  |> window(every: 10ns, offset: 5ns)\ndata |> count()");
        assert!(text.starts_with(&start), "{text}");
        assert!(
            text.ends_with("\ndata |> last() |> yield(name: \"last\")\n"),
            "{text}"
        );
        let whole = Steps { count: 1, ..steps };
        assert!(!windows(&question(Kinds::All), whole).contains("window"));
        assert_eq!(
            samples(&question(Kinds::All), Some(3)),
            format!("{place}{value}  |> tail(n: 3)\n")
        );
        assert!(samples(&question(Kinds::Unknown), None).contains("(r) => not exists r[\"metric_kind\"])"));
    }
}
