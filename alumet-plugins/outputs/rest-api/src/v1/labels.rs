//! Labels of series, as answers show and group them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use alumet_core::AttributeValue;
use alumet_shared_query::{Identity, Label};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// By what series are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct By {
    pub(super) labels: Vec<Label>,
    /// Whether each group is one thing, so that it is worth to say what else its series have in common.
    pub(super) whole: bool,
}

impl By {
    /// These labels, of which `consumer` and `resource` stand for one of these on its node.
    pub(super) fn new(wanted: Vec<Label>) -> Self {
        let mut by = Self {
            labels: Vec::new(),
            whole: false,
        };
        for label in wanted {
            let labels = match label.name() {
                "consumer" => vec!["node".into(), Label::ConsumerKind, Label::ConsumerId],
                "resource" => vec!["node".into(), Label::ResourceKind, Label::ResourceId],
                _ => {
                    by.labels.push(label);
                    continue;
                }
            };
            by.labels.extend(labels);
            by.whole = true;
        }
        by
    }

    /// The labels of the group that a series is in; its node is called `host` if it has no name.
    pub(super) fn of(&self, series: &Identity, host: &str) -> BTreeMap<String, String> {
        let labels = self.labels.iter();
        let texts = labels.map(|label| {
            let text = match label.name() {
                "node" => node(series, host),
                _ => series.label(label).unwrap_or_default(),
            };
            (label.name().to_owned(), text.into_owned())
        });
        texts.collect()
    }
}

/// The node of a series: a series without one is of this machine.
pub(super) fn node<'a>(series: &'a Identity, host: &'a str) -> Cow<'a, str> {
    let node = match series.attributes.get("node") {
        None => return Cow::Borrowed(host),
        Some(AttributeValue::Text(text)) => Cow::Borrowed(&**text),
        Some(other) => Cow::Owned(other.to_string()),
    };
    if node.is_empty() {
        Cow::Borrowed(host)
    } else {
        node
    }
}

/// The attributes that all have, with the same value.
pub(super) fn common<'a>(mut series: impl Iterator<Item = &'a Identity>) -> BTreeMap<String, String> {
    let Some(first) = series.next() else {
        return BTreeMap::new();
    };
    let mut common: Vec<_> = first.attributes.iter().collect();
    for other in series {
        common.retain(|(key, value)| other.attributes.get(key) == Some(value));
    }
    let texts = common.into_iter();
    texts
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// The attributes that some have and none contradicts.
pub(super) fn undisputed<'a>(series: impl Iterator<Item = &'a Identity>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<_, Option<&AttributeValue>> = BTreeMap::new();
    for (key, value) in series.flat_map(|one| one.attributes.iter()) {
        let known = all.entry(key).or_insert(Some(value));
        *known = known.filter(|known| *known == value);
    }
    let texts = all.into_iter();
    texts
        .filter_map(|(key, value)| Some((key.to_string(), value?.to_string())))
        .collect()
}

/// All labels of a series, as an object of texts.
pub(super) struct Labels<'a>(pub(super) &'a Identity);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut so_far = Ok(());
        self.each(|name, text| {
            if so_far.is_ok() {
                so_far = map.serialize_entry(name, &text);
            }
        });
        so_far?;
        map.end()
    }
}

impl Labels<'_> {
    /// Names with texts.
    pub(super) fn to_texts(&self) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        self.each(|name, text| texts.push((name.to_owned(), text.into_owned())));
        texts
    }

    fn each(&self, mut take: impl FnMut(&str, Cow<'_, str>)) {
        for label in Label::fixed() {
            if let Some(text) = self.0.label(&label) {
                take(label.name(), text);
            }
        }
        for (key, value) in self.0.attributes.iter() {
            // Nothing hides what every series has.
            if matches!(Label::from(&**key), Label::Attribute(_)) {
                match value {
                    AttributeValue::Text(text) => take(key, Cow::Borrowed(text)),
                    other => take(key, Cow::Owned(other.to_string())),
                }
            }
        }
    }
}
