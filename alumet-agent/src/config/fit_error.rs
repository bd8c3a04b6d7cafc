//! What serde says when a value does not fit, until it is known where.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::deserialize::{Here, address, unknown_key};
use super::key_path::{KeyPath, Step};
use super::place::{Origin, Place};
use super::problem::ConfigError;
use super::secret;
use super::suggest::nearest;
use super::tree::Value;

/// A value that does not fit; the innermost node that sees it go by gives it its place.
#[derive(Debug)]
pub(super) struct FitError {
    fit: Fit,
    at: Option<At>,
}

/// Why a value does not fit.
#[derive(Debug)]
pub(super) enum Fit {
    WrongType {
        expected: String,
        found: String,
    },
    UnknownKey {
        known: &'static [&'static str],
    },
    UnknownValue {
        value: String,
        known: &'static [&'static str],
    },
    MissingKey {
        key: &'static str,
    },
    Refused {
        expected: String,
        found: String,
    },
    Other(String),
}

#[derive(Debug)]
struct At {
    place: Place,
    path: KeyPath,
    /// The node to leave out.
    node: usize,
    /// The key is missing only because its value did not fit either.
    consequence: bool,
}

impl FitError {
    /// Gives the error its place, unless a node further down has done so.
    pub(super) fn at(self, here: &Here<'_>) -> Self {
        self.at_key(here, &here.node().place)
    }

    /// The same for an error of the key itself.
    pub(super) fn at_key(mut self, here: &Here<'_>, place: &Place) -> Self {
        if self.at.is_none() {
            let consequence = matches!(self.fit, Fit::MissingKey { key } if here.lost(key));
            let (place, path, node) = (place.clone(), here.key_path(), address(here.node()));
            self.at = Some(At {
                place,
                path,
                node,
                consequence,
            });
        }
        // A date reaches serde in the clothes of a table.
        if let (Fit::WrongType { found, .. }, Value::Datetime(_)) = (&mut self.fit, &here.node().value) {
            *found = here.node().kind().to_owned();
        }
        self
    }

    /// The node to leave out, and the problem; no problem if it follows from an earlier one.
    pub(super) fn into_problem(self, root: &KeyPath) -> (Option<usize>, Option<ConfigError>) {
        let Some(At {
            place,
            path,
            node,
            consequence,
        }) = self.at
        else {
            let place = Place::whole(Origin::Default);
            let problem = ConfigError::Invalid {
                place,
                path: root.clone(),
                message: self.fit.to_string(),
            };
            return (None, Some(problem));
        };
        if consequence {
            return (Some(node), None);
        }
        let hidden = path
            .steps()
            .iter()
            .any(|step| matches!(step, Step::Key(key) if secret::is_secret(key)));
        let problem = match self.fit {
            Fit::WrongType { expected, found } => ConfigError::WrongType {
                place,
                path,
                expected,
                found,
            },
            Fit::UnknownKey { known } => unknown_key(&place, path, known),
            Fit::MissingKey { key } => ConfigError::MissingKey {
                place,
                path: path.key(key),
            },
            Fit::UnknownValue { value, known } => {
                let nearest = nearest(&value, known.iter().copied()).map(str::to_owned);
                let value = if hidden { secret::MASK.to_owned() } else { value };
                let known = known.iter().map(|word| (*word).to_owned()).collect();
                ConfigError::UnknownValue {
                    place,
                    path,
                    value,
                    nearest,
                    known,
                }
            }
            Fit::Refused { expected, .. } if hidden => ConfigError::Invalid {
                place,
                path,
                message: format!("expected {expected}"),
            },
            Fit::Other(_) if hidden => ConfigError::Invalid {
                place,
                path,
                message: "it is refused".to_owned(),
            },
            fit => ConfigError::Invalid {
                place,
                path,
                message: fit.to_string(),
            },
        };
        (Some(node), Some(problem))
    }
}

impl From<Fit> for FitError {
    fn from(fit: Fit) -> Self {
        Self { fit, at: None }
    }
}

/// The type of an unexpected value in the words of TOML.
fn kind(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(_) => "a boolean".to_owned(),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer".to_owned(),
        Unexpected::Float(_) => "a float".to_owned(),
        Unexpected::Str(_) | Unexpected::Char(_) => "a string".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// What serde expects, in the words of TOML.
fn wanted(expected: &dyn Expected) -> String {
    let words = expected.to_string();
    match words.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" | "u128" => "a non-negative integer".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => "an integer".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        _ => words,
    }
}

/// The bounds that an integer must keep, for the types that have names.
fn bounds(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "u8" => "an integer from 0 to 255".to_owned(),
        "u16" => "an integer from 0 to 65535".to_owned(),
        "u32" => "an integer from 0 to 4294967295".to_owned(),
        "i8" => "an integer from -128 to 127".to_owned(),
        "i16" => "an integer from -32768 to 32767".to_owned(),
        "i32" => "an integer from -2147483648 to 2147483647".to_owned(),
        _ => wanted(expected),
    }
}

impl de::Error for FitError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fit::Other(message.to_string()).into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fit::WrongType {
            expected: wanted(expected),
            found: kind(&unexpected),
        }
        .into()
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Float(number) => number.to_string(),
            Unexpected::Str(text) => format!("`{text}`"),
            other => kind(&other),
        };
        Fit::Refused {
            expected: bounds(expected),
            found,
        }
        .into()
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Fit::UnknownKey { known }.into()
    }

    fn unknown_variant(value: &str, known: &'static [&'static str]) -> Self {
        Fit::UnknownValue {
            value: value.to_owned(),
            known,
        }
        .into()
    }

    fn missing_field(key: &'static str) -> Self {
        Fit::MissingKey { key }.into()
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { expected, found } | Self::Refused { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            Self::UnknownKey { .. } => f.write_str("unknown key"),
            Self::UnknownValue { value, .. } => write!(f, "unknown value `{value}`"),
            Self::MissingKey { key } => write!(f, "the key `{key}` is missing"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fit.fmt(f)
    }
}

impl std::error::Error for FitError {}
