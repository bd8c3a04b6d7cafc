//! Text to tree.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{Origin, Place, Source};
use super::problem::{ConfigError, Problems};
use super::tree::{Entry, Node, Table, Value};

/// Longest text of which all syntax errors are looked for; of a longer one only the first is told, because
/// the recovery keeps an error for every byte of garbage.
const LONGEST_RECOVERY: usize = 256 * 1024;

/// Reads the text of a source; what is wrong with it goes to `problems`.
pub(super) fn parse(source: &Arc<Source>, problems: &mut Problems) -> Option<Table> {
    match DeTable::parse(source.text()) {
        Ok(table) => {
            let mut tree = Tree { source, problems };
            Some(tree.table(table.into_inner()))
        }
        Err(first) => {
            let mut errors = vec![first];
            if source.text().len() <= LONGEST_RECOVERY {
                errors = DeTable::parse_recoverable(source.text()).1;
            }
            let mut found: Vec<ConfigError> =
                errors.iter().map(|error| syntax_problem(source, error)).collect();
            // One broken line often breaks several rules; its first error is the one to mend.
            let line = |problem: &ConfigError| problem.place().and_then(Place::line_column);
            found.sort_by_key(line);
            found.dedup_by_key(|problem| line(problem).map(|(line, _)| line));
            found.into_iter().for_each(|problem| problems.push(problem));
            None
        }
    }
}

fn syntax_problem(source: &Arc<Source>, error: &toml::de::Error) -> ConfigError {
    let place = source.place(error.span().unwrap_or(0..0));
    let message = error.message().to_owned();
    match source.origin() {
        Origin::Override(_) => ConfigError::BadOverride { place, message },
        _ if message == "duplicate key" => {
            let key = place
                .text()
                .unwrap_or_default()
                .trim_matches(['"', '\''])
                .to_owned();
            ConfigError::DuplicateKey { place, key }
        }
        _ => ConfigError::Syntax { place, message },
    }
}

/// The conversion of one source.
struct Tree<'a> {
    source: &'a Arc<Source>,
    problems: &'a mut Problems,
}

impl Tree<'_> {
    fn table(&mut self, table: DeTable<'_>) -> Table {
        let mut entries = toml::map::Map::with_capacity(table.len());
        for (key, value) in table {
            let place = self.source.place(key.span());
            let node = self.node(value, Some(&place));
            entries.insert(key.into_inner().into_owned(), Entry { key: place, node });
        }
        Table {
            entries,
            replaces: false,
        }
    }

    /// `key` is the place of a table, whose own characters may be spread over the file.
    fn node(&mut self, value: Spanned<DeValue<'_>>, key: Option<&Place>) -> Node {
        let mut place = self.source.place(value.span());
        let value = match value.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => {
                    self.out_of_range(&place, Value::Integer(0), "the integer does not fit into 64 bits")
                }
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => self.out_of_range(&place, Value::Float(0.0), "this is no decimal number"),
            },
            DeValue::Boolean(truth) => Value::Boolean(truth),
            DeValue::Datetime(time) => Value::Datetime(time),
            DeValue::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.node(item, None)).collect())
            }
            DeValue::Table(table) => {
                if let Some(key) = key {
                    place = key.clone();
                }
                Value::Table(self.table(table))
            }
        };
        Node::new(value, place)
    }

    fn out_of_range(&mut self, place: &Place, instead: Value, message: &str) -> Value {
        self.problems.push(ConfigError::Syntax {
            place: place.clone(),
            message: message.to_owned(),
        });
        instead
    }
}
