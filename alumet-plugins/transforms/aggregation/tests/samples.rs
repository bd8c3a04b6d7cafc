//! What the transform makes of samples.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::time::Duration;

use alumet_core::metric::MetricDef;
use alumet_core::output::RecordedSample;
use alumet_core::plugin::Plugin;
use alumet_core::progress::{Progress, StreamId};
use alumet_core::testkit::{Bench, ManualClock, assert_lines};
use alumet_core::time::{Clock, Moment};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, MetricKind, Resource, Series, Timestamp};
use alumet_plugin_aggregation::{AggregationPlugin, Config, Function, Functions};
use proptest::prelude::*;

alumet_core::metrics! {
    pub ENERGY = Delta<u64> {
        name: "energy", unit: Unit::JOULE, description: "For this test.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub BYTES = Counter<u64> {
        name: "bytes", unit: Unit::BYTE, description: "For this test.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub OTHER = Gauge<u64> {
        name: "other", unit: Unit::ONE, description: "For this test.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
}

/// One stream of samples and the plugin, at the start of a minute.
struct Stage {
    bench: Bench,
    stream: StreamId,
}

impl Stage {
    fn new(function: Function) -> Self {
        let config = Config {
            function: Functions::One(function),
            metrics: vec!["energy".into(), "byte*".into()],
            ..Config::default()
        };
        Self::with(config)
    }

    fn with(config: Config) -> Self {
        Self {
            bench: Bench::start::<AggregationPlugin>(config, "/").unwrap(),
            stream: StreamId::new(),
        }
    }

    fn series(&self, metric: &MetricDef<u64>, pid: u32) -> Series<u64> {
        let catalog = self.bench.catalog();
        let metric = catalog.metric(metric).unwrap();
        let process = Consumer::Process { pid };
        catalog.series(metric, Resource::LocalMachine, process).register()
    }

    /// One batch of samples, each so many seconds after the start, in a stream that is complete until `until`.
    fn samples<'a>(
        &mut self,
        until: Option<Moment>,
        samples: impl IntoIterator<Item = (&'a Series<u64>, i64, u64)>,
    ) -> Vec<String> {
        let mut batch = self.bench.catalog().batch();
        for (series, seconds, value) in samples {
            batch.push(series, at(seconds), value);
        }
        if let Some(until) = until {
            let stream = self.stream;
            batch.set_progress(Progress { stream, until });
        }
        self.bench.transform(&mut batch).unwrap();
        lines(&RecordedSample::of_batch(&batch))
    }

    /// Lets time pass up to so many seconds after the start; what is emitted in a batch of that time.
    fn at<'a>(
        &mut self,
        seconds: i64,
        samples: impl IntoIterator<Item = (&'a Series<u64>, u64)>,
    ) -> Vec<String> {
        let now = self.bench.clock().now();
        self.bench
            .advance(at(seconds).checked_since(now.wall).unwrap_or_default());
        let until = self.bench.clock().now();
        self.samples(
            Some(until),
            samples
                .into_iter()
                .map(|(series, value)| (series, seconds, value)),
        )
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(ManualClock::START.as_nanos() + seconds * 1_000_000_000)
}

/// `seconds: sample`.
fn lines(samples: &[RecordedSample]) -> Vec<String> {
    let line = |sample: &RecordedSample| {
        let seconds = (sample.timestamp.as_nanos() - ManualClock::START.as_nanos()) / 1_000_000_000;
        let (name, value) = (&sample.series.metric.name, sample.value);
        format!("{seconds}: {name} {} {value}", sample.series.consumer())
    };
    samples.iter().map(line).collect()
}

const NONE: [(&Series<u64>, u64); 0] = [];

#[test]
fn a_window_is_a_minute_of_one_series_and_stands_at_its_start() {
    let mut stage = Stage::new(Function::Sum);
    let (one, two) = (stage.series(&ENERGY, 1), stage.series(&ENERGY, 2));
    let other = stage.series(&OTHER, 1);
    assert_lines(
        stage.at(20, [(&one, 1), (&other, 7), (&two, 10)]),
        ["20: other process:1 7"],
    );
    assert_lines(stage.at(40, [(&one, 2), (&two, 20)]), [] as [&str; 0]);
    let closed = ["0: energy_sum process:1 3", "0: energy_sum process:2 30"];
    assert_lines(stage.at(60, [(&one, 4), (&two, 40)]), closed);
    assert_lines(
        lines(&stage.bench.finish().unwrap()),
        ["60: energy_sum process:1 4", "60: energy_sum process:2 40"],
    );
    let (_, sum) = stage.bench.catalog().find_metric("energy_sum").unwrap();
    assert_eq!((sum.kind, &sum.unit), (MetricKind::Delta, &Unit::JOULE));
    assert_eq!(all().len(), 3);
}

#[test]
fn a_window_closes_when_its_stream_is_complete_though_no_sample_comes() {
    let mut stage = Stage::new(Function::Mean);
    let one = stage.series(&ENERGY, 1);
    stage.at(20, [(&one, 1)]);
    stage.at(40, [(&one, 2)]);
    assert_lines(stage.at(59, NONE), [] as [&str; 0]);
    // Another stream says nothing about this one.
    let ours = std::mem::replace(&mut stage.stream, StreamId::new());
    assert_lines(stage.at(60, NONE), [] as [&str; 0]);
    stage.stream = ours;
    assert_lines(stage.at(60, NONE), ["0: energy_mean process:1 1.5"]);
    assert_lines(stage.at(120, NONE), [] as [&str; 0]);
}

#[test]
fn a_window_of_a_source_that_has_stopped_closes_when_the_lateness_is_over() {
    let mut stage = Stage::new(Function::Sum);
    let one = stage.series(&ENERGY, 1);
    stage.samples(None, [(&one, 0, 5)]);
    stage.bench.advance(Duration::from_secs(64));
    assert!(stage.bench.tick().unwrap().is_empty());
    stage.bench.advance(Duration::from_secs(1));
    assert!(stage.bench.wake_at().unwrap() <= stage.bench.clock().now().monotonic);
    assert_lines(lines(&stage.bench.tick().unwrap()), ["0: energy_sum process:1 5"]);
    assert_eq!(stage.bench.wake_at(), None);
}

#[test]
fn a_sample_that_comes_late_counts_in_the_window_that_is_open() {
    let mut stage = Stage::new(Function::Sum);
    let one = stage.series(&ENERGY, 1);
    stage.at(30, [(&one, 1)]);
    assert_lines(stage.at(60, NONE), ["0: energy_sum process:1 1"]);
    let until = Some(stage.bench.clock().now());
    assert_lines(stage.samples(until, [(&one, 59, 2)]), [] as [&str; 0]);
    assert_lines(stage.at(70, [(&one, 4)]), [] as [&str; 0]);
    assert_lines(stage.at(120, NONE), ["60: energy_sum process:1 6"]);
}

#[test]
fn a_series_that_is_gone_keeps_its_last_window() {
    let mut stage = Stage::new(Function::Sum);
    let one = stage.series(&ENERGY, 1);
    stage.at(20, [(&one, 5)]);
    drop(one);
    for second in 21..25 {
        assert_lines(stage.at(second, NONE), [] as [&str; 0]);
    }
    assert_eq!(stage.bench.catalog().live_series(), 1, "that of the window");
    assert_lines(stage.at(60, NONE), ["0: energy_sum process:1 5"]);
    assert_eq!(stage.bench.catalog().live_series(), 0);
}

#[test]
fn what_a_counter_has_counted_is_summed_and_not_its_readings() {
    let mut stage = Stage::new(Function::Sum);
    let bytes = stage.series(&BYTES, 1);
    for (seconds, reading) in [(0, 1000), (30, 1500), (59, 1600)] {
        stage.at(seconds, [(&bytes, reading)]);
    }
    assert_lines(stage.at(60, [(&bytes, 2000)]), ["0: bytes_sum process:1 600"]);
    let mut stage = Stage::new(Function::Last);
    let bytes = stage.series(&BYTES, 1);
    stage.at(0, [(&bytes, 1000)]);
    stage.at(30, [(&bytes, 1500)]);
    assert_lines(stage.at(60, NONE), ["0: bytes_last process:1 1500"]);
}

#[test]
fn a_clock_that_is_set_back_loses_nothing() {
    // By less than a window: the samples of the repeated seconds count in the open one.
    let mut stage = Stage::new(Function::Sum);
    let one = stage.series(&ENERGY, 1);
    stage.at(58, [(&one, 1)]);
    assert_lines(stage.at(60, [(&one, 2)]), ["0: energy_sum process:1 1"]);
    stage.bench.clock().set_wall(at(57));
    for seconds in 58..62 {
        assert_lines(stage.at(seconds, [(&one, 4)]), [] as [&str; 0]);
    }
    assert_lines(stage.at(120, NONE), ["60: energy_sum process:1 18"]);
    // By more: the open window is closed, and the time that comes again has windows of its own.
    stage.at(121, [(&one, 5)]);
    stage.bench.clock().set_wall(at(-7200));
    assert_lines(stage.at(-7199, [(&one, 6)]), ["120: energy_sum process:1 5"]);
    assert_lines(stage.at(-7140, NONE), ["-7200: energy_sum process:1 6"]);
}

#[test]
fn originals_are_kept_if_so_configured() {
    let mut stage = Stage::with(Config {
        metrics: vec!["energy".into()],
        keep_originals: true,
        ..Config::default()
    });
    let one = stage.series(&ENERGY, 1);
    assert_lines(stage.at(1, [(&one, 5)]), ["1: energy process:1 5"]);
}

#[test]
fn a_metric_that_appears_late_is_aggregated_too() {
    let mut stage = Stage::new(Function::Count);
    stage.at(10, NONE);
    let one = stage.series(&ENERGY, 1);
    stage.at(20, [(&one, 5)]);
    assert_lines(stage.at(60, NONE), ["0: energy_count process:1 1"]);
}

#[test]
fn several_functions_make_a_metric_each() {
    let functions = "function = ['rate', 'p50', { percentile = 99.9 }, 'last']";
    let mut stage = Stage::with(Config {
        metrics: vec!["energy".into(), "bytes".into()],
        ..toml::from_str(functions).unwrap()
    });
    let (energy, bytes) = (stage.series(&ENERGY, 1), stage.series(&BYTES, 1));
    // The first sample of a delta says since when it counts.
    stage.at(10, [(&energy, 0), (&bytes, 1000)]);
    stage.at(20, [(&energy, 30), (&bytes, 1500)]);
    stage.at(30, [(&energy, 10), (&bytes, 1540)]);
    let of_bytes = |start, rate, p50, p99_9, last| {
        [
            format!("{start}: bytes_rate process:1 {rate}"),
            format!("{start}: bytes_p50 process:1 {p50}"),
            format!("{start}: bytes_p99_9 process:1 {p99_9}"),
            format!("{start}: bytes_last process:1 {last}"),
        ]
    };
    let of_energy = of_bytes(0, 2, 10, 30, 10).map(|line| line.replace("bytes", "energy"));
    assert_lines(
        stage.at(60, NONE),
        [of_energy, of_bytes(0, 27, 40, 500, 1540)].concat(),
    );
    // The next window begins where the one before has ended, at 30 seconds.
    stage.at(90, [(&bytes, 1600)]);
    assert_lines(stage.at(120, NONE), of_bytes(60, 1, 60, 60, 1600));
    let (_, rate) = stage.bench.catalog().find_metric("energy_rate").unwrap();
    assert_eq!((rate.kind, &rate.unit), (MetricKind::Gauge, &Unit::WATT));
}

#[test]
fn a_rate_that_is_not_known_is_not_made_up() {
    let mut stage = Stage::new(Function::Rate);
    let energy = stage.series(&ENERGY, 1);
    stage.at(30, [(&energy, 0)]);
    assert_lines(stage.at(60, NONE), [] as [&str; 0]);
    stage.at(61, [(&energy, 62)]);
    assert_lines(stage.at(120, NONE), ["60: energy_rate process:1 2"]);
}

#[test]
fn a_rate_does_not_span_a_step_of_the_clock() {
    let mut stage = Stage::new(Function::Rate);
    let energy = stage.series(&ENERGY, 1);
    stage.at(0, [(&energy, 0)]);
    assert_lines(stage.at(60, [(&energy, 120)]), [] as [&str; 0]);
    stage.bench.clock().set_wall(at(-7200));
    // What the first sample counts happened in a time that is not known.
    assert_lines(stage.at(-7190, [(&energy, 6)]), ["60: energy_rate process:1 2"]);
    stage.at(-7180, [(&energy, 10)]);
    assert_lines(stage.at(-7140, NONE), ["-7200: energy_rate process:1 1"]);
}

#[test]
fn the_names_of_the_original_are_understood_and_an_interval_of_zero_is_not() {
    let config = |text: &str| toml::from_str::<Config>(text).unwrap();
    assert_eq!(
        config("function = \"Mean\"").function,
        Functions::One(Function::Mean)
    );
    assert_eq!(config("function = \"Sum\""), Config::default());
    for (text, key) in [
        ("interval = \"0s\"", "interval"),
        ("interval = \"2y\"", "interval"),
        ("metrics = [\"a[\"]", "metrics.0"),
        ("function = []", "function"),
        ("function = { percentile = 101 }", "function"),
        ("function = [\"p95\", { percentile = 95 }]", "function"),
        ("function = [\"sum\", \"Sum\"]", "function"),
    ] {
        assert_eq!(AggregationPlugin::check(&config(text)).unwrap_err().keys(), [key]);
    }
}

proptest! {
    #[test]
    fn whatever_comes_when_the_sums_are_what_came(
        batches in proptest::collection::vec(
            (0_u64..100, any::<bool>(), proptest::collection::vec((0_u32..3, -200_i64..200, 0_u64..1000), 0..10)),
            1..30,
        ),
    ) {
        let mut stage = Stage::new(Function::Sum);
        let series: Vec<_> = (0..3).map(|pid| stage.series(&ENERGY, pid)).collect();
        let (mut came, mut sums) = (0, 0);
        let mut add = |lines: Vec<String>| {
            sums += lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>();
        };
        for (passed, says, samples) in batches {
            stage.bench.advance(Duration::from_secs(passed));
            let now = stage.bench.clock().now();
            let seconds = now.wall.checked_since(ManualClock::START).unwrap().as_secs().cast_signed();
            came += samples.iter().map(|(_, _, value)| value).sum::<u64>();
            let samples = samples.iter().map(|&(pid, around, value)| (&series[pid as usize], seconds + around, value));
            add(stage.samples(says.then_some(now), samples));
            add(lines(&stage.bench.tick().unwrap()));
        }
        add(lines(&stage.bench.finish().unwrap()));
        prop_assert_eq!(sums, came);
    }
}
