//! `${VARIABLE}` in string values.
//!
//! It works on parsed strings: not in keys, not in comments, and no variable can change the structure of a file.
//! `${NAME}` is the variable's value, `${NAME:-text}` is `text` when the variable is not set or empty, `$${` and `\${`
//! are a literal `${`. What a variable brings in is not looked at again.

use std::ffi::OsString;

use toml::Value;

use super::key_path::KeyPath;
use super::place::{Origin, Place};
use super::problem::{Problem, Problems};
use super::{Document, Given, find_mut, secret};

/// What gives the value of an environment variable; `None` when it is not set.
pub type Environment = dyn Fn(&str) -> Option<OsString>;

/// A piece of a string.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable { name: &'a str, default: Option<&'a str> },
}

/// Replaces the variables in everything that files and overrides gave.
pub(super) fn substitute(document: &mut Document, environment: &Environment, problems: &mut Problems) {
    for (path, given) in &mut document.given {
        if let Some(Value::String(text)) = find_mut(&mut document.values, path.steps())
            && matches!(given.place.origin(), Origin::File(_) | Origin::Override(_))
            && let Err(problem) = replace(text, given, path, environment)
        {
            given.is_refused = true;
            problems.push(problem);
        }
    }
    problems.sort();
}

/// Replaces the variables in a string.
fn replace(
    text: &mut String,
    given: &mut Given,
    path: &KeyPath,
    environment: &Environment,
) -> Result<(), Problem> {
    let place = &given.place;
    let bad = |place: Place, message: String| {
        Problem::new(format!("bad substitution at {}: {message}", path.named()))
            .at(place)
            .help("write `${NAME}` or `${NAME:-default}`; for a literal `${` write `$${`")
    };
    let pieces = pieces(text).map_err(|message| bad(place.clone(), message))?;
    let is_variable = matches!(pieces.as_slice(), [Piece::Variable { .. }]);
    let mut replaced = String::with_capacity(text.len());
    for piece in pieces {
        let (name, default) = match piece {
            Piece::Text(text) => {
                replaced.push_str(text);
                continue;
            }
            Piece::Variable { name, default } => (name, default),
        };
        given.is_secret |= secret::is_secret(name);
        let value = environment(name).map(OsString::into_string).transpose();
        match (value, default) {
            (Ok(Some(value)), default) if default.is_none() || !value.is_empty() => {
                replaced.push_str(&value);
            }
            (Ok(_), Some(default)) => replaced.push_str(default),
            (Ok(_), None) => {
                let what = format!(
                    "the environment variable `{name}` is not set, and {} needs it",
                    path.named()
                );
                return Err(Problem::new(what).at(place_of(name, place)).help(format!(
                    "set {name}, or give a default with `${{{name}:-default}}`; for a literal `${{` write `$${{`"
                )));
            }
            (Err(_), _) => {
                let message = format!("the environment variable `{name}` is not UTF-8 text");
                return Err(bad(place_of(name, place), message));
            }
        }
    }
    *text = replaced;
    given.is_variable = is_variable;
    Ok(())
}

/// The place of the variable itself inside the value, where the source shows it.
fn place_of(variable: &str, value: &Place) -> Place {
    let source = value.text();
    let found = source
        .match_indices(&format!("${{{variable}"))
        .find_map(|(at, opening)| {
            let rest = &source[at + opening.len()..];
            let end = rest.starts_with(['}', ':']).then(|| rest.find('}'))??;
            Some(at..at + opening.len() + end + 1)
        });
    found.map_or_else(|| value.clone(), |range| value.narrowed(range))
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
