//! Tokens: secrets by which a client proves which node it is.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use crate::identity::{InvalidNodeName, check_node_name};

/// A shorter token could be guessed.
pub const SHORTEST: usize = 16;

/// The metadata that carries a token.
const AUTHORIZATION: &str = "authorization";
/// How its value begins (RFC 6750, section 2.1).
const SCHEME: &str = "Bearer ";

/// Which token is that of which node. A node may have several, while an old one is replaced by a new one. Its debug form
/// shows no token.
#[derive(Clone, Default)]
pub struct Tokens {
    node_of: BTreeMap<String, String>,
}

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A file cannot be read.
    #[error("the file {} cannot be read; check its path and that the user of the program may read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A line of a file is not what it should be.
    #[error("line {line} of {} is not `NODE TOKEN`; write one node and its token in each line", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
    /// A token cannot be one.
    #[error(
        "the token of {owner} must have at least {SHORTEST} visible ASCII characters; `openssl rand -hex 32` makes one"
    )]
    Unusable {
        /// Whose token it is, or where it is.
        owner: String,
    },
    /// Two nodes have the same token.
    #[error(
        "the nodes `{0}` and `{1}` have the same token, so that each could speak for the other; give each its own"
    )]
    Shared(String, String),
    /// A name cannot be that of a node.
    #[error(transparent)]
    Node(#[from] InvalidNodeName),
}

impl Tokens {
    /// The tokens of a configuration, by node.
    ///
    /// # Errors
    /// Which node or token cannot be one, or is there twice.
    pub fn from_table(table: &BTreeMap<String, String>) -> Result<Self, TokenError> {
        let mut tokens = Self::default();
        for (node, token) in table {
            tokens.add(node, token)?;
        }
        Ok(tokens)
    }

    /// With those of a file: a node, a space and its token in each line; `#` begins a comment.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub fn with_file(mut self, path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let (Some(node), Some(token), None) = (words.next(), words.next(), words.next()) else {
                return Err(TokenError::Line {
                    path: path.to_owned(),
                    line: index + 1,
                });
            };
            self.add(node, token)?;
        }
        Ok(self)
    }

    /// The node whose token was presented. Takes the same time whichever it is.
    pub fn node_of(&self, presented: &str) -> Option<&str> {
        let mut found = None;
        for (token, node) in &self.node_of {
            if token.as_bytes().ct_eq(presented.as_bytes()).into() {
                found = Some(node.as_str());
            }
        }
        found
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.node_of.len()
    }

    fn add(&mut self, node: &str, token: &str) -> Result<(), TokenError> {
        check_node_name(node)?;
        check_token(token, || format!("node `{node}`"))?;
        match self.node_of.insert(token.to_owned(), node.to_owned()) {
            Some(other) if other != node => Err(TokenError::Shared(other, node.to_owned())),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.count())
    }
}

/// The metadata with which a client presents a token.
///
/// # Errors
/// When the token has characters that metadata cannot carry.
pub fn present(token: &str, metadata: &mut MetadataMap) -> Result<(), TokenError> {
    let mut value: MetadataValue<Ascii> =
        format!("{SCHEME}{token}")
            .parse()
            .map_err(|_| TokenError::Unusable {
                owner: "the client".to_owned(),
            })?;
    // Kept out of logs and of the compression tables of HTTP/2.
    value.set_sensitive(true);
    metadata.insert(AUTHORIZATION, value);
    Ok(())
}

/// The token that a client presents.
pub fn presented(metadata: &MetadataMap) -> Option<&str> {
    let value = metadata.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim())
}

/// Refuses what cannot be a token; `owner` says whose it is, or where.
///
/// # Errors
/// What a token must have.
pub fn check_token(token: &str, owner: impl FnOnce() -> String) -> Result<(), TokenError> {
    if token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(TokenError::Unusable { owner: owner() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef-one";
    const TWO: &str = "0123456789abcdef-two";

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_token_names_its_node_and_nothing_else_does() {
        let (_folder, path) = file(&format!("# nodes\n\na {ONE}\n  b\t{TWO}  \n"));
        let tokens = Tokens::default().with_file(&path).unwrap();
        assert_eq!(tokens.node_of(ONE), Some("a"));
        assert_eq!(tokens.node_of(TWO), Some("b"));
        for wrong in [
            "",
            "0123456789abcdef",
            "0123456789abcdef-twO",
            &format!("{ONE}x"),
            &ONE[1..],
        ] {
            assert_eq!(tokens.node_of(wrong), None, "{wrong}");
        }
        assert_eq!(Tokens::default().node_of(""), None);
    }

    #[test]
    fn a_node_may_have_two_tokens_but_a_token_not_two_nodes() {
        let (_folder, path) = file(&format!("a {ONE}\na {TWO}\n"));
        let tokens = Tokens::default().with_file(&path).unwrap();
        assert_eq!((tokens.node_of(ONE), tokens.node_of(TWO)), (Some("a"), Some("a")));
        let (_folder, path) = file(&format!("a {ONE}\nb {ONE}\n"));
        let error = Tokens::default().with_file(&path).unwrap_err().to_string();
        assert!(error.contains("`a` and `b`"), "{error}");
        let (_folder, path) = file(&format!("a {ONE}\n"));
        let with = |node: &str| {
            let table = BTreeMap::from([(node.to_owned(), ONE.to_owned())]);
            Tokens::from_table(&table).unwrap().with_file(&path)
        };
        assert!(with("b").is_err());
        assert_eq!(with("a").unwrap().count(), 1);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_line_but_without_a_token() {
        for (text, phrase) in [
            (format!("a {ONE}\nb\n"), "line 2"),
            (format!("a {ONE} x\n"), "line 1"),
            ("a short\n".to_owned(), "node `a` must have at least 16"),
            (format!("a/b {ONE}\n"), "cannot be the name of a node"),
        ] {
            let (_folder, path) = file(&text);
            let error = Tokens::default().with_file(&path).unwrap_err().to_string();
            assert!(error.contains(phrase), "{error}");
            assert!(!error.contains(ONE), "{error}");
        }
    }

    #[test]
    fn what_a_client_presents_is_what_a_server_sees() {
        let mut metadata = MetadataMap::new();
        assert_eq!(presented(&metadata), None);
        present(ONE, &mut metadata).unwrap();
        assert_eq!(presented(&metadata), Some(ONE));
        assert!(!format!("{metadata:?}").contains(ONE), "{metadata:?}");
        for (value, token) in [
            ("bearer x", Some("x")),
            ("Basic x", None),
            ("Bearer", None),
            ("", None),
        ] {
            metadata.insert(AUTHORIZATION, value.parse().unwrap());
            assert_eq!(presented(&metadata), token, "{value}");
        }
    }

    #[test]
    fn no_debug_form_shows_a_token() {
        let tokens = Tokens::from_table(&BTreeMap::from([("a".to_owned(), ONE.to_owned())])).unwrap();
        assert!(!format!("{tokens:?}").contains(ONE));
    }
}
