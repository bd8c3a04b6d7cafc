//! Text to tree.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue, Error};
use toml::{Spanned, Value};

use super::key_path::{KeyPath, Step};
use super::place::{Origin, Source};
use super::problem::{Problem, Problems};
use super::{Document, Given};

/// Longest text of which all syntax errors are looked for; of a longer one only the first is told, because
/// the recovery keeps an error for every byte of garbage.
const LONGEST_RECOVERY: usize = 256 * 1024;

/// The values of a source, each with its place.
///
/// # Errors
/// What is no TOML.
pub(super) fn parse(source: &Arc<Source>) -> Result<Document, Problems> {
    let table = DeTable::parse(source.text()).map_err(|first| syntax_problems(source, first))?;
    let mut notes = Notes {
        source,
        given: BTreeMap::new(),
    };
    let table = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
    // The configuration as a whole is shown as the beginning of its first source.
    notes.add(KeyPath::root(), 0..0, &table);
    let values = Value::deserialize(table.into_deserializer()).map_err(|error| {
        let what = "cannot read this as TOML: the integer does not fit into 64 bits";
        Problem::new(what).at(source.place(error.span().unwrap_or(0..0)))
    })?;
    Ok(Document {
        values,
        given: notes.given,
        warnings: Vec::new(),
    })
}

fn syntax_problems(source: &Arc<Source>, first: Error) -> Problems {
    let mut errors = vec![first];
    if source.text().len() <= LONGEST_RECOVERY {
        errors = DeTable::parse_recoverable(source.text()).1;
    }
    // One broken line often breaks several rules; its first error is the one to mend.
    errors.sort_by_key(start);
    let mut problems = Problems::default();
    let mut next_line = 0;
    for error in &errors {
        if start(error) < next_line {
            continue;
        }
        let rest = source.text().get(start(error)..).unwrap_or_default();
        next_line = rest.find('\n').map_or(usize::MAX, |end| start(error) + end + 1);
        problems.push(syntax_problem(source, error));
    }
    problems
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn syntax_problem(source: &Arc<Source>, error: &Error) -> Problem {
    let place = source.place(error.span().unwrap_or(0..0));
    let message = error.message();
    if let Origin::Override(_) = source.origin {
        let what = format!("cannot read this override as TOML: {message}");
        return Problem::new(what).at(place).help(
            "an override looks like `plugins.rapl.poll_interval='1ms'`: text in quotes, inside the quotes of the shell",
        );
    }
    if message == "duplicate key" {
        let key = place.text().trim_matches(['"', '\'']);
        let what = format!("the key `{key}` is given twice");
        return Problem::new(what).at(place).help("keep one of the two");
    }
    // Files that were written for a substitution before parsing have `"\${X}"`, which TOML refuses.
    let is_escaped = place
        .excerpt()
        .is_some_and(|excerpt| excerpt.text.contains("\\${"));
    let problem = Problem::new(format!("cannot read this as TOML: {message}")).at(place);
    match is_escaped {
        true => problem.help("for a literal `${` write `$${`"),
        false => problem,
    }
}

/// The places of one source.
struct Notes<'a> {
    source: &'a Arc<Source>,
    given: BTreeMap<KeyPath, Given>,
}

impl Notes<'_> {
    /// Notes a value, whose key has the bytes `key`, and all that stands below it.
    fn add(&mut self, path: KeyPath, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    self.add(path.clone().key(key.get_ref()), key.span(), value);
                }
            }
            DeValue::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.add(path.clone().then(Step::Index(at)), item.span(), item);
                }
            }
            _ => {}
        }
        let own = if value.get_ref().is_table() {
            key.clone()
        } else {
            value.span()
        };
        let given = Given::at(&self.source.place(key), &self.source.place(own));
        self.given.insert(path, given);
    }
}
