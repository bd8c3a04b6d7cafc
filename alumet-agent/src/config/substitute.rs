//! `${VARIABLE}` in string values.
//!
//! It works on parsed strings: not in keys, not in comments, and no variable can change the structure of a file.
//! `${NAME}` is the variable's value, `${NAME:-text}` is `text` when the variable is not set or empty, `$${` and `\${`
//! are a literal `${`. What a variable brings in is not looked at again.

use super::environment::{Environment, NotUnicode};
use super::key_path::KeyPath;
use super::place::{Origin, Place};
use super::problem::{ConfigError, Problems};
use super::secret;
use super::tree::{Node, Substituted, Table, Value};

/// A piece of a string.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable { name: &'a str, default: Option<&'a str> },
}

/// Replaces the variables in everything that files and overrides gave.
pub(super) fn substitute(table: &mut Table, environment: &dyn Environment, problems: &mut Problems) {
    Substitution {
        environment,
        problems,
    }
    .table(table, &KeyPath::root());
}

struct Substitution<'a> {
    environment: &'a dyn Environment,
    problems: &'a mut Problems,
}

impl Substitution<'_> {
    fn table(&mut self, table: &mut Table, path: &KeyPath) {
        let Table { entries, .. } = table;
        for (key, entry) in entries {
            // Most values have nothing to replace; their path is not worth an allocation.
            if entry.node.may_substitute() {
                self.node(&mut entry.node, path.clone().key(key));
            }
        }
    }

    fn node(&mut self, node: &mut Node, path: KeyPath) {
        match &mut node.value {
            Value::Table(table) => self.table(table, &path),
            Value::Array(items) => {
                for (index, item) in items
                    .iter_mut()
                    .enumerate()
                    .filter(|(_, item)| item.may_substitute())
                {
                    self.node(item, path.clone().index(index));
                }
            }
            Value::String(text) => {
                if let Some((replaced, substituted)) = self.string(text, &node.place, &path) {
                    *text = replaced;
                    node.substituted = substituted;
                }
            }
            _ => {}
        }
    }

    fn string(&mut self, text: &str, place: &Place, path: &KeyPath) -> Option<(String, Substituted)> {
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(message) => {
                self.bad(place, path, message);
                return None;
            }
        };
        let mut replaced = String::with_capacity(text.len());
        let mut substituted = Substituted {
            whole: matches!(pieces.as_slice(), [Piece::Variable { .. }]),
            secret: false,
        };
        for piece in pieces {
            match piece {
                Piece::Text(text) => replaced.push_str(text),
                Piece::Variable { name, default } => {
                    substituted.secret |= secret::is_secret(name);
                    replaced.push_str(&self.variable(name, default, place, path)?);
                }
            }
        }
        Some((replaced, substituted))
    }

    fn variable(
        &mut self,
        name: &str,
        default: Option<&str>,
        place: &Place,
        path: &KeyPath,
    ) -> Option<String> {
        match (self.environment.get(name), default) {
            (Ok(Some(value)), None) => Some(value),
            (Ok(Some(value)), Some(_)) if !value.is_empty() => Some(value),
            (Ok(_), Some(default)) => Some(default.to_owned()),
            (Ok(None), None) => {
                self.problems.push(ConfigError::MissingVariable {
                    place: place_of(name, place),
                    path: path.clone(),
                    variable: name.to_owned(),
                });
                None
            }
            (Err(NotUnicode), _) => {
                let message = format!("the environment variable `{name}` is not UTF-8 text");
                self.bad(&place_of(name, place), path, message);
                None
            }
        }
    }

    fn bad(&mut self, place: &Place, path: &KeyPath, message: String) {
        self.problems.push(ConfigError::BadVariable {
            place: place.clone(),
            path: path.clone(),
            message,
        });
    }
}

impl Node {
    fn may_substitute(&self) -> bool {
        match &self.value {
            Value::Table(_) | Value::Array(_) => true,
            Value::String(text) => {
                text.contains("${") && matches!(self.place.origin(), Origin::File(_) | Origin::Override(_))
            }
            _ => false,
        }
    }
}

/// The place of the variable itself inside the value, where the source shows it.
fn place_of(variable: &str, value: &Place) -> Place {
    let source = value.text().unwrap_or_default();
    let opening = format!("${{{variable}");
    let closed = |at: usize| {
        source[at + opening.len()..]
            .find('}')
            .map(|end| at + opening.len() + end + 1)
    };
    let found = source
        .match_indices(&opening)
        .filter(|(at, _)| matches!(source.as_bytes().get(at + opening.len()), Some(b'}' | b':')))
        .find_map(|(at, _)| Some(at..closed(at)?));
    match found {
        Some(range) => value.narrowed(value.start() + range.start..value.start() + range.end),
        None => value.clone(),
    }
}

/// Cuts a string at its variables.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        if let Some(unescaped) = before.strip_suffix(['$', '\\']) {
            pieces.push(Piece::Text(unescaped));
            pieces.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        let inside = &rest[at + 2..];
        let end = inside
            .find('}')
            .ok_or_else(|| "`${` has no closing `}`".to_owned())?;
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        if !is_name(name) {
            return Err(format!("`{name}` is no name of a variable"));
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Variable { name, default });
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn is_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(valid) && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Piece, pieces};

    fn variable(name: &'static str, default: Option<&'static str>) -> Piece<'static> {
        Piece::Variable { name, default }
    }

    #[test]
    fn variables_defaults_and_escapes_are_cut_out() {
        assert_eq!(pieces("${A}"), Ok(vec![variable("A", None)]));
        assert_eq!(
            pieces("x${A:-b c}${D}y"),
            Ok(vec![
                Piece::Text("x"),
                variable("A", Some("b c")),
                variable("D", None),
                Piece::Text("y")
            ])
        );
        for escaped in ["a$${B}", "a\\${B}"] {
            assert_eq!(
                pieces(escaped),
                Ok(vec![Piece::Text("a"), Piece::Text("${"), Piece::Text("B}")])
            );
        }
        assert_eq!(pieces("$5 $$ {}"), Ok(vec![Piece::Text("$5 $$ {}")]));
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        assert_eq!(pieces("${A"), Err("`${` has no closing `}`".to_owned()));
        for bad in ["${}", "${1A}", "${a b}", "${:-x}", "${A-x}"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_or_refused_without_a_panic(text in r"[${}:\-\\A-Ca1é ]{0,40}|\PC*") {
            if let Ok(pieces) = pieces(&text) {
                prop_assert!(pieces.len() <= text.len());
            }
        }

        #[test]
        fn text_without_a_dollar_stays_as_it_is(text in "[^$]*") {
            let whole: Vec<Piece<'_>> = if text.is_empty() { vec![] } else { vec![Piece::Text(&text)] };
            prop_assert_eq!(pieces(&text), Ok(whole));
        }
    }
}
