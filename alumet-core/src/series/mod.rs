//! Series: metric, resource, consumer and attributes, registered once; a sample names its series by a small id.

mod map;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::attributes::{AttributeKey, AttributeValue, Attributes};
use crate::catalog::{Catalog, MetricId};
use crate::consumer::Consumer;
use crate::metric::Metric;
use crate::resource::Resource;
use crate::value::{Number, ValueType};

pub use map::SeriesMap;

/// What tells one series from all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesKey {
    /// The metric, registered in the same catalog.
    pub metric: MetricId,
    /// What is measured.
    pub resource: Resource,
    /// Who uses it.
    pub consumer: Consumer,
    /// Everything else.
    pub attributes: Attributes,
}

/// The name of a series in a sample: 8 bytes that also tell the type of the values.
///
/// An id stays valid as long as a handle of the series or a batch that may name it exists; then its slot is used for
/// another series, under another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeriesId {
    slot: u32,
    /// Generation of the slot in the upper 30 bits, value type in the lower two.
    tag: u32,
}

impl SeriesId {
    pub(crate) const fn new(slot: u32, generation: u32, value_type: ValueType) -> Self {
        Self {
            slot,
            tag: generation << 2 | value_type as u32,
        }
    }

    /// The position in a dense table of series.
    pub(crate) const fn slot(self) -> usize {
        self.slot as usize
    }

    pub(crate) const fn generation(self) -> u32 {
        self.tag >> 2
    }

    /// The type of all values of this series.
    pub const fn value_type(self) -> ValueType {
        ValueType::from_tag(self.tag)
    }
}

/// `slot.generation`.
impl fmt::Debug for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation())
    }
}

/// What a [`SeriesId`] stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesInfo {
    /// The key under which the series is registered.
    pub key: SeriesKey,
    /// The metric of the key.
    pub metric: Arc<Metric>,
}

impl SeriesInfo {
    /// The key under which [`Self::attributes_with_quality`] has the quality.
    pub const QUALITY: &'static str = "metric_quality";

    /// What is measured.
    pub const fn resource(&self) -> &Resource {
        &self.key.resource
    }

    /// Who uses it.
    pub const fn consumer(&self) -> &Consumer {
        &self.key.consumer
    }

    /// Everything else.
    pub const fn attributes(&self) -> &Attributes {
        &self.key.attributes
    }

    /// The attributes for a destination that has no other place for the quality of a metric: with `metric_quality`, unless the
    /// metric is measured.
    pub fn attributes_with_quality(&self) -> Cow<'_, Attributes> {
        self.metric.with_quality(self.attributes())
    }
}

/// `metric resource consumer {attributes}`.
impl fmt::Display for SeriesInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.metric.name, self.key.resource, self.key.consumer, self.key.attributes
        )
    }
}

/// Retires its series when the last handle is dropped.
pub(crate) struct Registration {
    pub(crate) id: SeriesId,
    pub(crate) catalog: Catalog,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.catalog.retire(self.id);
    }
}

/// Keeps a series registered; the type of its values is known at run time. Cheap to clone.
#[derive(Clone)]
pub struct SeriesHandle {
    id: SeriesId,
    /// Shared by all clones: the last one that is dropped retires the series.
    _registration: Arc<Registration>,
}

impl SeriesHandle {
    pub(crate) fn new(registration: Arc<Registration>) -> Self {
        Self {
            id: registration.id,
            _registration: registration,
        }
    }

    /// The id of the series.
    pub const fn id(&self) -> SeriesId {
        self.id
    }
}

impl fmt::Debug for SeriesHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeriesHandle({:?})", self.id)
    }
}

/// Keeps a series registered and takes values of type `T`; what a source pushes to. Cheap to clone.
///
/// When the last clone is dropped, the series retires.
#[derive(Debug, Clone)]
pub struct Series<T> {
    handle: SeriesHandle,
    value: PhantomData<fn(T)>,
}

impl<T: Number> Series<T> {
    /// The id of the series.
    pub const fn id(&self) -> SeriesId {
        self.handle.id
    }

    /// The handle without the type.
    pub const fn handle(&self) -> &SeriesHandle {
        &self.handle
    }
}

/// Describes a series that is about to be registered; made by [`Catalog::series`].
#[derive(Debug, Clone)]
#[must_use = "a series exists only after `register`"]
pub struct SeriesBuilder<'a, T> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) key: SeriesKey,
    pub(crate) value: PhantomData<fn(T)>,
}

impl<T: Number> SeriesBuilder<'_, T> {
    /// Adds one attribute; a value that the key had is replaced.
    pub fn attribute(mut self, key: impl Into<AttributeKey>, value: impl Into<AttributeValue>) -> Self {
        self.key.attributes = self.key.attributes.with(key, value);
        self
    }

    /// Adds all of `attributes`.
    pub fn attributes(mut self, attributes: &Attributes) -> Self {
        self.key.attributes = if self.key.attributes.is_empty() {
            // Shared by all series that get the same set.
            attributes.clone()
        } else {
            self.key
                .attributes
                .iter()
                .chain(attributes.iter())
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect()
        };
        self
    }

    /// Registers the series, or finds it if the same key is registered already.
    pub fn register(self) -> Series<T> {
        // The typed metric handle of the builder guarantees the type.
        Series {
            handle: self.catalog.register(self.key),
            value: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::catalog_with_metric;

    #[test]
    fn attributes_of_a_series_add_up_and_the_last_value_of_a_key_stays() {
        let (catalog, metric) = catalog_with_metric();
        let builder = || catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
        let shared = Attributes::from_iter([("a", 1_u64), ("b", 2)]);
        for (series, expected) in [
            (builder().attributes(&shared), "{a=1, b=2}"),
            (builder().attributes(&Attributes::EMPTY), "{}"),
            (
                builder().attribute("c", 3_u64).attributes(&Attributes::EMPTY),
                "{c=3}",
            ),
            (builder().attribute("b", 9_u64).attributes(&shared), "{a=1, b=2}"),
            (builder().attributes(&shared).attribute("b", 9_u64), "{a=1, b=9}"),
            (
                builder().attribute("c", 3_u64).attributes(&shared),
                "{a=1, b=2, c=3}",
            ),
        ] {
            assert_eq!(series.key.attributes.to_string(), expected);
        }
    }
}
