//! The name of a plugin.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

use crate::role::{camel_case, snake_case};

/// The name of a new plugin: words of lower-case ASCII letters and digits, joined by hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginName(String);

/// Names that mean something else: the agent's own metrics, and what cargo or Rust would stumble over.
const RESERVED: [&str; 6] = ["alumet", "default", "core", "std", "test", "self"];

impl FromStr for PluginName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if !is_kebab_case(name) {
            let better = name.to_lowercase().replace('_', "-");
            let better = if is_kebab_case(&better) {
                &better
            } else {
                "big-iron"
            };
            bail!(
                "`{name}` is not in kebab-case; a name is made of lower-case letters and digits, begins with a letter, \
                 and joins words with single hyphens, such as `{better}`"
            );
        }
        if RESERVED.contains(&name) {
            bail!("the name `{name}` has another meaning; choose another one");
        }
        if let Some(name) = name.strip_prefix("alumet-").or(name.strip_suffix("-plugin")) {
            bail!("leave out what the crate's name adds anyway; call it `{name}`");
        }
        Ok(Self(name.to_owned()))
    }
}

fn is_kebab_case(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_word = |word: &str| !word.is_empty() && word.chars().all(is_part);
    name.split('-').all(is_word) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

impl PluginName {
    /// `big-iron`.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// `big_iron`.
    pub(super) fn snake(&self) -> String {
        snake_case(&self.0)
    }

    /// `BigIron`.
    pub(super) fn camel(&self) -> String {
        camel_case(&self.0)
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_name_has_three_forms() {
        let name: PluginName = "big-iron2".parse().unwrap();
        assert_eq!(
            (name.as_str(), &*name.snake(), &*name.camel()),
            ("big-iron2", "big_iron2", "BigIron2")
        );
    }

    #[test]
    fn a_bad_name_is_refused_with_a_better_one() {
        for (name, part) in [
            ("", "kebab-case"),
            ("Big", "such as `big`"),
            ("big_iron", "such as `big-iron`"),
            ("Old_Iron", "such as `old-iron`"),
            ("big--iron", "such as `big-iron`"),
            ("-big", "kebab-case"),
            ("big-", "kebab-case"),
            ("2big", "kebab-case"),
            ("../big", "kebab-case"),
            ("größe", "kebab-case"),
            ("alumet", "another meaning"),
            ("default", "another meaning"),
            ("alumet-big", "call it `big`"),
            ("big-plugin", "call it `big`"),
        ] {
            let error = name.parse::<PluginName>().unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }
}
