//! What a scrape shows of samples.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

use std::net::Ipv4Addr;
use std::time::Duration;

use alumet_core::attributes::Attributes;
use alumet_core::catalog::Catalog;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::{Delivery, Receipt};
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::time::{Moment, Monotonic};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource, Timestamp, Value, ValueType};
use alumet_plugin_prometheus_exporter::{Config, Format, Store};
use alumet_shared_output_testkit::samples_of_every_sort;

/// A store with a clock.
struct Bench {
    catalog: Catalog,
    store: Store,
    now: Monotonic,
}

const OPEN: Format = Format {
    is_open_metrics: true,
    is_draft: false,
    is_utf8: false,
};

/// When all samples are measured.
const THEN: i64 = 1_763_623_476_123_456_789;

impl Bench {
    fn new(toml: &str) -> Self {
        let config: Config = toml::from_str(toml).unwrap();
        let catalog = Catalog::new();
        Self {
            store: Store::new(&config, catalog.clone()),
            catalog,
            now: Monotonic::default(),
        }
    }

    /// A series of a consumer.
    fn series(&self, metric: Metric, consumer: Consumer, attributes: Attributes) -> SeriesHandle {
        let (metric, _held) = self.catalog.admit_metric(metric);
        self.catalog.register(SeriesKey {
            metric,
            resource: Resource::LocalMachine,
            consumer,
            attributes,
        })
    }

    fn deliver(&mut self, samples: &[(&SeriesHandle, Value)]) -> Receipt {
        let mut batch = self.catalog.batch();
        for (series, value) in samples {
            batch
                .push_value(series, Timestamp::from_nanos(THEN), *value)
                .unwrap();
        }
        let now = Moment {
            monotonic: self.now,
            ..Moment::default()
        };
        self.store.update(&Delivery::of(batch, now))
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn scrape(&mut self, format: Format) -> String {
        self.scrape_from(1, format)
    }

    fn scrape_from(&mut self, scraper: u8, format: Format) -> String {
        let mut text = Vec::new();
        let scraper = Ipv4Addr::new(192, 0, 2, scraper).into();
        self.store.scrape(format, scraper, self.now, &mut text);
        String::from_utf8(text).unwrap()
    }

    /// The samples of a scrape but those about itself.
    fn lines(&mut self) -> Vec<String> {
        let text = self.scrape(Format::TEXT);
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("alumet_exporter"));
        lines.map(str::to_owned).collect()
    }
}

fn metric(name: &str, kind: MetricKind, value_type: ValueType, unit: Unit) -> Metric {
    Metric {
        name: name.to_owned().into(),
        kind,
        value_type,
        unit,
        description: "For \"tests\".".into(),
        quality: Quality::Measured,
    }
}

fn energy() -> Metric {
    metric("energy", MetricKind::Delta, ValueType::U64, Unit::JOULE.milli())
}

fn power() -> Metric {
    metric("power", MetricKind::Gauge, ValueType::F64, Unit::WATT)
}

const fn process(pid: u32) -> Consumer {
    Consumer::Process { pid }
}

#[test]
fn a_delta_adds_up_and_a_gauge_is_its_last_value_in_both_formats() {
    let mut bench = Bench::new("created_timestamps = true");
    let energy = bench.series(
        energy(),
        Consumer::LocalMachine,
        Attributes::EMPTY.with("domain", "a \"b\"\\\n"),
    );
    let power = bench.series(power(), Consumer::LocalMachine, Attributes::EMPTY);
    for round in 0..3 {
        let receipt = bench.deliver(&[
            (&energy, Value::U64(500 * round)),
            (&power, Value::F64(round as f64 - 0.5)),
        ]);
        assert_eq!(receipt, Receipt::all());
    }
    let machine = "resource_kind=\"local_machine\",resource_consumer_kind=\"local_machine\"";
    let domain = r#"domain="a \"b\"\\\n""#;
    assert_eq!(
        bench.scrape(OPEN),
        format!(
            "# HELP energy_alumet_joules For \\\"tests\\\".\n# TYPE energy_alumet_joules counter\n\
             # UNIT energy_alumet_joules joules\n\
             energy_alumet_joules_total{{{machine},{domain}}} 1.5\n\
             energy_alumet_joules_created{{{machine},{domain}}} 1763623476.123456789\n\
             # HELP power_alumet_watts For \\\"tests\\\".\n# TYPE power_alumet_watts gauge\n\
             # UNIT power_alumet_watts watts\n\
             power_alumet_watts{{{machine}}} 1.5\n\
             # HELP alumet_exporter_series Series whose value is kept.\n# TYPE alumet_exporter_series gauge\n\
             alumet_exporter_series 2\n\
             # HELP alumet_exporter_series_left_out Series that were left out because of the limit.\n\
             # TYPE alumet_exporter_series_left_out counter\n\
             alumet_exporter_series_left_out_total 0\n# EOF\n"
        )
    );
    let text = bench.scrape(Format::TEXT);
    let energy = format!(
        "# HELP energy_alumet_joules_total For \"tests\".\n# TYPE energy_alumet_joules_total counter\n\
         energy_alumet_joules_total{{{machine},{domain}}} 1.5\n# HELP power"
    );
    assert!(
        text.starts_with(&energy) && !text.contains("# EOF") && !text.contains("_created"),
        "{text}"
    );
}

#[test]
fn a_counter_has_the_value_of_the_last_sample_and_its_restart_is_seen() {
    let mut bench = Bench::new("suffix = ''");
    let counter = Metric {
        quality: Quality::Estimated,
        ..metric("calls", MetricKind::Counter, ValueType::F64, Unit::ONE)
    };
    let series = bench.series(counter, process(1), Attributes::EMPTY);
    for (value, shown) in [(0.1, "0.1"), (0.3, "0.3"), (0.2, "0.2")] {
        bench.deliver(&[(&series, Value::F64(value))]);
        assert!(bench.lines()[0].contains("metric_quality=\"estimated\""));
        assert!(
            bench.lines()[0].ends_with(&format!("}} {shown}")),
            "{:?}",
            bench.lines()
        );
    }
    let text = bench.scrape(OPEN);
    assert!(
        !text.contains("calls_created"),
        "nobody knows since when it counts"
    );
    assert!(
        text.contains("# HELP calls For \\\"tests\\\". (estimated)\n"),
        "{text}"
    );
}

#[test]
fn what_no_counter_can_count_is_refused_and_takes_no_other_with_it() {
    let mut bench = Bench::new("");
    let delta = metric("d", MetricKind::Delta, ValueType::F64, Unit::ONE);
    let gauge = metric("g", MetricKind::Gauge, ValueType::F64, Unit::ONE);
    let delta = bench.series(delta, process(1), Attributes::EMPTY);
    let gauge = bench.series(gauge, process(1), Attributes::EMPTY);
    let mut expected = Receipt::all();
    for position in [1, 2, 3] {
        expected.reject(position, "a counter cannot be negative, infinite or NaN");
    }
    let receipt = bench.deliver(&[
        (&delta, Value::F64(1.0)),
        (&delta, Value::F64(f64::NAN)),
        (&delta, Value::F64(-1.0)),
        (&delta, Value::F64(f64::INFINITY)),
        (&delta, Value::F64(2.0)),
        (&gauge, Value::F64(f64::NEG_INFINITY)),
    ]);
    assert_eq!(receipt, expected);
    let lines = bench.lines();
    assert!(
        lines[0].ends_with("} 3.0") && lines[1].ends_with("} -Inf"),
        "{lines:?}"
    );
}

#[test]
fn series_that_become_one_are_added_up_or_refused() {
    let mut bench = Bench::new("add_attributes_to_labels = false");
    let of =
        |metric: Metric, number: u64| bench.series(metric, process(1), Attributes::EMPTY.with("n", number));
    let calls = || metric("calls", MetricKind::Counter, ValueType::U64, Unit::ONE);
    let deltas = [of(energy(), 1), of(energy(), 2)];
    let counters = [of(calls(), 1), of(calls(), 2)];
    let gauges = [of(power(), 1), of(power(), 2)];
    for round in 1..=2 {
        let u = |value: u64| Value::U64(value * round);
        let f = Value::F64(round as f64);
        let receipt = bench.deliver(&[
            (&deltas[0], u(1000)),
            (&deltas[1], u(2000)),
            (&counters[0], u(10)),
            (&counters[1], u(5)),
            (&gauges[0], f),
            (&gauges[1], f),
        ]);
        let mut expected = Receipt::all();
        expected.reject(
            5,
            "another series of the same name has the same labels; see `add_attributes_to_labels`",
        );
        assert_eq!(receipt, expected);
    }
    // A counter that restarts goes on in the sum.
    bench.deliver(&[(&counters[1], Value::U64(3))]);
    let labels =
        "{resource_kind=\"local_machine\",resource_consumer_kind=\"process\",resource_consumer_id=\"1\"}";
    assert_eq!(
        bench.lines(),
        [
            format!("calls_alumet_total{labels} 33"),
            format!("energy_alumet_joules_total{labels} 9.0"),
            format!("power_alumet_watts{labels} 2.0"),
        ]
    );
}

#[test]
fn the_same_name_with_another_kind_gets_another_name_and_other_units_go_together() {
    let mut bench = Bench::new("suffix = ''");
    let one = bench.series(energy(), process(1), Attributes::EMPTY);
    let other = metric("energy", MetricKind::Gauge, ValueType::F64, Unit::JOULE);
    let other = bench.series(other, process(1), Attributes::EMPTY);
    let kilo = metric("energy", MetricKind::Counter, ValueType::F64, Unit::WATT_HOUR);
    let kilo = bench.series(kilo, process(2), Attributes::EMPTY);
    let receipt = bench.deliver(&[
        (&one, Value::U64(1)),
        (&other, Value::F64(2.0)),
        (&kilo, Value::F64(1.0)),
    ]);
    assert_eq!(receipt, Receipt::all());
    let of = |pid: u32| {
        format!(
            "{{resource_kind=\"local_machine\",resource_consumer_kind=\"process\",resource_consumer_id=\"{pid}\"}}"
        )
    };
    assert_eq!(
        bench.lines(),
        [
            format!("energy_joules_total{} 0.001", of(1)),
            format!("energy_joules_total{} 3600.0", of(2)),
            format!("energy_joules_gauge{} 2.0", of(1)),
        ]
    );
    let taken = metric(
        "energy_joules_gauge",
        MetricKind::Counter,
        ValueType::U64,
        Unit::ONE,
    );
    let taken = bench.series(taken, process(1), Attributes::EMPTY);
    assert_eq!(bench.deliver(&[(&taken, Value::U64(1))]), Receipt::all());
    assert!(
        bench
            .scrape(OPEN)
            .contains("# TYPE energy_joules_gauge_counter counter\n")
    );
}

#[test]
fn a_series_without_samples_vanishes_and_one_that_has_ended_after_one_more_scrape() {
    let mut bench = Bench::new("stale_after = '60s'");
    let silent = bench.series(energy(), process(1), Attributes::EMPTY);
    let ended = bench.series(energy(), process(2), Attributes::EMPTY);
    bench.deliver(&[(&silent, Value::U64(1)), (&ended, Value::U64(1))]);
    assert_eq!(bench.lines().len(), 2);
    // Its last sample is still on its way when a scrape finds that it is gone.
    let id = ended.id();
    let mut batch = bench.catalog.batch();
    batch
        .push_value(&ended, Timestamp::from_nanos(THEN), Value::U64(2))
        .unwrap();
    drop(ended);
    assert!(!bench.catalog.is_live(id));
    assert_eq!(bench.lines().len(), 2);
    bench.store.update(&Delivery::of(batch, Moment::default()));
    let lines = bench.lines();
    assert!(lines.len() == 2 && lines[1].ends_with("} 0.003"), "{lines:?}");
    assert_eq!(bench.lines().len(), 1);

    bench.wait(60);
    assert_eq!(bench.lines().len(), 1);
    bench.wait(1);
    assert_eq!(bench.lines(), [""; 0]);
    assert!(
        !bench.scrape(Format::TEXT).contains("energy"),
        "an empty family is none"
    );
    // It begins anew.
    bench.deliver(&[(&silent, Value::U64(5))]);
    assert!(bench.lines()[0].ends_with("} 0.005"));
}

#[test]
fn each_of_several_scrapers_sees_the_last_value_of_a_series_that_has_ended() {
    let mut bench = Bench::new("");
    let series = bench.series(energy(), process(1), Attributes::EMPTY);
    bench.deliver(&[(&series, Value::U64(1))]);
    drop(series);
    let mut sees = |scraper| {
        bench
            .scrape_from(scraper, OPEN)
            .contains("energy_alumet_joules_total{")
    };
    assert!(sees(1) && sees(2) && sees(3));
    assert!(!sees(2) && !sees(1));
}

#[test]
fn a_consumer_that_comes_again_goes_on_where_it_was() {
    let mut bench = Bench::new("");
    for round in 1..=3 {
        let energy = bench.series(energy(), process(1), Attributes::EMPTY);
        let power = bench.series(power(), process(1), Attributes::EMPTY);
        let receipt = bench.deliver(&[(&energy, Value::U64(1000)), (&power, Value::F64(7.5))]);
        assert_eq!(receipt, Receipt::all());
        let lines = bench.lines();
        assert!(
            lines.len() == 2 && lines[0].ends_with(&format!("}} {round}.0")),
            "{lines:?}"
        );
    }
}

#[test]
fn beyond_the_limit_series_are_left_out_and_counted_until_there_is_room() {
    let mut bench = Bench::new("limit = 2\nstale_after = '30s'");
    let all: Vec<_> = (0..5)
        .map(|pid| bench.series(energy(), process(pid), Attributes::EMPTY))
        .collect();
    let samples: Vec<_> = all.iter().map(|series| (series, Value::U64(1))).collect();
    for _ in 0..2 {
        let mut expected = Receipt::all();
        for position in 2..5 {
            expected.reject(position, "there are as many series as `limit` allows");
        }
        assert_eq!(bench.deliver(&samples), expected);
    }
    let text = bench.scrape(Format::TEXT);
    assert!(text.contains("\nalumet_exporter_series 2\n"), "{text}");
    assert!(
        text.contains("\nalumet_exporter_series_left_out_total 3\n"),
        "{text}"
    );
    // Without a scrape as well: nobody has to look.
    bench.wait(31);
    assert_eq!(bench.deliver(&samples[3..]), Receipt::all());
    assert_eq!(bench.lines().len(), 2);
}

/// The last part of each line: consumer and value.
fn consumers(lines: &[String]) -> Vec<(String, f64)> {
    let of = |line: &String| {
        let (labels, value) = line.rsplit_once(' ').unwrap();
        let consumer = labels.rsplit_once("resource_consumer_").unwrap().1;
        (consumer.to_owned(), value.parse().unwrap())
    };
    lines.iter().map(of).collect()
}

#[test]
fn of_many_consumers_the_largest_are_exposed_and_the_sum_of_all_others_is_exact() {
    let mut bench = Bench::new("top = { metric = 'power', n = 2, without = ['pod'] }");
    let series: Vec<_> = (0..6)
        .map(|pid| {
            let pod = Attributes::EMPTY.with("pod", format!("pod {pid}"));
            (
                bench.series(energy(), process(pid), pod.clone()),
                bench.series(power(), process(pid), pod),
            )
        })
        .collect();
    let machine = bench.series(energy(), Consumer::LocalMachine, Attributes::EMPTY);
    // What the counters of each scrape have that was not there before, as Prometheus computes it.
    let mut before = std::collections::BTreeMap::<String, f64>::new();
    let (mut increase, mut total) = (0.0, 0.0);
    for round in 0..12_u64 {
        for (pid, (energy, power)) in series.iter().enumerate() {
            let energy_now = round * 100 + pid as u64;
            // Another two are the largest each time.
            let power_now = ((pid as u64 + round * 2) % 6) as f64;
            bench.deliver(&[(energy, Value::U64(energy_now)), (power, Value::F64(power_now))]);
            total += energy_now as f64 / 1000.0;
        }
        bench.deliver(&[(&machine, Value::U64(1))]);
        let lines = bench.lines();
        let (energies, powers): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.starts_with("energy"));
        assert_eq!((energies.len(), powers.len()), (4, 3), "{energies:?} {powers:?}");
        let powers = consumers(&powers);
        assert_eq!(
            powers.iter().map(|(_, value)| value).sum::<f64>(),
            15.0,
            "{powers:?}"
        );
        assert_eq!(powers[2], ("kind=\"other\"}".to_owned(), 6.0));
        let mut now = std::collections::BTreeMap::new();
        for (consumer, value) in consumers(&energies) {
            if consumer.contains("local_machine") {
                continue;
            }
            let last = before.get(&consumer).copied().unwrap_or(0.0);
            increase += if value < last { value } else { value - last };
            now.insert(consumer, value);
        }
        before = now;
        assert!(
            (increase - total).abs() < 1e-9,
            "round {round}: {increase} of {total}"
        );
    }
}

#[test]
fn a_consumer_that_is_called_like_the_sum_of_others_is_not_taken_for_it() {
    let mut bench = Bench::new("top = { metric = 'power', n = 1 }");
    let odd = bench.series(power(), Consumer::new("other", ""), Attributes::EMPTY);
    let (large, small) = (
        bench.series(power(), process(1), Attributes::EMPTY),
        bench.series(power(), process(2), Attributes::EMPTY),
    );
    bench.deliver(&[
        (&odd, Value::F64(9.0)),
        (&large, Value::F64(2.0)),
        (&small, Value::F64(1.0)),
    ]);
    assert_eq!(
        consumers(&bench.lines()),
        [
            ("kind=\"other_consumer\"}".to_owned(), 9.0),
            ("kind=\"other\"}".to_owned(), 3.0)
        ]
    );
}

#[test]
fn names_in_utf_8_are_as_they_are_for_those_who_allow_it_and_escaped_for_others() {
    let mut bench = Bench::new("utf8_names = true\nsuffix = ''");
    let metric = metric("power.é", MetricKind::Delta, ValueType::U64, Unit::ONE);
    let series = bench.series(
        metric,
        process(1),
        Attributes::EMPTY.with("a b", 1_u64).with("plain", 2_u64),
    );
    bench.deliver(&[(&series, Value::U64(3))]);
    let fixed =
        "resource_kind=\"local_machine\",resource_consumer_kind=\"process\",resource_consumer_id=\"1\"";
    let text = bench.scrape(Format {
        is_utf8: true,
        ..Format::TEXT
    });
    assert!(
        text.contains(&format!(
            "# TYPE \"power.é_total\" counter\n{{\"power.é_total\",{fixed},\"a b\"=\"1\",plain=\"2\"}} 3\n"
        )),
        "{text}"
    );
    let text = bench.scrape(OPEN);
    assert!(
        text.contains(&format!(
            "\nU__power_2e__e9__total{{{fixed},U__a_20_b=\"1\",plain=\"2\"}} 3\n"
        )),
        "{text}"
    );
}

#[test]
fn no_series_of_any_sort_is_there_twice() {
    for toml in [
        "",
        "utf8_names = true",
        "base_units = false",
        "suffix = ''\nadd_attributes_to_labels = false",
    ] {
        let mut bench = Bench::new(toml);
        let batch = samples_of_every_sort(&bench.catalog, Timestamp::from_nanos(THEN));
        let count = batch.len();
        bench.store.update(&Delivery::of(batch, Moment::default()));
        let mut lines = bench.lines();
        assert!(lines.len() > 10 && lines.len() < count, "{toml}");
        let all = lines.len();
        for line in &mut lines {
            line.truncate(line.rfind(' ').unwrap());
        }
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), all, "{toml}");
    }
}
