//! What a series is called in the database, as the plugin `influxdb` writes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alumet_core::attributes::AttributeValue;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Attributes, Consumer, Resource};
use alumet_shared_query::{Identity, Label, Selector};
use percent_encoding::percent_decode_str;

use super::config::{Meaning, kind_of};

/// The field that has the values.
pub(super) const VALUE: &str = "value";

/// The tags that are no attributes.
const RESOURCE_KIND: &str = "resource_kind";
const RESOURCE_ID: &str = "resource_id";
const CONSUMER_KIND: &str = "resource_consumer_kind";
const CONSUMER_ID: &str = "resource_consumer_id";
const UNIT: &str = "metric_unit";
pub(super) const KIND: &str = "metric_kind";
const QUALITY: &str = "metric_quality";

/// What stands before an attribute that has the name of something else.
const PREFIX: &str = "alumet_attribute__";

/// The tags of a series, sorted, as they are stored.
pub(super) type Tags = Vec<(String, String)>;

/// The text that is stored: `%0A` and the like stand for what line protocol cannot carry.
pub(super) fn decode(stored: &str) -> Cow<'_, str> {
    percent_decode_str(stored).decode_utf8_lossy()
}

/// Whether a text is certainly stored as it is.
fn is_plain(text: &str) -> bool {
    let is_special = |c: char| c.is_control() || matches!(c, '\\' | '%');
    !text.is_empty() && !text.starts_with('#') && !text.contains(is_special)
}

/// The measurement of the metric that is demanded, if it is certain.
pub(super) fn measurement_of(selector: &Selector) -> Option<&str> {
    selector.demanded(&Label::Metric).filter(|name| is_plain(name))
}

/// What tags must be so that the selector can be right. `fields` are the attributes that may be fields.
pub(super) fn demanded_tags(selector: &Selector, fields: &BTreeSet<String>) -> Tags {
    let mut tags = Tags::new();
    for matcher in &selector.matchers {
        let key = match matcher.label() {
            Label::Metric | Label::Unit | Label::Quality => continue,
            Label::ResourceKind => RESOURCE_KIND,
            Label::ResourceId => RESOURCE_ID,
            Label::ConsumerKind => CONSUMER_KIND,
            Label::ConsumerId => CONSUMER_ID,
            Label::Attribute(key) if is_own_name(key) && !fields.contains(key) => key,
            Label::Attribute(_) => continue,
        };
        let demanded = selector.demanded(matcher.label());
        tags.extend(
            demanded
                .filter(|text| is_plain(text))
                .map(|text| (key.to_owned(), text.to_owned())),
        );
    }
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// Whether an attribute is certainly stored with its own name.
fn is_own_name(key: &str) -> bool {
    let taken = [
        VALUE,
        "time",
        RESOURCE_KIND,
        RESOURCE_ID,
        CONSUMER_KIND,
        CONSUMER_ID,
        UNIT,
        KIND,
        QUALITY,
    ];
    is_plain(key) && !key.starts_with(['_']) && !key.starts_with(PREFIX) && !taken.contains(&key)
}

/// The series that is stored so, with attributes that were fields.
pub(super) fn identity(
    measurement: &str,
    tags: &Tags,
    fields: &Attributes,
    value_type: ValueType,
    meanings: &BTreeMap<String, Meaning>,
) -> Arc<Identity> {
    let name = decode(measurement);
    let tag = |key: &str| {
        let (_, text) = tags.iter().find(|(tag, _)| tag == key)?;
        Some(decode(text))
    };
    let meaning = meanings.get(&*name);
    let kind = tag(KIND).and_then(|kind| kind_of(&kind));
    let unit = tag(UNIT).map(|unit| Unit::parse(&unit));
    let quality = tag(QUALITY).and_then(|quality| {
        let mut all = Quality::ALL.iter().copied();
        all.find(|one| one.name() == quality)
    });
    let text = |key| tag(key).unwrap_or_default();
    let fixed = [
        RESOURCE_KIND,
        RESOURCE_ID,
        CONSUMER_KIND,
        CONSUMER_ID,
        UNIT,
        KIND,
        QUALITY,
    ];
    let own = tags.iter().filter(|(key, _)| !fixed.contains(&&**key));
    let attributes = own
        .map(|(key, text)| {
            let value = AttributeValue::Text(decode(text).into());
            (attribute_of(key), value)
        })
        .chain(
            fields
                .iter()
                .map(|(key, value)| (attribute_of(key), value.clone())),
        );
    Arc::new(Identity {
        attributes: attributes.collect(),
        resource: Resource::new(&text(RESOURCE_KIND), &text(RESOURCE_ID)),
        consumer: Consumer::new(&text(CONSUMER_KIND), &text(CONSUMER_ID)),
        metric: Arc::new(Metric {
            kind: kind
                .or_else(|| kind_of(&meaning?.kind))
                .unwrap_or(MetricKind::Gauge),
            unit: unit
                .or_else(|| Some(Unit::parse(&meaning?.unit)))
                .unwrap_or(Unit::ONE),
            quality: quality.unwrap_or_default(),
            name: name.into_owned().into(),
            value_type,
            description: "".into(),
        }),
    })
}

/// The attribute that has this name in the database.
fn attribute_of(name: &str) -> String {
    decode(name.strip_prefix(PREFIX).unwrap_or(name)).into_owned()
}

#[cfg(test)]
mod tests {
    use alumet_shared_query::{Matcher, Operator};

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter();
        pairs
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn a_series_is_what_its_tags_say() {
        let stored = tags(&[
            ("alumet_attribute___node", "n%0A1"),
            ("alumet_attribute__value", "100%2525"),
            ("domain", "package"),
            ("metric_kind", "delta"),
            ("metric_quality", "modelled"),
            ("metric_unit", "mJ"),
            ("resource_consumer_id", "7"),
            ("resource_consumer_kind", "process"),
            ("resource_id", "0"),
            ("resource_kind", "cpu_package"),
        ]);
        let fields = Attributes::EMPTY.with("share", 0.5);
        let identity = identity("%23energy", &stored, &fields, ValueType::U64, &BTreeMap::new());
        assert_eq!(
            identity.to_string(),
            "#energy cpu_package:0 process:7 {_node=n\n1, domain=package, share=0.5, value=100%25}"
        );
        let metric = &identity.metric;
        assert_eq!(
            (metric.kind, metric.unit.clone(), metric.quality),
            (MetricKind::Delta, Unit::JOULE.milli(), Quality::Modelled)
        );
    }

    #[test]
    fn a_metric_that_is_not_described_is_what_the_configuration_says() {
        let meaning = Meaning {
            kind: "counter".to_owned(),
            unit: "J".to_owned(),
        };
        let meanings = BTreeMap::from([("m".to_owned(), meaning)]);
        let metric = |name| {
            let series = identity(name, &Tags::new(), &Attributes::EMPTY, ValueType::F64, &meanings);
            (series.metric.kind, series.metric.unit.clone())
        };
        assert_eq!(metric("m"), (MetricKind::Counter, Unit::JOULE));
        assert_eq!(metric("other"), (MetricKind::Gauge, Unit::ONE));
    }

    #[test]
    fn only_what_is_stored_as_it_is_written_is_demanded_of_the_server() {
        let selector = Selector::default()
            .with("resource_kind", "gpu")
            .with("consumer_id", "")
            .with("domain", "package")
            .with("share", "0.5")
            .with("_node", "n")
            .with("value", "v")
            .with("unit", "J")
            .with("pod", r"a\b");
        let fields = BTreeSet::from(["share".to_owned()]);
        let wanted = tags(&[("domain", "package"), ("resource_kind", "gpu")]);
        assert_eq!(demanded_tags(&selector, &fields), wanted);
        let mut selector = Selector::default();
        for (operator, name) in [(Operator::Matches, "a.*"), (Operator::Equal, "a%0A")] {
            selector
                .matchers
                .push(Matcher::new("metric", operator, name).unwrap());
        }
        assert_eq!(measurement_of(&selector), None);
        assert_eq!(
            measurement_of(&Selector::default().with("metric", "a b")),
            Some("a b")
        );
    }
}
