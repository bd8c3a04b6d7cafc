//! What the transform leaves of samples.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use alumet_core::output::RecordedSample;
use alumet_core::plugin::Plugin;
use alumet_core::testkit::{Bench, ManualClock, assert_lines};
use alumet_core::time::Clock;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};
use alumet_plugin_filter::{Config, FilterPlugin};

alumet_core::metrics! {
    pub ENERGY = Gauge<u64> {
        name: "energy", unit: Unit::JOULE, description: "For this test.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
    };
    pub CPU_TIME = Gauge<u64> {
        name: "cpu_time", unit: Unit::ONE, description: "For this test.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
    };
    pub CPU_PERCENT = Gauge<u64> {
        name: "cpu_percent", unit: Unit::ONE, description: "For this test.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
    };
}

fn config(include: &[&str], exclude: &[&str]) -> Config {
    let list = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    Config {
        include: list(include),
        exclude: list(exclude),
    }
}

/// The metrics of which a sample is left.
fn left(config: Config) -> Vec<String> {
    let mut bench = Bench::start::<FilterPlugin>(config, "/").unwrap();
    let catalog = bench.catalog().clone();
    let mut metrics = Vec::new();
    // Twice: the second time, the verdict is known.
    for _ in 0..2 {
        let mut batch = catalog.batch();
        for metric in [&ENERGY, &CPU_TIME, &CPU_PERCENT] {
            // Metrics may appear long after the start.
            let metric = catalog.metric(metric).unwrap();
            let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
            batch.push(&series.register(), ManualClock::START, 1);
        }
        bench.transform(&mut batch).unwrap();
        let samples = RecordedSample::of_batch(&batch);
        metrics = samples
            .iter()
            .map(|sample| sample.series.metric.name.to_string())
            .collect();
    }
    metrics
}

#[test]
fn what_is_included_is_all_that_is_left() {
    assert_lines(left(config(&["cpu_time"], &[])), ["cpu_time"]);
    assert_lines(left(config(&["cpu_*", "x"], &[])), ["cpu_time", "cpu_percent"]);
}

#[test]
fn what_is_excluded_is_gone() {
    assert_lines(left(config(&[], &["cpu_time", "x"])), ["energy", "cpu_percent"]);
}

#[test]
fn without_a_list_everything_is_left() {
    assert_eq!(left(Config::default()).len(), 3);
}

#[test]
fn of_what_is_included_something_can_be_excluded() {
    assert_lines(left(config(&["cpu_*"], &["*_percent"])), ["cpu_time"]);
}

#[test]
fn tables_select_by_all_that_a_series_has_beside_names() {
    let of = |toml: &str| left(toml::from_str(toml).unwrap());
    assert_lines(
        of("include = ['energy', { metric = 'cpu_*', consumer_kind = 'process' }]"),
        ["energy"],
    );
    assert_lines(
        of("[[exclude]]\nmetric = 'cpu_time'\nresource_kind = 'local_*'"),
        ["energy", "cpu_percent"],
    );
}

#[test]
fn patterns_that_make_no_sense_are_refused_all_at_once() {
    let faults = FilterPlugin::check(&config(&["a["], &["b", "b["])).unwrap_err();
    assert_eq!(faults.keys(), ["include.0", "exclude.1"]);
}

#[test]
fn the_transform_is_woken_once_to_look_for_wrong_names() {
    let mut bench = Bench::start::<FilterPlugin>(config(&["energy"], &[]), "/").unwrap();
    let wake_at = bench.wake_at().unwrap();
    bench.advance(std::time::Duration::from_secs(60));
    assert_eq!(bench.clock().now().monotonic, wake_at);
    assert!(bench.tick().unwrap().is_empty());
    assert_eq!(bench.wake_at(), None);
    assert_eq!(all().len(), 3);
}
