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
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once("${") {
        if let Some(unescaped) = before.strip_suffix(['$', '\\']) {
            replaced.push_str(unescaped);
            replaced.push_str("${");
            rest = behind;
            continue;
        }
        let Some((variable, behind)) = behind.split_once('}') else {
            return Err(bad(place.clone(), "`${` has no closing `}`".to_owned()));
        };
        let (name, default) = match variable.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (variable, None),
        };
        if !is_name(name) {
            let message = format!("`{name}` is no name of a variable");
            return Err(bad(place.clone(), message));
        }
        given.is_variable = rest.len() == text.len() && before.is_empty() && behind.is_empty();
        given.is_secret |= secret::is_secret(name);
        replaced.push_str(before);
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
        rest = behind;
    }
    replaced.push_str(rest);
    *text = replaced;
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

fn is_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(valid) && name.starts_with(|c: char| !c.is_ascii_digit())
}
