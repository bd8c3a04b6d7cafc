//! The format: a point of each sample.

use alumet_core::attributes::{AttributeValue, Attributes};
use alumet_core::metric::Quality;
use alumet_core::output::{Delivery, Receipt};
use alumet_core::series::{SeriesId, SeriesInfo};
use alumet_core::unit::Unit;
use alumet_core::{SeriesMap, Value};

use crate::config::Config;
use crate::groups::{Group, Groups, MetricText};
use crate::resource::resource;
use crate::semantic::Semantic;
use crate::stream::{Stream, Sum, is_monotonic, refused};
use crate::wire::{push_attribute, push_bytes, push_head, push_integer};

/// Makes requests; computes what repeats once per series.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    host: Attributes,
    points: SeriesMap<Point>,
    groups: Groups,
    /// With more groups than this, most may be of series that have retired.
    most_groups: usize,
    streams: SeriesMap<Stream>,
    /// Where streams stood before each sample of the last request.
    before: Vec<(SeriesId, Option<Stream>)>,
}

/// What the points of a series have in common.
#[derive(Debug)]
struct Point {
    /// The beginning: how long it is, and its attributes. Its numbers follow.
    text: Box<[u8]>,
    group: Group,
    sum: Option<Sum>,
    /// The unit of the samples and that of the points, if these differ.
    units: Option<Box<(Unit, Unit)>>,
}

/// The request for a delivery.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The message.
    pub message: Vec<u8>,
    /// How many points it has.
    pub(crate) points: usize,
    /// Samples that have no point, and why.
    pub left_out: Receipt,
}

/// The fields of a `NumberDataPoint` that are numbers of eight bytes, in the order in which they stand here.
const START: u8 = 2 << 3 | 1;
const TIME: u8 = 3 << 3 | 1;
const DOUBLE: u8 = 4 << 3 | 1;
const INTEGER: u8 = 6 << 3 | 1;
/// How long such a field is.
const NUMBER: usize = 9;

/// So many groups are kept in any case.
const SPARE_GROUPS: usize = 1000;

impl Encoder {
    /// An encoder for samples of `host`, whose attributes are given, and of others.
    pub fn new(config: &Config, host: Attributes) -> Self {
        Self {
            config: config.clone(),
            host,
            points: SeriesMap::new(),
            groups: Groups::new("alumet", env!("CARGO_PKG_VERSION")),
            most_groups: SPARE_GROUPS,
            streams: SeriesMap::new(),
            before: Vec::new(),
        }
    }

    /// The request for `delivery`, which follows all before.
    pub fn encode(&mut self, delivery: &Delivery) -> Encoded {
        let Self {
            config,
            host,
            points,
            groups,
            most_groups,
            streams,
            before,
        } = self;
        before.clear();
        let catalog = delivery.catalog();
        let is_full = groups.len() > *most_groups;
        if is_full {
            // Those that are in use come again.
            points.clear();
            groups.clear();
        }
        let mut encoded = Encoded::default();
        for (position, sample) in delivery.samples().enumerate() {
            let point = points.get_or_try_insert_with(sample.series, || {
                let info = catalog.describe(sample.series).ok_or(())?;
                Ok::<_, ()>(Point::new(&info, config, host, groups))
            });
            let Ok(point) = point else {
                encoded.left_out.reject(position, "nobody knows its series");
                continue;
            };
            let Ok(time) = u64::try_from(sample.timestamp.as_nanos()) else {
                encoded
                    .left_out
                    .reject(position, "OTLP knows no time before 1970");
                continue;
            };
            let mut value = sample.value();
            let mut start = None;
            if let Some(sum) = point.sum {
                if let Some(reason) = refused(value) {
                    encoded.left_out.reject(position, reason);
                    continue;
                }
                let stream = streams.get(sample.series).copied();
                let (since, next) = sum.next(stream, time, value);
                streams.insert(sample.series, next);
                before.push((sample.series, stream));
                value = next.value;
                start = Some(since);
            }
            if let Some(units) = &point.units {
                value = Unit::convert(value.as_f64(), &units.0, &units.1).map_or(value, Value::F64);
            }
            groups.add(point.group, |out| {
                out.extend_from_slice(&point.text);
                if let Some(start) = start {
                    push_number(out, START, start);
                }
                push_number(out, TIME, time);
                match value {
                    Value::I64(value) => push_number(out, INTEGER, value.cast_unsigned()),
                    Value::U64(value) if i64::try_from(value).is_ok() => push_number(out, INTEGER, value),
                    other => push_number(out, DOUBLE, other.as_f64().to_bits()),
                }
            });
            encoded.points += 1;
        }
        if is_full {
            *most_groups = SPARE_GROUPS + 2 * groups.len().max(catalog.live_series());
        }
        encoded.message = groups.take();
        encoded
    }

    /// Forgets the last request: its samples come again, or never.
    pub(crate) fn take_back(&mut self) {
        for (series, stream) in self.before.drain(..).rev() {
            match stream {
                Some(stream) => self.streams.insert(series, stream),
                None => self.streams.remove(series),
            };
        }
    }
}

impl Point {
    fn new(info: &SeriesInfo, config: &Config, host: &Attributes, groups: &mut Groups) -> Self {
        let metric = &info.metric;
        let sum = Sum::of(metric, config.temporality);
        let semantic = config.semantic_names.then(|| Semantic::of(info)).flatten();

        let mut resource_text = Vec::new();
        for (key, value) in resource(info, host, config).iter() {
            push_attribute(&mut resource_text, 1, key, value);
        }

        let name = format!("{}{}{}", config.prefix, metric.name, config.suffix);
        let unit = semantic.as_ref().map_or(&metric.unit, |semantic| &semantic.unit);
        let code = match config.use_unit_display_name {
            true => unit.symbol(),
            false => unit.code(),
        };
        let mut head = Vec::new();
        let name = semantic.as_ref().map_or(&*name, |semantic| semantic.name);
        push_bytes(&mut head, 1, name.as_bytes());
        push_bytes(&mut head, 2, metric.description.as_bytes());
        push_bytes(&mut head, 3, code.as_bytes());
        let mut tail = Vec::new();
        if let Some(sum) = sum {
            // Delta is 1, cumulative 2.
            push_integer(&mut tail, 2, 1 + u64::from(sum.is_cumulative()));
            push_integer(&mut tail, 3, is_monotonic(metric.value_type).into());
        }
        let data = if sum.is_some() { 7 } else { 5 };

        let mut attributes = Vec::new();
        for (key, value) in labels(info, config, semantic.as_ref()).iter() {
            push_attribute(&mut attributes, 7, key, value);
        }
        let numbers = NUMBER * if sum.is_some() { 3 } else { 2 };
        let mut text = Vec::new();
        push_head(&mut text, 1, attributes.len() + numbers);
        text.append(&mut attributes);
        Self {
            text: text.into(),
            group: groups.group(resource_text, MetricText { head, data, tail }),
            sum,
            units: (*unit != metric.unit).then(|| Box::new((metric.unit.clone(), unit.clone()))),
        }
    }
}

/// The attributes of the points of a series.
fn labels(info: &SeriesInfo, config: &Config, semantic: Option<&Semantic>) -> Attributes {
    let (resource, consumer) = (info.resource(), info.consumer());
    let mut own: Vec<(&str, AttributeValue)> = vec![
        ("resource_kind", resource.kind().into()),
        ("resource_id", resource.id().into()),
        ("resource_consumer_kind", consumer.kind().into()),
        ("resource_consumer_id", consumer.id().into()),
    ];
    if info.metric.quality != Quality::Measured {
        own.push(("metric_quality", info.metric.quality.to_string().into()));
    }
    own.extend(semantic.into_iter().flat_map(|semantic| semantic.labels.clone()));
    let mut labels: Vec<_> = own
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    if config.add_attributes_to_labels {
        let given = semantic.map_or(info.attributes(), |semantic| &semantic.attributes);
        let name_of = |key: &str| if key.is_empty() { PREFIX } else { key }.to_owned();
        let names = given.names(&RESERVED, name_of, |name| name.insert_str(0, PREFIX));
        labels.extend(
            names
                .into_iter()
                .zip(given.iter().map(|(_, value)| value.clone())),
        );
    }
    labels.into_iter().collect()
}

/// What tells an attribute from what has its name, or has none.
const PREFIX: &str = "alumet_attribute__";

/// Names that this output uses.
const RESERVED: [&str; 8] = [
    "resource_kind",
    "resource_id",
    "resource_consumer_kind",
    "resource_consumer_id",
    "metric_quality",
    "hw.id",
    "hw.type",
    "alumet.metric",
];

fn push_number(out: &mut Vec<u8>, tag: u8, value: u64) {
    let mut field = [tag; NUMBER];
    field[1..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&field);
}

#[cfg(test)]
mod tests {
    use alumet_core::catalog::Catalog;
    use alumet_core::metric::{Metric, MetricKind};
    use alumet_core::series::SeriesKey;
    use alumet_core::time::Moment;
    use alumet_core::{Consumer, Resource, Timestamp, ValueType};
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use prost::Message;

    use super::*;

    #[test]
    fn what_was_made_for_series_that_have_retired_does_not_grow_without_end() {
        let catalog = Catalog::new();
        let mut encoder = Encoder::new(&Config::default(), Attributes::EMPTY);
        for round in 0..20 {
            let metric = Metric {
                name: "time".into(),
                kind: MetricKind::Gauge,
                value_type: ValueType::U64,
                unit: Unit::SECOND,
                description: "".into(),
                quality: Quality::Measured,
            };
            let metric = catalog.register_metric(metric).unwrap();
            let mut batch = catalog.batch();
            for process in 0..900 {
                let series = catalog.register(SeriesKey {
                    metric,
                    resource: Resource::LocalMachine,
                    consumer: Consumer::Process {
                        pid: round * 900 + process,
                    },
                    attributes: Attributes::EMPTY,
                });
                batch
                    .push_value(&series, Timestamp::from_nanos(1), Value::U64(1))
                    .unwrap();
            }
            let encoded = encoder.encode(&Delivery::of(batch, Moment::default()));
            let request = ExportMetricsServiceRequest::decode(&*encoded.message).unwrap();
            assert_eq!(request.resource_metrics.len(), 900);
            // Nobody has a handle of any.
            assert!(encoder.groups.len() <= SPARE_GROUPS + 3 * 900);
        }
    }
}
