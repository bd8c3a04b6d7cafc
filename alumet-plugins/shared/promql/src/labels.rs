use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use alumet_shared_query::Matcher;
use serde::Serialize;

use crate::expr::Labelling;

/// The label that has the name.
pub(crate) const NAME: &str = "__name__";

/// The labels of a series, the name among them; none is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<Arc<str>, Arc<str>>);

impl Labels {
    /// The text of a label; a missing one is empty.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match value {
            "" => self.0.remove(name),
            value => self.0.insert(name.into(), value.into()),
        };
    }

    pub(crate) fn without_name(mut self) -> Self {
        self.0.remove(NAME);
        self
    }

    /// Those that count.
    pub(crate) fn restricted(&self, labelling: &Labelling) -> Self {
        let contains = |list: &[String], name: &str| list.iter().any(|one| one == name);
        let is_kept = |name: &str| match labelling {
            Labelling::Only(list) => contains(list, name),
            Labelling::Except(list) => !contains(list, name) && name != NAME,
        };
        let labels = self.0.iter().filter(|(name, _)| is_kept(name));
        Self(
            labels
                .map(|(name, value)| (Arc::clone(name), Arc::clone(value)))
                .collect(),
        )
    }

    pub(crate) fn are_selected_by(&self, matchers: &[Matcher]) -> bool {
        let mut matchers = matchers.iter();
        matchers.all(|matcher| matcher.accepts(self.get(matcher.label().name())))
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Self {
        let labels = labels.into_iter().filter(|(_, value)| !value.as_ref().is_empty());
        Self(
            labels
                .map(|(name, value)| (name.as_ref().into(), value.as_ref().into()))
                .collect(),
        )
    }
}

/// `name{label="value"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{", self.get(NAME))?;
        let others = self.0.iter().filter(|(name, _)| &***name != NAME);
        for (index, (name, value)) in others.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}
