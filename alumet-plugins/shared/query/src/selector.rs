use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::error::QueryError;
use crate::identity::{Identity, Label};

/// How many bytes a regular expression may need.
const LARGEST: usize = 1 << 20;

/// Which series are meant: those for which all matchers are right. Without one, all are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Selector {
    /// What must be right.
    pub matchers: Vec<Matcher>,
}

/// What a label must be. A label that a series does not have is the empty text, as in PromQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Matcher {
    label: Label,
    operator: Operator,
    value: String,
    /// Of the whole text; for the operators that have one.
    regex: Option<Regex>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Is this text.
    #[serde(rename = "=")]
    Equal,
    /// Is another text.
    #[serde(rename = "!=")]
    NotEqual,
    /// The whole of it matches this regular expression.
    #[serde(rename = "=~")]
    Matches,
    /// It does not.
    #[serde(rename = "!~")]
    NotMatches,
}

#[derive(Serialize, Deserialize)]
struct Written(Label, Operator, String);

impl Selector {
    /// These series of which also `label` is `value`.
    pub fn with(mut self, label: impl Into<Label>, value: &str) -> Self {
        self.matchers.push(Matcher::equal(label, value));
        self
    }

    /// Whether the series is meant.
    pub fn selects(&self, series: &Identity) -> bool {
        self.matchers.iter().all(|matcher| matcher.is_right(series))
    }

    /// The text that the label must be, if one is demanded: by which a store finds series faster.
    pub fn demanded(&self, label: &Label) -> Option<&str> {
        let mut equal = self
            .matchers
            .iter()
            .filter(|matcher| matcher.operator == Operator::Equal);
        let matcher = equal.find(|matcher| matcher.label == *label)?;
        Some(&matcher.value)
    }
}

impl Matcher {
    /// The label must be this text.
    pub fn equal(label: impl Into<Label>, value: &str) -> Self {
        Self {
            label: label.into(),
            operator: Operator::Equal,
            value: value.to_owned(),
            regex: None,
        }
    }

    /// Any comparison.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] when a regular expression cannot be understood, or would need megabytes.
    pub fn new(label: impl Into<Label>, operator: Operator, value: &str) -> Result<Self, QueryError> {
        let regex = match operator {
            Operator::Equal | Operator::NotEqual => None,
            Operator::Matches | Operator::NotMatches => {
                // Alone first: `)|(` would close the group that follows.
                let built = build(value).and_then(|_| build(&format!("^(?s:{value})$")));
                Some(built.map_err(|error| {
                    QueryError::Invalid(format!("`{value}` is no regular expression: {error}"))
                })?)
            }
        };
        Ok(Self {
            label: label.into(),
            operator,
            value: value.to_owned(),
            regex,
        })
    }

    /// What is compared.
    pub const fn label(&self) -> &Label {
        &self.label
    }

    /// How it is compared.
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// With what it is compared.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it is right for this series.
    pub fn is_right(&self, series: &Identity) -> bool {
        self.accepts(&series.label(&self.label).unwrap_or_default())
    }

    /// Whether a label may have this text; for a label that is missing, the empty one.
    pub fn accepts(&self, text: &str) -> bool {
        let is_match = match &self.regex {
            Some(regex) => regex.is_match(text),
            None => text == self.value,
        };
        is_match == matches!(self.operator, Operator::Equal | Operator::Matches)
    }
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(LARGEST).build()
}

impl TryFrom<Written> for Matcher {
    type Error = QueryError;

    fn try_from(Written(label, operator, value): Written) -> Result<Self, QueryError> {
        Self::new(label, operator, &value)
    }
}

impl From<Matcher> for Written {
    fn from(matcher: Matcher) -> Self {
        Self(matcher.label, matcher.operator, matcher.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_compares_the_whole_text() {
        let new = |operator, value| Matcher::new("node", operator, value).unwrap();
        for (matcher, accepts, refuses) in [
            (new(Operator::Equal, "n1"), "n1", "n12"),
            (new(Operator::NotEqual, "n1"), "n12", "n1"),
            (new(Operator::Matches, "n1|n2.?"), "n2x", "xn1"),
            (new(Operator::NotMatches, "n1|n2.?"), "n11", "n2x"),
            (new(Operator::Matches, "a.b"), "a\nb", "a"),
            (new(Operator::Equal, ""), "", "x"),
        ] {
            assert!(matcher.accepts(accepts), "{matcher:?}");
            assert!(!matcher.accepts(refuses), "{matcher:?}");
            let text = serde_json::to_string(&matcher).unwrap();
            let read: Matcher = serde_json::from_str(&text).unwrap();
            assert!(read.accepts(accepts) && !read.accepts(refuses), "{text}");
        }
    }

    #[test]
    fn a_regular_expression_that_is_wrong_or_too_large_is_refused() {
        for pattern in ["(", r"\w{10000}{1000}"] {
            let error = Matcher::new("node", Operator::Matches, pattern).unwrap_err();
            assert!(error.to_string().contains("is no regular expression"), "{error}");
        }
        // What closes a group that it did not open would match everything.
        assert!(Matcher::new("node", Operator::Matches, ")|(").is_err());
    }
}
