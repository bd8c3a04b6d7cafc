//! Which series are meant: by metric, resource, consumer and attributes.

use std::collections::BTreeMap;

use alumet_core::attributes::AttributeValue;
use alumet_core::series::SeriesInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Selects the series of a metric that have all that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// The name of the metric.
    pub metric: String,
    /// The kind of the resource, such as `cpu_package`; any if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_kind: Option<String>,
    /// The id of the resource, such as `0`; any if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// The kind of the consumer, such as `process`; any if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_kind: Option<String>,
    /// The id of the consumer, such as `/system.slice`; any if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_id: Option<String>,
    /// Every other key is an attribute that the series must have, with this value or one of these.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, Expected>,
}

/// The value that an attribute must have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Expected {
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// One of several.
    Any(Vec<Self>),
}

impl Selector {
    /// All series of a metric.
    pub fn of(metric: impl Into<String>) -> Self {
        Self {
            metric: metric.into(),
            resource_kind: None,
            resource_id: None,
            consumer_kind: None,
            consumer_id: None,
            attributes: BTreeMap::new(),
        }
    }

    /// Those of a kind of resource.
    #[must_use]
    pub fn resource_kind(mut self, kind: impl Into<String>) -> Self {
        self.resource_kind = Some(kind.into());
        self
    }

    /// Those of a kind of consumer.
    #[must_use]
    pub fn consumer_kind(mut self, kind: impl Into<String>) -> Self {
        self.consumer_kind = Some(kind.into());
        self
    }

    /// Those that have an attribute with one of these values.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, values: &[&str]) -> Self {
        let values = values.iter().map(|value| Expected::Text((*value).to_owned()));
        self.attributes
            .insert(key.into(), Expected::Any(values.collect()));
        self
    }

    /// Whether the series is meant.
    pub(crate) fn selects(&self, series: &SeriesInfo) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.metric == series.metric.name
            && is(&self.resource_kind, series.resource().kind())
            && is(&self.resource_id, &series.resource().id())
            && is(&self.consumer_kind, series.consumer().kind())
            && is(&self.consumer_id, &series.consumer().id())
            && self.attributes.iter().all(|(key, expected)| {
                let found = series.attributes().get(key);
                found.is_some_and(|found| expected.is(found))
            })
    }
}

impl Expected {
    fn is(&self, found: &AttributeValue) -> bool {
        match (self, found) {
            (Self::Integer(wanted), AttributeValue::U64(found)) => u64::try_from(*wanted) == Ok(*found),
            (Self::Integer(wanted), AttributeValue::I64(found)) => wanted == found,
            (Self::Integer(wanted), AttributeValue::F64(found)) => *wanted as f64 == *found,
            (Self::Float(wanted), AttributeValue::F64(found)) => wanted == found,
            (Self::Bool(wanted), AttributeValue::Bool(found)) => wanted == found,
            (Self::Text(wanted), AttributeValue::Text(found)) => **wanted == **found,
            (Self::Any(values), found) => values.iter().any(|value| value.is(found)),
            _ => false,
        }
    }
}
