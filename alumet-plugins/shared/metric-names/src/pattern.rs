use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a metric, or a table of what its series have; in both, `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SeriesPattern {
    /// A name.
    Metric(String),
    /// A table.
    Series(SeriesKeys),
}

/// What series have that are meant: all keys that are given must be right. Each is one pattern, or a list of which one is
/// enough; `*` stands for any text, `?` for any character and `[ab]` for one of several. A text that is the pattern itself is
/// always right.
///
/// A plugin whose table has other keys as well embeds this with `#[serde(flatten)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SeriesKeys {
    /// The name of the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<OneOrMore>,
    /// The kind of what is measured, such as `cpu_package`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_kind: Option<OneOrMore>,
    /// Which one of its kind is measured, such as `0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<OneOrMore>,
    /// The kind of who uses it, such as `cgroup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_kind: Option<OneOrMore>,
    /// Which one of its kind uses it, such as `/user.slice/*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_id: Option<OneOrMore>,
    /// Every other key is the name of an attribute: `domain = "package"`. A series without it is not meant.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, OneOrMore>,
}

/// One pattern, or several of which one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOrMore {
    /// One.
    One(Word),
    /// Several.
    More(Vec<Word>),
}

/// A pattern as TOML has it: a number means its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Word {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
}

impl OneOrMore {
    /// All of them.
    pub fn words(&self) -> &[Word] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::More(words) => words,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(integer) => integer.fmt(f),
        }
    }
}

impl From<&str> for SeriesPattern {
    fn from(metric: &str) -> Self {
        Self::Metric(metric.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for OneOrMore {
    fn from(words: [&str; N]) -> Self {
        Self::More(words.map(|word| Word::Text(word.to_owned())).into())
    }
}
