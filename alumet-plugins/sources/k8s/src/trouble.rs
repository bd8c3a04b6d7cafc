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
    /// Whether servers do so when all is well: they forget what was the case long ago, and end watches when they stop.
    pub(crate) is_usual: bool,
}

impl Trouble {
    pub(crate) fn new(missing: &'static str, text: String) -> Self {
        Self {
            missing,
            text,
            pause: None,
            is_usual: false,
        }
    }

    /// A server that ends a watch before its time. It does the same to all other agents.
    pub(crate) fn ended(server: &str) -> Self {
        let text = format!("{server} has ended a watch before its time; it is asked again");
        Self {
            is_usual: true,
            ..Self::new("the server has ended the watch", text)
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
