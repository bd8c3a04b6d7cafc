//! The name of a plugin.

use anyhow::{Result, bail};
use heck::ToKebabCase;

/// Names that mean something else: the agent's own metrics, and what cargo or Rust would stumble over.
const RESERVED: [&str; 6] = ["alumet", "default", "core", "std", "test", "self"];

/// Takes the name of a new plugin: words of lower-case ASCII letters and digits, joined by hyphens.
pub(super) fn checked(name: &str) -> Result<String> {
    if !is_kebab_case(name) {
        let better = name.to_kebab_case();
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
    Ok(name.to_owned())
}

fn is_kebab_case(name: &str) -> bool {
    name.is_ascii() && name.starts_with(char::is_alphabetic) && name == name.to_kebab_case()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_name_stays_as_it_is() {
        for name in ["csv", "big-iron2", "b2-4u"] {
            assert_eq!(checked(name).unwrap(), name);
        }
    }

    #[test]
    fn a_bad_name_is_refused_with_a_better_one() {
        for (name, part) in [
            ("", "kebab-case"),
            ("Big", "such as `big`"),
            ("BigIron", "such as `big-iron`"),
            ("big_iron", "such as `big-iron`"),
            ("Old_Iron", "such as `old-iron`"),
            ("big--iron", "such as `big-iron`"),
            ("-big", "such as `big`"),
            ("big-", "such as `big`"),
            ("2big", "such as `big-iron`"),
            ("../big", "kebab-case"),
            ("größe", "kebab-case"),
            ("alumet", "another meaning"),
            ("default", "another meaning"),
            ("alumet-big", "call it `big`"),
            ("big-plugin", "call it `big`"),
        ] {
            let error = checked(name).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }
}
