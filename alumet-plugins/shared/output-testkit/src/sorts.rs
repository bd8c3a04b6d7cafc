//! Samples of every sort.

use std::borrow::Cow;

use alumet_core::attributes::Attributes;
use alumet_core::batch::Batch;
use alumet_core::catalog::Catalog;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::series::SeriesKey;
use alumet_core::unit::Unit;
use alumet_core::value::{Value, ValueType};
use alumet_core::{Consumer, Resource, Timestamp};

/// Text that formats stumble over.
pub const ODD_TEXTS: [&str; 18] = [
    "",
    "plain",
    "two words",
    "comma, equals=sign",
    "\"quoted\" and 'so'",
    "ends in a backslash\\",
    "back\\slash \\\" \\n",
    "two\nlines",
    "return\r\nand\ttab",
    "control \u{1}\u{1b}[31m\u{7f}",
    "ünïcödé 電力 🔋",
    "{json: [1, null]}",
    "$dollar.and.dots",
    "#comment",
    "100 % %0A %41",
    "-1.5e3",
    "true",
    "_leading",
];

/// Values of each type that do not survive a conversion to another.
const VALUES: [Value; 14] = [
    Value::U64(0),
    Value::U64(1),
    Value::U64((1 << 53) + 1),
    Value::U64(i64::MAX as u64),
    Value::U64(u64::MAX),
    Value::I64(-1),
    Value::I64(i64::MAX),
    Value::I64(i64::MIN),
    Value::F64(0.1),
    Value::F64(-1.5e300),
    Value::F64(5e-324),
    Value::F64(f64::NAN),
    Value::F64(f64::INFINITY),
    Value::F64(f64::NEG_INFINITY),
];

/// Samples of all kinds, types, units, types of attributes and odd texts, each of a series of its own, one nanosecond after
/// the other from `first` on.
pub fn samples_of_every_sort(catalog: &Catalog, first: Timestamp) -> Batch {
    let mut sorts = Sorts {
        batch: catalog.batch(),
        next: first.as_nanos(),
    };
    for kind in [MetricKind::Gauge, MetricKind::Delta, MetricKind::Counter] {
        for (number, value) in VALUES.into_iter().enumerate() {
            let metric = metric(
                format!("{kind}_{}", value.value_type()),
                kind,
                value.value_type(),
                Unit::ONE,
            );
            sorts.push(metric, Attributes::EMPTY.with("number", number as u64), value);
        }
    }
    let units = [
        Unit::JOULE,
        Unit::JOULE.milli(),
        Unit::WATT_HOUR,
        Unit::SECOND.nano(),
        Unit::BYTE.kibi(),
        Unit::PERCENT,
        Unit::CELSIUS,
        Unit::custom("g{CO2eq}", "gCO2"),
    ];
    for unit in units {
        let name = format!(
            "in_{}",
            unit.code().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
        );
        let metric = metric(name, MetricKind::Gauge, ValueType::F64, unit);
        sorts.push(metric, Attributes::EMPTY, Value::F64(2.5));
    }
    let texts = || metric("texts", MetricKind::Gauge, ValueType::U64, Unit::ONE);
    let long = "long ".repeat(2000);
    for (number, text) in ODD_TEXTS.into_iter().chain([&*long]).enumerate() {
        let as_value = Attributes::EMPTY.with("text", text).with("number", number as u64);
        sorts.push(texts(), as_value, Value::U64(number as u64));
        if !text.is_empty() && text.len() < 100 {
            let as_key = Attributes::EMPTY.with(text.to_owned(), number as u64);
            sorts.push(texts(), as_key, Value::U64(number as u64));
        }
    }
    let of_types = Attributes::EMPTY
        .with("u", u64::MAX)
        .with("i", i64::MIN)
        .with("f", 0.1)
        .with("yes", true)
        .with("list", vec![1, 2, 3]);
    sorts.push(texts(), of_types, Value::U64(100));
    // What outputs call their own.
    let reserved = [
        "value",
        "timestamp",
        "time",
        "unit",
        "kind",
        "metric",
        "name",
        "_id",
        "resource_kind",
        "resource_id",
        "resource_consumer_kind",
        "resource_consumer_id",
        "consumer_kind",
        "consumer_id",
        "le",
        "job",
        "instance",
    ];
    let reserved = reserved.into_iter().fold(Attributes::EMPTY, |attributes, key| {
        attributes.with(key, format!("the {key}"))
    });
    sorts.push(texts(), reserved, Value::U64(101));
    sorts.batch
}

/// A sample whose attributes have these keys, each with its key as its value.
pub fn with_attributes(catalog: &Catalog, keys: &[&'static str]) -> Batch {
    let mut sorts = Sorts {
        batch: catalog.batch(),
        next: 1_800_000_000_000_000_000,
    };
    let metric = metric("texts", MetricKind::Gauge, ValueType::U64, Unit::ONE);
    let attributes = keys.iter().map(|key| (*key, *key)).collect();
    sorts.push(metric, attributes, Value::U64(1));
    sorts.batch
}

struct Sorts {
    batch: Batch,
    next: i64,
}

impl Sorts {
    fn push(&mut self, metric: Metric, attributes: Attributes, value: Value) {
        let catalog = self.batch.catalog().clone();
        let series = catalog.register(SeriesKey {
            metric: catalog.register_metric(metric).unwrap(),
            resource: Resource::CpuPackage { id: 0 },
            consumer: Consumer::Process { pid: 4711 },
            attributes,
        });
        let timestamp = Timestamp::from_nanos(self.next);
        self.next += 1;
        self.batch.push_value(&series, timestamp, value).unwrap();
    }
}

fn metric(name: impl Into<Cow<'static, str>>, kind: MetricKind, value_type: ValueType, unit: Unit) -> Metric {
    Metric {
        name: name.into(),
        kind,
        value_type,
        unit,
        description: Cow::Borrowed("For tests: \"quotes\" and \\ and\na line."),
        quality: Quality::Measured,
    }
}
