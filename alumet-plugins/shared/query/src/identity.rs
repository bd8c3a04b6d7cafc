use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use alumet_core::attributes::{AttributeKey, AttributeValue, Attributes};
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::series::SeriesInfo;
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Consumer, Resource};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a stored series is: the same as [`SeriesInfo`], but of no catalog.
///
/// Two are the same series if their metrics are [compatible](Metric::is_compatible_with) and all else is equal.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What its values mean.
    pub metric: Arc<Metric>,
    /// What is measured.
    pub resource: Resource,
    /// Who uses it.
    pub consumer: Consumer,
    /// Everything else.
    pub attributes: Attributes,
}

/// Something that series have, by which they are selected and grouped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Label {
    /// The name of the metric: `metric`.
    Metric,
    /// The code of the unit: `unit`.
    Unit,
    /// How the values are known: `quality`.
    Quality,
    /// `resource_kind`
    ResourceKind,
    /// `resource_id`
    ResourceId,
    /// `consumer_kind`
    ConsumerKind,
    /// `consumer_id`
    ConsumerId,
    /// The attribute of this name.
    Attribute(String),
}

/// The labels that are no attributes.
const FIXED: [(&str, Label); 7] = [
    ("metric", Label::Metric),
    ("unit", Label::Unit),
    ("quality", Label::Quality),
    ("resource_kind", Label::ResourceKind),
    ("resource_id", Label::ResourceId),
    ("consumer_kind", Label::ConsumerKind),
    ("consumer_id", Label::ConsumerId),
];

impl Label {
    /// The labels that every series has.
    pub fn fixed() -> impl Iterator<Item = Self> {
        FIXED.into_iter().map(|(_, label)| label)
    }

    /// How it is written.
    pub fn name(&self) -> &str {
        match self {
            Self::Attribute(key) => key,
            fixed => FIXED
                .iter()
                .find(|(_, label)| label == fixed)
                .map_or("", |(name, _)| name),
        }
    }
}

impl From<String> for Label {
    fn from(name: String) -> Self {
        let fixed = FIXED.into_iter().find(|(fixed, _)| *fixed == name);
        fixed.map_or(Self::Attribute(name), |(_, label)| label)
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.name().to_owned()
    }
}

impl Identity {
    /// That of a series of a catalog.
    pub fn of(series: &SeriesInfo) -> Self {
        Self {
            metric: Arc::clone(&series.metric),
            resource: series.resource().clone(),
            consumer: series.consumer().clone(),
            attributes: series.attributes().clone(),
        }
    }

    /// The text of a label; `None` for an attribute that the series does not have.
    pub fn label(&self, label: &Label) -> Option<Cow<'_, str>> {
        Some(match label {
            Label::Metric => Cow::Borrowed(&*self.metric.name),
            Label::Unit => self.metric.unit.code(),
            Label::Quality => self.metric.quality.name().into(),
            Label::ResourceKind => self.resource.kind().into(),
            Label::ResourceId => self.resource.id(),
            Label::ConsumerKind => self.consumer.kind().into(),
            Label::ConsumerId => self.consumer.id(),
            Label::Attribute(key) => match self.attributes.get(key)? {
                AttributeValue::Text(text) => Cow::Borrowed(&**text),
                other => Cow::Owned(other.to_string()),
            },
        })
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.metric.is_compatible_with(&other.metric)
            && self.resource == other.resource
            && self.consumer == other.consumer
            && self.attributes == other.attributes
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let metric = &self.metric;
        (
            &metric.name,
            metric.kind,
            metric.value_type,
            &metric.unit,
            metric.quality,
        )
            .hash(state);
        (&self.resource, &self.consumer, &self.attributes).hash(state);
    }
}

/// `metric resource consumer {attributes}`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            metric,
            resource,
            consumer,
            attributes,
        } = self;
        write!(f, "{} {resource} {consumer} {attributes}", metric.name)
    }
}

/// How an identity is written: flat, with the names of [`Label`].
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    metric: Cow<'a, str>,
    kind: Cow<'a, str>,
    r#type: Cow<'a, str>,
    unit: Cow<'a, str>,
    quality: Cow<'a, str>,
    #[serde(default)]
    description: Cow<'a, str>,
    resource_kind: Cow<'a, str>,
    resource_id: Cow<'a, str>,
    consumer_kind: Cow<'a, str>,
    consumer_id: Cow<'a, str>,
    attributes: Vec<(Cow<'a, str>, WrittenValue)>,
}

/// An attribute with its type, so that what is read is the same series as what was written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenValue {
    U64(u64),
    I64(i64),
    /// As bits: JSON has no infinity.
    F64(u64),
    Bool(bool),
    Text(Arc<str>),
    List(Arc<[u64]>),
}

impl From<&AttributeValue> for WrittenValue {
    fn from(value: &AttributeValue) -> Self {
        match value {
            AttributeValue::U64(value) => Self::U64(*value),
            AttributeValue::I64(value) => Self::I64(*value),
            AttributeValue::F64(value) => Self::F64(value.to_bits()),
            AttributeValue::Bool(value) => Self::Bool(*value),
            AttributeValue::Text(text) => Self::Text(Arc::clone(text)),
            AttributeValue::ListU64(list) => Self::List(Arc::clone(list)),
        }
    }
}

impl From<WrittenValue> for AttributeValue {
    fn from(value: WrittenValue) -> Self {
        match value {
            WrittenValue::U64(value) => Self::U64(value),
            WrittenValue::I64(value) => Self::I64(value),
            WrittenValue::F64(bits) => Self::F64(f64::from_bits(bits)),
            WrittenValue::Bool(value) => Self::Bool(value),
            WrittenValue::Text(text) => Self::Text(text),
            WrittenValue::List(list) => Self::ListU64(list),
        }
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes = self.attributes.iter();
        Written {
            metric: Cow::Borrowed(&self.metric.name),
            kind: self.metric.kind.name().into(),
            r#type: self.metric.value_type.name().into(),
            unit: self.metric.unit.code(),
            quality: self.metric.quality.name().into(),
            description: Cow::Borrowed(&self.metric.description),
            resource_kind: self.resource.kind().into(),
            resource_id: self.resource.id(),
            consumer_kind: self.consumer.kind().into(),
            consumer_id: self.consumer.id(),
            attributes: attributes
                .map(|(key, value)| (Cow::Borrowed(&**key), value.into()))
                .collect(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let kind = named(MetricKind::ALL, &written.kind, MetricKind::name)?;
        let value_type = named(ValueType::ALL, &written.r#type, ValueType::name)?;
        let quality = named(Quality::ALL, &written.quality, Quality::name)?;
        let attributes = written.attributes.into_iter();
        Ok(Self {
            metric: Arc::new(Metric {
                name: written.metric.into_owned().into(),
                kind,
                value_type,
                unit: Unit::parse(&written.unit),
                description: written.description.into_owned().into(),
                quality,
            }),
            resource: Resource::new(&written.resource_kind, &written.resource_id),
            consumer: Consumer::new(&written.consumer_kind, &written.consumer_id),
            attributes: attributes
                .map(|(key, value)| (AttributeKey::Owned(key.into_owned()), AttributeValue::from(value)))
                .collect(),
        })
    }
}

/// The one of this name.
fn named<T: Copy, E: serde::de::Error>(all: &[T], text: &str, name: fn(T) -> &'static str) -> Result<T, E> {
    let found = all.iter().find(|one| name(**one) == text).copied();
    found.ok_or_else(|| E::custom(format!("nothing is called `{text}` here")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let attributes = Attributes::EMPTY
            .with("node", "n1")
            .with("cores", vec![1, 2])
            .with("share", f64::INFINITY)
            .with("offset", -1_i64)
            .with("on", true)
            .with("count", 7_u64);
        Identity {
            metric: Arc::new(Metric {
                name: "energy".into(),
                kind: MetricKind::Delta,
                value_type: ValueType::F64,
                unit: Unit::JOULE.milli(),
                description: "Energy.".into(),
                quality: Quality::Modelled,
            }),
            resource: Resource::CpuPackage { id: 1 },
            consumer: Consumer::Process { pid: 4711 },
            attributes,
        }
    }

    #[test]
    fn an_identity_survives_its_json() {
        let identity = identity();
        let text = serde_json::to_string(&identity).unwrap();
        let read: Identity = serde_json::from_str(&text).unwrap();
        assert_eq!(read, identity, "{text}");
        assert_eq!(read.metric, identity.metric);
    }

    #[test]
    fn every_label_has_its_text() {
        let identity = identity();
        let texts: Vec<_> = Label::fixed()
            .chain(["cores".into(), "rack".into()])
            .map(|label| identity.label(&label).map(Cow::into_owned))
            .collect();
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        assert_eq!(
            texts,
            [
                Some("energy"),
                Some("mJ"),
                Some("modelled"),
                Some("cpu_package"),
                Some("1"),
                Some("process"),
                Some("4711"),
                Some("1,2"),
                None
            ]
        );
    }

    #[test]
    fn every_label_survives_its_name() {
        for label in Label::fixed().chain(["rack".into()]) {
            assert_eq!(Label::from(label.name()), label);
        }
    }
}
