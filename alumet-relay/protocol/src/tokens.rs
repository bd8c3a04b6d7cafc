//! Tokens: secrets by which a client proves which node it is.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use crate::identity::{InvalidNodeName, check_node_name};

/// A shorter token could be guessed.
pub const SHORTEST: usize = 16;

/// The metadata that carries a token.
const AUTHORIZATION: &str = "authorization";
/// How its value begins (RFC 6750, section 2.1).
const SCHEME: &str = "Bearer ";

/// Which node has which token. Its debug form shows no token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    by_node: Vec<(String, String)>,
}

/// Where a client has its token. Its debug form shows no token.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// In the configuration.
    Literal(String),
    /// Alone in a file, which is read anew for each connection.
    File(PathBuf),
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
        tokens.refuse_shared()?;
        Ok(tokens)
    }

    /// The tokens of a file: a node, a space and its token in each line; `#` begins a comment.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let text = read(path)?;
        let mut tokens = Self::default();
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
            tokens.add(node, token)?;
        }
        tokens.refuse_shared()?;
        Ok(tokens)
    }

    /// These and those.
    ///
    /// # Errors
    /// When two nodes have the same token.
    pub fn and(mut self, other: Self) -> Result<Self, TokenError> {
        self.by_node.extend(other.by_node);
        self.refuse_shared()?;
        Ok(self)
    }

    /// The node whose token was presented. Takes the same time whichever it is.
    pub fn node_of(&self, presented: &str) -> Option<&str> {
        let mut found = None;
        for (node, token) in &self.by_node {
            if is_equal(token.as_bytes(), presented.as_bytes()) {
                found = Some(node.as_str());
            }
        }
        found
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.by_node.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    fn add(&mut self, node: &str, token: &str) -> Result<(), TokenError> {
        check_node_name(node)?;
        check_token(token, || format!("node `{node}`"))?;
        self.by_node.push((node.to_owned(), token.to_owned()));
        Ok(())
    }

    /// A node may have several tokens, while an old one is replaced by a new one; a token has one node.
    fn refuse_shared(&self) -> Result<(), TokenError> {
        let mut node_of = BTreeMap::new();
        for (node, token) in &self.by_node {
            match node_of.insert(token, node) {
                Some(other) if other != node => {
                    return Err(TokenError::Shared(other.clone(), node.clone()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.by_node.len())
    }
}

impl TokenSource {
    /// The token.
    ///
    /// # Errors
    /// When the file cannot be read or what is there cannot be a token.
    pub fn read(&self) -> Result<String, TokenError> {
        let (token, owner) = match self {
            Self::Literal(token) => (token.clone(), "the configuration".to_owned()),
            Self::File(path) => (read(path)?.trim().to_owned(), format!("{}", path.display())),
        };
        check_token(&token, || owner)?;
        Ok(token)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Literal(…)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
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

fn read(path: &Path) -> Result<String, TokenError> {
    std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn check_token(token: &str, owner: impl FnOnce() -> String) -> Result<(), TokenError> {
    if token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(TokenError::Unusable { owner: owner() })
}

/// Compares without telling by its duration where the two differ.
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(different) == 0
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
        let tokens = Tokens::from_file(&path).unwrap();
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
        let tokens = Tokens::from_file(&path).unwrap();
        assert_eq!((tokens.node_of(ONE), tokens.node_of(TWO)), (Some("a"), Some("a")));
        let (_folder, path) = file(&format!("a {ONE}\nb {ONE}\n"));
        let error = Tokens::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("`a` and `b`"), "{error}");
        let table =
            |node: &str| Tokens::from_table(&BTreeMap::from([(node.to_owned(), ONE.to_owned())])).unwrap();
        assert!(table("a").and(table("b")).is_err());
        assert_eq!(table("a").and(table("a")).unwrap().len(), 2);
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
            let error = Tokens::from_file(&path).unwrap_err().to_string();
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
    fn a_token_in_a_file_is_read_each_time() {
        let (_folder, path) = file(&format!("{ONE}\n"));
        let source = TokenSource::File(path.clone());
        assert_eq!(source.read().unwrap(), ONE);
        std::fs::write(&path, TWO).unwrap();
        assert_eq!(source.read().unwrap(), TWO);
        std::fs::write(&path, "two words that are long").unwrap();
        assert!(
            source
                .read()
                .unwrap_err()
                .to_string()
                .contains("tokens must have")
        );
    }

    #[test]
    fn no_debug_form_shows_a_token() {
        let tokens = Tokens::from_table(&BTreeMap::from([("a".to_owned(), ONE.to_owned())])).unwrap();
        assert!(!format!("{tokens:?} {:?}", TokenSource::Literal(ONE.to_owned())).contains(ONE));
    }
}
