//! Which keys hold secrets, and how they are kept out of messages and listings.

/// What stands in place of a secret.
pub(super) const MASK: &str = "***";

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

/// A source line in which everything after `secret_key =` is masked.
pub(super) fn masked_line(line: &str) -> String {
    let mut searched = 0;
    while let Some(equals) = line[searched..].find('=').map(|at| searched + at) {
        let before = line[..equals].trim_end().trim_end_matches(['"', '\'']);
        let name = before
            .rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .next();
        if name.is_some_and(is_secret) {
            return format!("{} {MASK}", &line[..=equals]);
        }
        searched = equals + 1;
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
        assert_eq!(masked_line("token = \"abc\""), "token = ***");
        assert_eq!(
            masked_line("auth = { user = \"a\", \"password\" = \"b\" }"),
            "auth = { user = \"a\", \"password\" = ***"
        );
        assert_eq!(
            masked_line("token_retrieval = \"auto\""),
            "token_retrieval = \"auto\""
        );
    }
}
