use std::collections::{BTreeMap, BTreeSet};

use alumet_core::value::ValueType;
use alumet_shared_query::Range;

use super::stored::Tags;

/// What is asked of a server, whichever its language.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    /// The bucket, or the database.
    pub(super) place: &'a str,
    /// Where in the database.
    pub(super) retention_policy: Option<&'a str>,
    /// The measurements that may be meant.
    pub(super) measurements: Vec<String>,
    /// What tags must be.
    pub(super) tags: Tags,
    /// Which kinds of metrics.
    pub(super) kinds: Kinds,
    /// Of which time.
    pub(super) range: Range,
    /// The fields beside the value.
    pub(super) fields: BTreeSet<String>,
    /// The types of the values, by measurements, if answers do not tell.
    pub(super) types: BTreeMap<String, ValueType>,
}

/// Kinds of metrics, as far as a server knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kinds {
    /// All.
    All,
    /// Gauges and deltas: what a server computes of their samples is all there is to know.
    Summed,
    /// Counters, which may start again.
    Counters,
    /// What does not say what it is.
    Unknown,
}
