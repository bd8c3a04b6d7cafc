//! Metrics: what a number means.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::attributes::Attributes;
use crate::series::SeriesInfo;
use crate::unit::Unit;
use crate::value::{Number, ValueType};

/// How the values of a metric relate to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// The state at the time of the sample; may rise and fall.
    Gauge,
    /// The amount since the previous sample of the same series.
    Delta,
    /// The amount since some start; never falls but for a restart of what is counted.
    Counter,
}

words! {
    MetricKind {
        Gauge: "gauge",
        Delta: "delta",
        Counter: "counter",
    }
}

/// How the values of a metric are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Quality {
    /// Read from a sensor or a counter.
    #[default]
    Measured,
    /// Computed from measured values by a model of the hardware or of its use.
    Modelled,
    /// Computed from assumptions, such as a nominal power.
    Estimated,
}

words! {
    Quality {
        Measured: "measured",
        Modelled: "modelled",
        Estimated: "estimated",
    }
}

/// What the numbers of a group of series mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// The unique name, in `snake_case`.
    pub name: Cow<'static, str>,
    /// How the values relate to time.
    pub kind: MetricKind,
    /// The type of the values.
    pub value_type: ValueType,
    /// The unit of the values.
    pub unit: Unit,
    /// One sentence for people.
    pub description: Cow<'static, str>,
    /// How the values are known.
    pub quality: Quality,
}

impl Metric {
    /// Whether samples of both metrics can be mixed: same name, kind, type, unit and quality.
    ///
    /// The description does not count: two plugins may word it differently.
    pub fn is_compatible_with(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.value_type == other.value_type
            && self.unit == other.unit
            && self.quality == other.quality
    }

    /// The attributes of a series for a destination that has no other place for the quality of its metric: with
    /// [`SeriesInfo::QUALITY`], unless this is measured.
    pub fn with_quality<'a>(&self, attributes: &'a Attributes) -> Cow<'a, Attributes> {
        match self.quality {
            Quality::Measured => Cow::Borrowed(attributes),
            _ if attributes.get(SeriesInfo::QUALITY).is_some() => Cow::Borrowed(attributes),
            quality => Cow::Owned(attributes.with(SeriesInfo::QUALITY, quality.name())),
        }
    }
}

/// `name (delta u64, mJ)`.
impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} {}, {})",
            self.name,
            self.kind,
            self.value_type,
            self.unit.code()
        )
    }
}

/// A metric that a plugin defines as a constant, in its table of [`metrics!`](crate::metrics).
#[derive(Debug, Clone)]
pub struct MetricDef<T> {
    #[doc(hidden)]
    pub doc: MetricDoc,
    #[doc(hidden)]
    pub value: PhantomData<fn() -> T>,
}

impl<T: Number> MetricDef<T> {
    /// The metric as data.
    pub fn metric(&self) -> Metric {
        self.doc.metric()
    }

    /// The unique name.
    pub const fn name(&self) -> &'static str {
        self.doc.name
    }
}

/// A row of the metric catalogue: a metric and where its series are found.
#[derive(Debug, Clone)]
pub struct MetricDoc {
    /// The unique name.
    pub name: &'static str,
    /// How the values relate to time.
    pub kind: MetricKind,
    /// The type of the values.
    pub value_type: ValueType,
    /// The unit of the values.
    pub unit: Unit,
    /// One sentence for people.
    pub description: &'static str,
    /// How the values are known.
    pub quality: Quality,
    /// The kinds of resources that have it.
    pub resources: &'static [&'static str],
    /// The kinds of consumers that have it.
    pub consumers: &'static [&'static str],
    /// The attributes of its series, as `key` or `key=value|value`.
    pub attributes: &'static [&'static str],
}

impl MetricDoc {
    /// The keys of the attributes of its series.
    pub fn attribute_keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        let declared = self.attributes.iter();
        declared.map(|attribute| attribute.split_once('=').map_or(*attribute, |(key, _)| key))
    }

    /// The metric without its documentation.
    pub fn metric(&self) -> Metric {
        Metric {
            name: Cow::Borrowed(self.name),
            kind: self.kind,
            value_type: self.value_type,
            unit: self.unit.clone(),
            description: Cow::Borrowed(self.description),
            quality: self.quality,
        }
    }
}

/// Defines the metrics of a plugin as one table: a constant for each, and `fn all()` that lists them.
///
/// ```
/// use alumet_core::unit::Unit;
///
/// alumet_core::metrics! {
///     pub LOAD_AVERAGE = Gauge<f64> {
///         name: "load_average",
///         unit: Unit::ONE,
///         description: "Mean number of runnable or uninterruptible tasks.",
///         attributes: ["window=1m|5m|15m"],
///     };
/// }
///
/// assert_eq!(LOAD_AVERAGE.name(), "load_average");
/// assert_eq!(all().len(), 1);
/// ```
///
/// A module has one table: two would define `all` twice.
///
/// `quality: Modelled` or `quality: Estimated` may follow the description; without it the metric is measured. Then come
/// `resources: ["cpu_core"]`, `consumers: ["process"]` and `attributes: […]`, in this order; without them the resource and the
/// consumer are the local machine, and there are no attributes.
#[macro_export]
macro_rules! metrics {
    ($(
        $(#[$meta:meta])*
        $vis:vis $constant:ident = $kind:ident<$type:ty> {
            name: $name:literal,
            unit: $unit:expr,
            description: $description:literal,
            $(quality: $quality:ident,)?
            $(resources: [$($resource:literal),* $(,)?],)?
            $(consumers: [$($consumer:literal),* $(,)?],)?
            $(attributes: [$($attribute:literal),* $(,)?] $(,)?)?
        };
    )+) => {
        $(
            $(#[$meta])*
            #[doc = $description]
            $vis const $constant: $crate::metric::MetricDef<$type> = $crate::metric::MetricDef {
                doc: $crate::metric::MetricDoc {
                    name: $name,
                    kind: $crate::metric::MetricKind::$kind,
                    value_type: <$type as $crate::value::Number>::TYPE,
                    unit: $unit,
                    description: $description,
                    quality: $crate::metrics!(@quality $($quality)?),
                    resources: $crate::metrics!(@machine $([$($resource),*])?),
                    consumers: $crate::metrics!(@machine $([$($consumer),*])?),
                    attributes: &[$($($attribute),*)?],
                },
                value: ::std::marker::PhantomData,
            };
        )+

        /// All metrics of this table, in its order.
        pub fn all() -> ::std::vec::Vec<$crate::metric::MetricDoc> {
            ::std::vec![$($constant.doc),+]
        }
    };
    (@machine) => { &["local_machine"] };
    (@machine [$($name:literal),*]) => { &[$($name),*] };
    (@quality) => { $crate::metric::Quality::Measured };
    (@quality $quality:ident) => { $crate::metric::Quality::$quality };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_go_together_only_if_their_samples_mean_the_same() {
        let metric = Metric {
            name: "energy".into(),
            kind: MetricKind::Delta,
            value_type: ValueType::U64,
            unit: Unit::JOULE,
            description: "Energy.".into(),
            quality: Quality::Measured,
        };
        let with = |change: fn(&mut Metric)| {
            let mut other = metric.clone();
            change(&mut other);
            other
        };
        assert!(metric.is_compatible_with(&with(|other| other.description = "Other words.".into())));
        for (what, other) in [
            ("name", with(|other| other.name = "power".into())),
            ("kind", with(|other| other.kind = MetricKind::Counter)),
            ("type", with(|other| other.value_type = ValueType::F64)),
            ("unit", with(|other| other.unit = Unit::JOULE.milli())),
            ("quality", with(|other| other.quality = Quality::Estimated)),
        ] {
            assert!(!metric.is_compatible_with(&other), "{what}");
        }
    }
}
