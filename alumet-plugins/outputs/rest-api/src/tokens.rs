//! Tokens: secrets by which clients prove who they are, and what each may see.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alumet_shared_query::{Matcher, QueryError};
use subtle::ConstantTimeEq;

use crate::matching::matcher;
use crate::scoped::Scope;

/// A shorter token could be guessed.
const SHORTEST: usize = 16;

/// Who may see what. The debug form shows no token.
pub(crate) struct Tokens(Vec<Grant>);

struct Grant {
    token: String,
    name: Arc<str>,
    scope: Scope,
}

/// Why a file with tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the file {} cannot be read; check its path and that the user of the program may read it", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "line {line} of {} is not `NAME TOKEN`, with what the token may see behind it, such as `namespace=team-a`", .path.display()
    )]
    Line { path: PathBuf, line: usize },
    #[error(
        "the token in line {line} of {} must have at least {SHORTEST} visible ASCII characters; `openssl rand -hex 32` makes \
         one", .path.display()
    )]
    Unusable { path: PathBuf, line: usize },
    #[error("the token in line {line} of {} is there twice; give each its own", .path.display())]
    Twice { path: PathBuf, line: usize },
    #[error("line {line} of {}: {source}", .path.display())]
    Scope {
        path: PathBuf,
        line: usize,
        source: QueryError,
    },
}

impl Tokens {
    /// Those of a file: in each line a name, its token, and comparisons of labels (`namespace=team-a`, `node=~n1|n2`), all of which
    /// must be right for the series that may be seen; `#` begins a comment.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub(crate) fn read(path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut grants: Vec<Grant> = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let (path, line) = (path.to_owned(), index + 1);
            let mut words = text.split_ascii_whitespace();
            let name = match words.next() {
                None => continue,
                Some(word) if word.starts_with('#') => continue,
                Some(name) => name,
            };
            let Some(token) = words.next() else {
                return Err(TokenError::Line { path, line });
            };
            if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(TokenError::Unusable { path, line });
            }
            if grants.iter().any(|grant| grant.token == token) {
                return Err(TokenError::Twice { path, line });
            }
            let matchers = words.map(matcher).collect::<Result<Vec<Matcher>, _>>();
            let matchers = matchers.map_err(|source| TokenError::Scope { path, line, source })?;
            grants.push(Grant {
                token: token.to_owned(),
                name: name.into(),
                scope: Scope::new(matchers),
            });
        }
        Ok(Self(grants))
    }

    /// Whose token was presented, and what it may see. Takes the same time whichever it is.
    pub(crate) fn find(&self, presented: &str) -> Option<(&Arc<str>, &Scope)> {
        let mut found = None;
        for grant in &self.0 {
            if grant.token.as_bytes().ct_eq(presented.as_bytes()).into() {
                found = Some((&grant.name, &grant.scope));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef-one";
    const TWO: &str = "0123456789abcdef-two";

    fn read(text: &str) -> Result<Tokens, TokenError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Tokens::read(file.path())
    }

    #[test]
    fn a_token_is_found_with_its_name_and_scope_and_nothing_else_is() {
        let tokens = read(&format!(
            "# all\n\nops {ONE}\n  team\t{TWO} namespace=a node=~n1|n2\n"
        ))
        .unwrap();
        let found = |token: &str| {
            tokens
                .find(token)
                .map(|(name, scope)| (&**name, scope.is_limited()))
        };
        assert_eq!(found(ONE), Some(("ops", false)));
        assert_eq!(found(TWO), Some(("team", true)));
        for wrong in ["", "0123456789abcdef", &format!("{ONE}x"), &ONE[1..]] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_but_without_a_token() {
        for (text, phrase) in [
            (format!("a {ONE}\nb\n"), "line 2"),
            ("a short\n".to_owned(), "line 1"),
            (format!("a {ONE}\nb {ONE}\n"), "twice"),
            (format!("a {ONE} namespace\n"), "`namespace` compares nothing"),
            (format!("a {ONE} node=~(\n"), "no regular expression"),
        ] {
            let error = read(&text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(phrase), "{error}");
            assert!(!error.contains(ONE), "{error}");
        }
    }
}
