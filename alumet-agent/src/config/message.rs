//! How a problem is written: what is wrong, where, the line itself with a caret, and a remedy.

use std::fmt;
use std::io::ErrorKind;

use super::key_path::KeyPath;
use super::place::Place;
use super::problem::{ConfigError, Warning};

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_message(f, "error", &self.what(), self.place(), self.help().as_deref())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Renamed { place, old, new } = self;
        let what = format!("`{old}` is now called `{new}`");
        write_message(
            f,
            "warning",
            &what,
            Some(place),
            Some("rename the key; the old name still works"),
        )
    }
}

/// Writes what, `--> file:line:column`, the line with a caret under the place, and the remedy.
fn write_message(
    f: &mut fmt::Formatter<'_>,
    severity: &str,
    what: &str,
    place: Option<&Place>,
    help: Option<&str>,
) -> fmt::Result {
    write!(f, "{severity}: {what}")?;
    let line = place
        .and_then(Place::line_column)
        .map_or_else(String::new, |(line, _)| line.to_string());
    let margin = " ".repeat(line.len().max(1));
    if let Some(place) = place {
        write!(f, "\n{margin}--> {place}")?;
        if let Some(excerpt) = place.excerpt() {
            write!(f, "\n{margin} |\n{line} | {}", excerpt.text.trim_end())?;
            write!(
                f,
                "\n{margin} | {}{}",
                " ".repeat(excerpt.indent),
                "^".repeat(excerpt.width)
            )?;
        }
    }
    match help {
        Some(help) => write!(f, "\n{margin} = help: {help}"),
        None => Ok(()),
    }
}

impl ConfigError {
    /// What is wrong, in one line.
    pub fn what(&self) -> String {
        match self {
            Self::NotFound { path } => format!("there is no configuration file `{}`", path.display()),
            Self::Unreadable { path, reason, .. } => format!("cannot read `{}`: {reason}", path.display()),
            Self::EmptyFolder { path } => {
                format!("the folder `{}` holds no configuration file", path.display())
            }
            Self::TooBig { origin, limit } => {
                format!(
                    "the configuration of {origin} is larger than {} MiB",
                    limit / (1024 * 1024)
                )
            }
            Self::NotUtf8 { .. } => "the file is not UTF-8 text".to_owned(),
            Self::Syntax { message, .. } => format!("cannot read this as TOML: {message}"),
            Self::DuplicateKey { key, .. } => format!("the key `{key}` is given twice"),
            Self::WrongType {
                path,
                expected,
                found,
                ..
            } => {
                format!(
                    "wrong type at {}: expected {expected}, found {found}",
                    named(path)
                )
            }
            Self::UnknownKey { path, .. } => format!("unknown key {}", named(path)),
            Self::UnknownValue { path, value, .. } => format!("unknown value `{value}` at {}", named(path)),
            Self::MissingKey { path, .. } => format!("the key {} is missing", named(path)),
            Self::Invalid { path, message, .. } => format!("invalid value at {}: {message}", named(path)),
            Self::UnknownPlugin { name, .. } => format!("there is no plugin `{name}`"),
            Self::PluginNotCompiled { name, .. } => {
                format!("this program was built without the plugin `{name}`")
            }
            Self::MissingVariable { path, variable, .. } => {
                format!(
                    "the environment variable `{variable}` is not set, and {} needs it",
                    named(path)
                )
            }
            Self::BadVariable { path, message, .. } => {
                format!("bad substitution at {}: {message}", named(path))
            }
            Self::BadOverride { message, .. } => format!("cannot read this override as TOML: {message}"),
            Self::BothNames { old, new, .. } => {
                format!("`{old}` is the old name of `{new}`, and both are given")
            }
        }
    }

    /// How to mend it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::NotFound { .. } => "name an existing file with `--config`, or write the default one with `config regen`".to_owned(),
            Self::Unreadable { kind: ErrorKind::PermissionDenied, .. } => {
                "let the user that runs the agent read the file (and enter its folder)".to_owned()
            }
            Self::Unreadable { .. } => "name a readable file, or a folder of `.toml` files, with `--config`".to_owned(),
            Self::EmptyFolder { .. } => "put a file whose name ends in `.toml` into it, or name a file".to_owned(),
            Self::TooBig { .. } => "check that this is the configuration, and not some other file".to_owned(),
            Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::Syntax { place, .. } => return syntax_help(place),
            Self::DuplicateKey { .. } => "keep one of the two".to_owned(),
            Self::UnknownKey { nearest, known, .. } => unknown_help(nearest.as_deref(), known, "keys")?,
            Self::UnknownValue { nearest, known, .. } => unknown_help(nearest.as_deref(), known, "values")?,
            Self::MissingKey { .. } => "add it; it has no default".to_owned(),
            Self::UnknownPlugin { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnknownPlugin { .. } => "`plugins list` shows the plugins of this program".to_owned(),
            Self::PluginNotCompiled { name, .. } => {
                format!(
                    "switch it off with `enabled = false`, choose others with `--plugins`, or use a build that has it \
                     (cargo feature `{name}`)"
                )
            }
            Self::MissingVariable { variable, .. } => {
                format!("set {variable}, or give a default with `${{{variable}:-default}}`; for a literal `${{` write `$${{`")
            }
            Self::BadVariable { .. } => "write `${NAME}` or `${NAME:-default}`; for a literal `${` write `$${`".to_owned(),
            Self::BadOverride { .. } => {
                "an override looks like `plugins.rapl.poll_interval='1ms'`: text in quotes, inside the quotes of the shell".to_owned()
            }
            Self::BothNames { old, new_place, .. } => format!("remove `{old}`; the new name stands at {new_place}"),
            Self::WrongType { .. } | Self::Invalid { .. } => return None,
        };
        Some(help)
    }
}

/// A path in backquotes; words for the root, which has no name.
fn named(path: &KeyPath) -> String {
    if path.is_root() {
        "the top level".to_owned()
    } else {
        format!("`{path}`")
    }
}

/// Files that were written for a substitution before parsing have `"\${X}"`, which TOML refuses.
fn syntax_help(place: &Place) -> Option<String> {
    let excerpt = place.excerpt()?;
    excerpt
        .text
        .contains("\\${")
        .then(|| "for a literal `${` write `$${`".to_owned())
}

/// The nearest known name; without one, all of them if they are few.
fn unknown_help(nearest: Option<&str>, known: &[String], what: &str) -> Option<String> {
    const FEW: usize = 12;
    match nearest {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if known.is_empty() => Some(format!("there are no {what} here")),
        None if known.len() <= FEW => Some(format!("the {what} are `{}`", known.join("`, `"))),
        None => None,
    }
}
