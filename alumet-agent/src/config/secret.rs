//! How secrets are kept out of messages and listings.
//!
//! The schema of a plugin marks them (`writeOnly`). By their name are known those that no schema speaks of: environment
//! variables, tables of plugins that this program lacks, and lines of a text that is no TOML.

use super::Document;
use super::key_path::{KeyPath, Step};
use super::schema::Shape;

/// What stands in place of a secret.
pub(super) const MASK: &str = "***";

impl Document {
    /// Hides what the schema of the value under `path` marks as secret.
    pub(crate) fn hide_secrets(&mut self, path: &KeyPath, schema: &schemars::Schema) {
        for (key, given) in &mut self.given {
            if let Some(way) = key.steps().strip_prefix(path.steps()) {
                let shape = way
                    .iter()
                    .try_fold(Shape::new(schema), |shape, step| shape.below(step));
                given.is_secret |= shape.is_some_and(|shape| shape.is_secret());
            }
        }
    }
}

/// Whether the key at the end of a path is named like a secret.
pub(super) fn is_named_so(path: &KeyPath) -> bool {
    matches!(path.steps().last(), Some(Step::Key(key)) if is_secret(key))
}

/// Whether a key, or an environment variable, is named like a secret.
///
/// Case does not matter, and `-` counts as `_`: `token`, `password`, `secret`, `api_key`, `x_token`, `db-password`.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    ["token", "password", "secret", "api_key"].iter().any(|word| {
        name.strip_suffix(word)
            .is_some_and(|before| before.is_empty() || before.ends_with('_'))
    })
}

/// A source line in which everything after `secret_key =` is masked, and, if the place that ends at the byte `end` is a
/// key, everything after its `=`: its value may be a secret whose key is misspelt.
pub(super) fn masked_line(line: &str, end: usize) -> String {
    for (equals, _) in line.match_indices('=') {
        let before = line[..equals].trim_end().trim_end_matches(['"', '\'']);
        let in_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let name = before.rsplit(|c| !in_key(c)).next().unwrap_or_default();
        let after_place = line.get(end..equals);
        let is_of_place = after_place.is_some_and(|text| {
            text.chars()
                .all(|c| in_key(c) || matches!(c, '.' | ' ' | '\t' | '"' | '\''))
        });
        if is_secret(name) || is_of_place {
            return format!("{} {MASK}", &line[..=equals]);
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{is_secret, masked_line};

    #[test]
    fn secrets_are_known_by_the_end_of_their_name() {
        for name in [
            "token",
            "PASSWORD",
            "secret",
            "api_key",
            "influx_token",
            "db-password",
            "MY_API_KEY",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["tokens", "token_retrieval", "passwordless", "key", "mytoken", ""] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_source_line_shows_nothing_after_a_secret_key() {
        let masked = |line: &str| masked_line(line, line.len());
        assert_eq!(masked("token = \"abc\""), "token = ***");
        assert_eq!(
            masked("auth = { user = \"a\", \"password\" = \"b\" }"),
            "auth = { user = \"a\", \"password\" = ***"
        );
        assert_eq!(masked("token_retrieval = \"auto\""), "token_retrieval = \"auto\"");
    }

    #[test]
    fn a_source_line_shows_the_value_at_a_place_and_not_that_of_a_key_at_a_place() {
        assert_eq!(masked_line("tokne = \"abc\"", 5), "tokne = ***");
        assert_eq!(masked_line("\"tokne\" . x = \"abc\"", 7), "\"tokne\" . x = ***");
        assert_eq!(masked_line("a = { b = 1, c = 2 }", 11), "a = { b = 1, c = 2 }");
    }
}
