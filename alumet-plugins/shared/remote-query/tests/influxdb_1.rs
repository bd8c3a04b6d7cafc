//! What is read of what the plugin has written into a real server of version 1.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_core::attributes::AttributeValue;
use alumet_core::metric::{Metric, MetricKind};
use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::time::Timestamp;
use alumet_core::value::{Value, ValueType};
use alumet_plugin_influxdb::{AttributesAs, Config, InfluxdbPlugin};
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_http_delivery::testkit::local;
use alumet_shared_output_testkit::{Program, influxdb, samples_of_every_sort};
use alumet_shared_query::{
    Backend, Buckets, Budget, Identity, Limits, Matcher, Operator, QueryError, Range, Selector,
    SeriesBuckets, SeriesEntry, SeriesSamples, Steps,
};
use alumet_shared_remote_query::{InfluxdbBackend, InfluxdbConfig, Meaning};
use tokio::runtime::Runtime;

/// A server that runs, and what reads from it.
struct Influx {
    backend: InfluxdbBackend,
    client: HttpClient,
    url: String,
    runtime: Runtime,
    _program: Program,
}

impl Influx {
    fn start() -> Option<Self> {
        let program = influxdb("max-body-size = 0")?;
        let url = format!("http://127.0.0.1:{}", program.port());
        let metrics = [("bare", "delta", "J"), ("turns", "counter", "1")];
        let metrics = metrics.map(|(name, kind, unit)| {
            let (kind, unit) = (kind.to_owned(), unit.to_owned());
            (name.to_owned(), Meaning { kind, unit })
        });
        let config = InfluxdbConfig {
            host: url.clone(),
            database: Some("samples".to_owned()),
            retention_policy: Some("autogen".to_owned()),
            metrics: BTreeMap::from(metrics),
            http: local(),
            ..InfluxdbConfig::default()
        };
        let influx = Self {
            backend: InfluxdbBackend::new(&config).unwrap(),
            client: HttpClient::new("host", &url, &local()).unwrap(),
            url,
            runtime: Runtime::new().unwrap(),
            _program: program,
        };
        influx.post(
            "/query?q=ALTER+RETENTION+POLICY+autogen+ON+samples+SHARD+DURATION+520w",
            "",
        );
        Some(influx)
    }

    fn post(&self, path: &str, body: &str) {
        let request = self.client.post(path, "text/plain", body.to_owned());
        self.runtime.block_on(self.client.send(request)).unwrap();
    }

    fn write(&self, lines: &str) {
        self.post("/write?db=samples", lines);
    }

    fn series(&self, selector: &Selector, range: Range) -> Vec<SeriesEntry> {
        let asked = async { self.backend.series(selector, range, &budget()).await };
        self.runtime.block_on(asked).unwrap()
    }

    fn samples(&self, selector: &Selector, newest: Option<usize>) -> Vec<SeriesSamples> {
        self.samples_within(Limits::default(), selector, newest).unwrap()
    }

    fn samples_within(
        &self,
        limits: Limits,
        selector: &Selector,
        newest: Option<usize>,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let budget = Budget::new(limits);
        let asked = self.backend.samples(selector, Range::ALL, newest, &budget);
        self.runtime.block_on(asked)
    }

    fn buckets(&self, selector: &Selector, steps: Steps) -> Vec<SeriesBuckets> {
        let asked = async { self.backend.buckets(selector, steps, &budget()).await };
        self.runtime.block_on(asked).unwrap()
    }
}

fn budget() -> Budget {
    Budget::new(Limits::default())
}

fn metric(name: &str) -> Selector {
    Selector::default().with("metric", name)
}

/// The series that is read where this one was written.
fn expected(sample: &RecordedSample, attributes_as: AttributesAs) -> Identity {
    let written = &sample.series.metric;
    let attributes = sample.series.attributes().iter().filter_map(|(key, value)| {
        let value = match (attributes_as, value) {
            (AttributesAs::Tag, AttributeValue::Text(text)) if text.is_empty() => return None,
            (
                AttributesAs::Field,
                AttributeValue::I64(_) | AttributeValue::F64(_) | AttributeValue::Bool(_),
            ) => value.clone(),
            (AttributesAs::Field, AttributeValue::U64(number)) if i64::try_from(*number).is_ok() => {
                AttributeValue::I64(number.cast_signed())
            }
            (_, other) => AttributeValue::Text(other.to_string().into()),
        };
        Some((key.clone(), value))
    });
    Identity {
        metric: Arc::new(Metric {
            value_type: match written.value_type {
                ValueType::U64 => ValueType::I64,
                other => other,
            },
            ..Metric::clone(written)
        }),
        resource: sample.series.resource().clone(),
        consumer: sample.series.consumer().clone(),
        attributes: attributes.collect(),
    }
}

fn read_back(attributes_as: AttributesAs) {
    let Some(influx) = Influx::start() else { return };
    let config = Config {
        host: influx.url.clone(),
        database: Some("samples".to_owned()),
        attributes_as,
        http: local(),
        ..Config::default()
    };
    let mut bench = Bench::start::<InfluxdbPlugin>(config, "/").unwrap();
    let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
    let sent = RecordedSample::of_batch(&batch);
    bench.deliver(0, batch).unwrap();

    let mut found: BTreeMap<i64, (Arc<Identity>, Value)> = BTreeMap::new();
    for samples in influx.samples(&Selector::default(), None) {
        for (at, value) in samples.iter() {
            let before = found.insert(at.as_nanos(), (Arc::clone(&samples.series), value));
            assert!(before.is_none(), "two at {at:?}");
        }
    }
    let mut count = 0;
    for sample in &sent {
        let value = match sample.value {
            Value::F64(value) if !value.is_finite() => continue,
            Value::U64(value) if i64::try_from(value).is_err() => continue,
            Value::U64(value) => Value::I64(value.cast_signed()),
            other => other,
        };
        let (series, read) = &found[&sample.timestamp.as_nanos()];
        assert_eq!(**series, expected(sample, attributes_as));
        assert_eq!(*read, value, "{series}");
        count += 1;
    }
    assert_eq!(found.len(), count);

    let mut entries = influx.series(&Selector::default(), Range::ALL);
    assert_eq!(entries.len(), count);
    entries.retain(|entry| entry.first_at == entry.last_at && *found[&entry.first_at].0 == *entry.series);
    assert_eq!(entries.len(), count);
}

#[test]
fn every_sort_of_sample_is_read_as_it_was_written_with_attributes_as_tags() {
    read_back(AttributesAs::Tag);
}

#[test]
fn every_sort_of_sample_is_read_as_it_was_written_with_attributes_as_fields() {
    read_back(AttributesAs::Field);
}

/// Lines of gauges, of a delta, of counters that start again, of what does not say what it is, and of a measurement that has all of
/// these: of a hundred samples, 7 nanoseconds apart.
fn lines() -> String {
    let mut lines = String::new();
    for number in 0..100_i64 {
        let at = 1_000_000 + 7 * number;
        let counted = number % 30;
        let tags = |kind| format!("metric_kind={kind},metric_unit=J,resource_kind=gpu,resource_id=0");
        lines.push_str(&format!(
            "power,{},pod=a value={}.5 {at}\n\
             power,{},pod=b value={} {at}\n\
             energy,{} value={number}i {at}\n\
             count,{} value={counted}i {at}\n\
             bare,resource_kind=gpu value={number} {at}\n\
             turns,resource_kind=gpu value={counted} {at}\n\
             mixed,{} value={number} {at}\n\
             mixed,{} value={counted} {at}\n\
             mixed,resource_kind=gpu value={counted} {at}\n",
            tags("gauge"),
            number % 7,
            tags("gauge"),
            100 - number,
            tags("delta"),
            tags("counter"),
            tags("delta"),
            tags("counter"),
        ));
    }
    lines
}

/// The intervals as they follow from samples, and as far as the server tells them.
fn told(mut found: Vec<SeriesBuckets>, steps: Steps) -> Vec<(String, MetricKind, SeriesBuckets)> {
    for found in &mut found {
        for bucket in &mut found.buckets {
            if found.series.metric.kind != MetricKind::Counter {
                bucket.rise = 0.0;
            }
            if steps.count > 1 {
                (bucket.first_at, bucket.last_at) = (0, 0);
            }
        }
    }
    let named = found.into_iter();
    let mut named: Vec<_> = named
        .map(|found| (found.series.to_string(), found.series.metric.kind, found))
        .collect();
    named.sort_by_cached_key(|(name, kind, _)| (name.clone(), kind.name()));
    named
}

#[test]
fn what_the_server_sums_up_is_what_follows_from_the_samples() {
    let Some(influx) = Influx::start() else { return };
    influx.write(&lines());
    let samples = influx.samples(&Selector::default(), None);
    assert_eq!(samples.len(), 9);
    for (start, step, count) in [
        (999_990, 50, 100),
        (1_000_003, 70, 4),
        (999_000, 10_000, 1),
        (0, 100, 3),
    ] {
        let steps = Steps { start, step, count };
        let expected = samples.iter().filter_map(|samples| {
            let mut buckets = Buckets::new(steps);
            for (at, value) in samples.iter() {
                buckets.add(at, value.as_f64());
            }
            let buckets = buckets.finish();
            let series = Arc::clone(&samples.series);
            (!buckets.is_empty()).then_some(SeriesBuckets { series, buckets })
        });
        let found = influx.buckets(&Selector::default(), steps);
        assert_eq!(told(found, steps), told(expected.collect(), steps), "{steps:?}");
    }
}

#[test]
fn what_is_selected_is_found_by_each_of_its_labels() {
    let Some(influx) = Influx::start() else { return };
    influx.write(&lines());
    let count = |selector: &Selector| influx.samples(selector, None).len();
    assert_eq!(count(&metric("power")), 2);
    assert_eq!(count(&metric("power").with("pod", "a")), 1);
    assert_eq!(count(&metric("power' OR '1'='1")), 0);
    assert_eq!(count(&metric("power").with("pod", "' OR 'a' = 'a")), 0);
    assert_eq!(count(&Selector::default().with("pod", "")), 7);
    assert_eq!(count(&Selector::default().with("resource_id", "0")), 6);
    assert_eq!(count(&Selector::default().with("unit", "J")), 7);
    let mut selector = Selector::default();
    selector
        .matchers
        .push(Matcher::new("metric", Operator::Matches, "co.*|e.*").unwrap());
    assert_eq!(count(&selector), 2);

    let newest = influx.samples(&metric("energy"), Some(2));
    let newest: Vec<_> = newest[0].iter().collect();
    let at = |number: i64| Timestamp::from_nanos(1_000_000 + 7 * number);
    assert_eq!(newest, [(at(98), Value::I64(98)), (at(99), Value::I64(99))]);

    let range = Range {
        from: at(10).as_nanos(),
        until: at(20).as_nanos(),
    };
    let entries = influx.series(&metric("power").with("pod", "b"), range);
    let ends: Vec<_> = entries
        .iter()
        .map(|entry| (entry.first_at, entry.last_at))
        .collect();
    assert_eq!(ends, [(at(10).as_nanos(), at(19).as_nanos())]);
}

#[test]
fn the_newest_of_each_series_are_given_even_if_only_fields_tell_them_apart() {
    let Some(influx) = Influx::start() else { return };
    influx.write("f,resource_kind=gpu value=1,pod=\"a\" 1\nf,resource_kind=gpu value=2,pod=\"b\" 2\nf,resource_kind=gpu value=3,pod=\"b\" 3");
    let mut newest: Vec<_> = influx
        .samples(&metric("f"), Some(1))
        .iter()
        .map(|samples| samples.times[0].as_nanos())
        .collect();
    newest.sort_unstable();
    assert_eq!(newest, [1, 3]);
}

#[test]
fn an_answer_that_comes_in_pieces_is_read_whole() {
    let Some(influx) = Influx::start() else { return };
    let lines = (0..25_000).map(|number| format!("many,resource_kind=gpu value={number}.25 {number}\n"));
    influx.write(&lines.collect::<String>());
    let found = influx.samples(&metric("many"), None);
    let numbers = found[0]
        .iter()
        .map(|(at, value)| value.as_f64() - at.as_nanos() as f64);
    assert_eq!(numbers.filter(|rest| *rest == 0.25).count(), 25_000);
}

#[test]
fn a_question_that_is_too_large_or_too_late_is_refused_and_a_server_that_refuses_is_told_of() {
    let Some(influx) = Influx::start() else { return };
    influx.write(&lines());
    let ask = |limits| influx.samples_within(limits, &metric("power"), None).unwrap_err();
    let few = Limits {
        samples: 150,
        ..Limits::default()
    };
    assert!(matches!(ask(few), QueryError::TooMuch { limit: 150, .. }));
    let alone = Limits {
        series: 1,
        ..Limits::default()
    };
    assert!(matches!(ask(alone), QueryError::TooMuch { limit: 1, .. }));
    let late = Limits {
        duration: std::time::Duration::ZERO,
        ..Limits::default()
    };
    assert_eq!(ask(late), QueryError::Deadline);

    assert_eq!(influx.runtime.block_on(influx.backend.status()).problems, [""; 0]);
    let config = InfluxdbConfig {
        host: influx.url.clone(),
        database: Some("missing".to_owned()),
        http: local(),
        ..InfluxdbConfig::default()
    };
    let other = InfluxdbBackend::new(&config).unwrap();
    let problems = influx.runtime.block_on(other.status()).problems;
    assert!(
        problems[0].contains("database not found: missing"),
        "{problems:?}"
    );
}
