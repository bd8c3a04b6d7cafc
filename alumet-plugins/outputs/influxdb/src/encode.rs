//! The format: a line of each sample.

use alumet_core::attributes::AttributeValue;
use alumet_core::catalog::Catalog;
use alumet_core::metric::Quality;
use alumet_core::output::{Delivery, Receipt};
use alumet_core::series::{SeriesId, SeriesInfo};
use alumet_core::{SeriesMap, Value};
use hashbrown::HashMap;

use crate::config::{Config, UnsignedAs};
use crate::text::{push_key, push_measurement, push_string};

/// Makes lines; computes what repeats once per series.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    lines: SeriesMap<Line>,
    /// Measurements with their tags, if there are fields that could tell apart what has the same.
    points: HashMap<Box<str>, SeriesId>,
}

/// All of a line but its value and its time: what stands before and between them.
#[derive(Debug)]
struct Line {
    text: Box<str>,
    /// Where the value goes.
    middle: usize,
}

/// The lines of a delivery.
#[derive(Debug, Default)]
pub struct Lines {
    /// The text.
    pub text: Vec<u8>,
    /// Samples that have no line, and why.
    pub left_out: Receipt,
}

/// Names that the server or this output uses.
const RESERVED: [&str; 9] = [
    "value",
    "time",
    "resource_kind",
    "resource_id",
    "resource_consumer_kind",
    "resource_consumer_id",
    "metric_unit",
    "metric_kind",
    "metric_quality",
];

/// What tells an attribute from what has its name.
const PREFIX: &str = "alumet_attribute__";

impl Encoder {
    /// An encoder for a server as it is configured.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            lines: SeriesMap::new(),
            points: HashMap::new(),
        }
    }

    /// The lines of `delivery`.
    pub fn encode(&mut self, delivery: &Delivery) -> Lines {
        let Self {
            config,
            lines,
            points,
        } = self;
        let unsigned_as = config.unsigned_as();
        let mut encoded = Lines::default();
        // More than lines usually have: what is not used costs nothing, and growing would copy.
        encoded.text.reserve(delivery.len() * 320);
        for (position, sample) in delivery.samples().enumerate() {
            let line = lines.get_or_try_insert_with(sample.series, || {
                let catalog = delivery.catalog();
                let info = catalog.describe(sample.series).ok_or(())?;
                Ok::<_, ()>(Line::new(&info, config, |point| {
                    tell_apart(points, point, sample.series, &info, catalog);
                }))
            });
            let Ok(line) = line else {
                encoded.left_out.reject(position, "nobody knows its series");
                continue;
            };
            let (before, after) = line.text.split_at(line.middle);
            let (mut integer, mut float) = (itoa::Buffer::new(), zmij::Buffer::new());
            let (number, suffix) = match sample.value() {
                Value::U64(value) if unsigned_as == UnsignedAs::Integer && i64::try_from(value).is_err() => {
                    let reason = "a signed integer is too small for it; see `unsigned_as`";
                    encoded.left_out.reject(position, reason);
                    continue;
                }
                Value::U64(value) => (integer.format(value), suffix_of(unsigned_as)),
                Value::I64(value) => (integer.format(value), "i"),
                Value::F64(value) if !value.is_finite() => {
                    let reason = "line protocol has neither NaN nor infinities";
                    encoded.left_out.reject(position, reason);
                    continue;
                }
                Value::F64(value) => (float.format(value), ""),
            };
            let text = &mut encoded.text;
            for part in [before, number, suffix, after] {
                text.extend_from_slice(part.as_bytes());
            }
            text.extend_from_slice(itoa::Buffer::new().format(sample.timestamp.as_nanos()).as_bytes());
            text.push(b'\n');
        }
        encoded
    }
}

impl Line {
    /// `at_fields` is given what identifies the point for the server if there are fields beside the value.
    fn new(info: &SeriesInfo, config: &Config, at_fields: impl FnOnce(&str)) -> Self {
        let (resource, consumer, metric) = (info.resource(), info.consumer(), &info.metric);
        let (resource_id, consumer_id) = (resource.id(), consumer.id());
        let mut tags = vec![
            ("resource_kind".to_owned(), resource.kind().to_owned()),
            ("resource_id".to_owned(), resource_id.into_owned()),
            ("resource_consumer_kind".to_owned(), consumer.kind().to_owned()),
            ("resource_consumer_id".to_owned(), consumer_id.into_owned()),
        ];
        if config.describe_metrics {
            tags.push(("metric_unit".to_owned(), metric.unit.code().into_owned()));
            tags.push(("metric_kind".to_owned(), metric.kind.to_string()));
            if metric.quality != Quality::Measured {
                tags.push(("metric_quality".to_owned(), metric.quality.to_string()));
            }
        }
        let mut fields = String::new();
        let attributes = info.attributes();
        let names = attributes.names(&RESERVED, name_of, |name| name.insert_str(0, PREFIX));
        for ((key, value), name) in attributes.iter().zip(names) {
            if config.is_tag(key) {
                tags.push((name, value.to_string()));
            } else {
                push_field(&mut fields, &name, value, config.unsigned_as());
            }
        }
        // Servers sort them otherwise.
        tags.sort_unstable();
        let mut text = String::new();
        push_measurement(&mut text, &metric.name);
        // To the server, an empty tag is a missing one, and a syntax error.
        for (key, value) in tags.iter().filter(|(_, value)| !value.is_empty()) {
            text.push(',');
            push_key(&mut text, key);
            text.push('=');
            push_key(&mut text, value);
        }
        if !fields.is_empty() {
            at_fields(&text);
        }
        text.push_str(" value=");
        let middle = text.len();
        text.push_str(&fields);
        text.push(' ');
        Self {
            text: text.into(),
            middle,
        }
    }
}

/// The name of an attribute, unless it is another's.
fn name_of(key: &str) -> String {
    // Those that begin with an underscore are the server's.
    match key.is_empty() || key.starts_with('_') {
        true => format!("{PREFIX}{key}"),
        false => key.to_owned(),
    }
}

/// Appends a field after others.
fn push_field(out: &mut String, name: &str, value: &AttributeValue, unsigned_as: UnsignedAs) {
    let is_number = |value: &f64| value.is_finite();
    let text = match value {
        AttributeValue::U64(value) if unsigned_as != UnsignedAs::Integer || i64::try_from(*value).is_ok() => {
            format!("{value}{}", suffix_of(unsigned_as))
        }
        AttributeValue::I64(value) => format!("{value}i"),
        AttributeValue::F64(value) if is_number(value) => zmij::Buffer::new().format(*value).to_owned(),
        AttributeValue::Bool(value) => value.to_string(),
        // Numbers that are none to the server as well.
        other => {
            let mut text = String::new();
            push_string(&mut text, &other.to_string());
            text
        }
    };
    out.push(',');
    push_key(out, name);
    out.push('=');
    out.push_str(&text);
}

const fn suffix_of(unsigned_as: UnsignedAs) -> &'static str {
    match unsigned_as {
        UnsignedAs::Unsigned => "u",
        UnsignedAs::Integer => "i",
        UnsignedAs::Float => "",
    }
}

/// Warns if another series that lives has the same measurement and tags.
fn tell_apart(
    points: &mut HashMap<Box<str>, SeriesId>,
    point: &str,
    series: SeriesId,
    info: &SeriesInfo,
    catalog: &Catalog,
) {
    let other = points.insert(point.into(), series);
    if other.is_some_and(|other| other != series && catalog.is_live(other)) {
        tracing::warn!(
            series = %info,
            "series of this metric differ only in fields, so the server keeps one sample of all that have the same time; \
             name the attribute that tells them apart in `attributes_as_tags`"
        );
    }
}
