//! Why names are not known.

use std::time::Duration;

/// What keeps names from being known.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// In a few words, for the metric that counts pods without a name.
    pub(crate) missing: &'static str,
    /// What happened and how to mend it.
    pub(crate) text: String,
    /// How long the server wants to be left alone.
    pub(crate) pause: Option<Duration>,
    /// Whether it is only that the server does not remember what was the case so long ago.
    pub(crate) is_gone: bool,
}

impl Trouble {
    pub(crate) fn new(missing: &'static str, text: String) -> Self {
        Self {
            missing,
            text,
            pause: None,
            is_gone: false,
        }
    }

    /// A server that says something else than what was asked for.
    pub(crate) fn nonsense(server: &str, what: impl std::fmt::Display) -> Self {
        let text = format!(
            "{server} says something that is not understood ({what}); check the address and what listens there"
        );
        Self::new("the answer of the server is not understood", text)
    }
}
