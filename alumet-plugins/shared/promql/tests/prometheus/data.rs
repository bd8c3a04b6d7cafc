//! Samples of two hours, as a backend has them and as Prometheus would have scraped them.

use std::fmt::Write;
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::unit::Unit;
use alumet_core::value::{Value, ValueType};
use alumet_core::{Attributes, Consumer, Resource, Timestamp};
use alumet_shared_query::Identity;
use alumet_shared_query::testkit::Listed;

/// When the first samples are, in seconds since 1970.
pub(crate) const START: i64 = 1_700_000_000;

/// From one sample to the next, in milliseconds.
const INTERVAL: i64 = 10_000;

struct Kind {
    metric: Metric,
    /// The name of the family, and of its samples.
    family: &'static str,
    sample: &'static str,
    /// How many of its unit are one of Prometheus.
    per_unit: f64,
}

/// Both sides of the same samples: the backend, and OpenMetrics.
pub(crate) fn data() -> (Listed, String) {
    let listed = Listed::default();
    let mut text = String::new();
    let mut random = 1_u64;
    // A linear congruential generator (Knuth, "MMIX"), the same numbers each time.
    let mut random = move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        random >> 40
    };
    let metric = |name: &'static str, kind, value_type, unit, quality| Metric {
        name: name.into(),
        kind,
        value_type,
        unit,
        description: "Something.".into(),
        quality,
    };
    use MetricKind::{Counter, Delta, Gauge};
    for (kind, ids) in [
        (
            Kind {
                metric: metric(
                    "energy",
                    Delta,
                    ValueType::U64,
                    Unit::JOULE.milli(),
                    Quality::Measured,
                ),
                family: "energy_alumet_joules",
                sample: "energy_alumet_joules_total",
                per_unit: 1000.0,
            },
            0..6_u32,
        ),
        (
            Kind {
                metric: metric("power.used", Gauge, ValueType::F64, Unit::WATT, Quality::Modelled),
                family: "power_used_alumet_watts",
                sample: "power_used_alumet_watts",
                per_unit: 1.0,
            },
            0..6,
        ),
        (
            Kind {
                metric: metric(
                    "calls_total",
                    Counter,
                    ValueType::U64,
                    Unit::ONE,
                    Quality::Measured,
                ),
                family: "calls_alumet",
                sample: "calls_alumet_total",
                per_unit: 1.0,
            },
            0..3,
        ),
        (
            Kind {
                metric: metric("odd", Gauge, ValueType::F64, Unit::ONE, Quality::Measured),
                family: "odd_alumet",
                sample: "odd_alumet",
                per_unit: 1.0,
            },
            0..2,
        ),
    ] {
        let (family, is_counter) = (kind.family, kind.metric.kind != Gauge);
        let word = if is_counter { "counter" } else { "gauge" };
        writeln!(text, "# TYPE {family} {word}").unwrap();
        let metric = Arc::new(kind.metric);
        for id in ids {
            let (node, job) = (format!("n{}", id % 3), 10 + id / 2);
            let identity = Identity {
                metric: Arc::clone(&metric),
                resource: Resource::CpuPackage { id },
                consumer: match id % 2 {
                    0 => Consumer::LocalMachine,
                    _ => Consumer::Process { pid: 40 + id },
                },
                attributes: Attributes::EMPTY
                    .with("node", node.clone())
                    .with("job_id", u64::from(job))
                    .with("a.b", "x\"y"),
            };
            let consumer = match id % 2 {
                0 => "resource_consumer_kind=\"local_machine\"".to_owned(),
                _ => format!(
                    "resource_consumer_kind=\"process\",resource_consumer_id=\"{}\"",
                    40 + id
                ),
            };
            let quality = match metric.quality {
                Quality::Measured => "",
                _ => ",metric_quality=\"modelled\"",
            };
            let labels = format!(
                "resource_kind=\"cpu_package\",resource_id=\"{id}\",{consumer},node=\"{node}\",job_id=\"{job}\",\
                 a_b=\"x\\\"y\"{quality}"
            );
            let (mut is_first, mut sum) = (true, 0);
            // Some come later, some end earlier, some pause.
            let indices = match id {
                1 => 60..720,
                2 => 0..300,
                _ => 0..720_i64,
            };
            for index in indices {
                if id == 3 && (200..260).contains(&index) {
                    continue;
                }
                // No sample is at a whole second, where windows end.
                let millis = START * 1000 + index * INTERVAL + 1 + (random() % 900) as i64;
                let number = random() % 5000;
                let (value, shown) = match metric.kind {
                    Delta => {
                        // A delta begins with nothing.
                        let delta = if is_first { 0 } else { number };
                        sum += delta;
                        (Value::U64(delta), sum as f64 / kind.per_unit)
                    }
                    Counter => {
                        sum = if index == 400 {
                            0
                        } else {
                            sum.max(1_000_000) + number
                        };
                        (Value::U64(sum), sum as f64)
                    }
                    Gauge if &*metric.name == "odd" => {
                        let odd = [
                            1.0,
                            f64::NAN,
                            f64::INFINITY,
                            -2.5,
                            f64::NEG_INFINITY,
                            1e-9,
                            1e25,
                            -0.0,
                        ];
                        let value = odd[(number % 8) as usize];
                        (Value::F64(value), value)
                    }
                    Gauge => {
                        let value = number as f64 / 16.0 - 20.0;
                        (Value::F64(value), value)
                    }
                };
                is_first = false;
                listed.push(&identity, Timestamp::from_nanos(millis * 1_000_000), value);
                let shown = match shown {
                    f64::INFINITY => "+Inf".to_owned(),
                    f64::NEG_INFINITY => "-Inf".to_owned(),
                    _ => shown.to_string(),
                };
                let (seconds, rest) = (millis / 1000, millis % 1000);
                writeln!(text, "{}{{{labels}}} {shown} {seconds}.{rest:03}", kind.sample).unwrap();
            }
        }
    }
    text.push_str("# EOF\n");
    (listed, text)
}
