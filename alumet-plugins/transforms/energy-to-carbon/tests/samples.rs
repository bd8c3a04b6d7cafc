//! What the transform adds to samples.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alumet_core::metric::{Metric, MetricDef, MetricKind, Quality};
use alumet_core::output::{RecordedSample, RecordingOutput};
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::plugin::{Host, Plugin, StartContext, Verdict};
use alumet_core::series::SeriesKey;
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::{Bench, ManualClock, assert_lines};
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Consumer, Failure, Resource, Series, Value, ValueType};
use alumet_plugin_energy_to_carbon::{
    Config, CountryConfig, EnergyToCarbonPlugin, FileConfig, IntensityConfig, Mode, ServerConfig,
};
use alumet_shared_http_delivery::testkit::{TestServer, local};

alumet_core::metrics! {
    ENERGY = Delta<f64> {
        name: "energy", unit: Unit::JOULE, description: "For this test.", attributes: ["domain"],
    };
    MILLIS = Delta<u64> {
        name: "millis", unit: Unit::JOULE.milli(), description: "For this test.",
    };
    STORED = Gauge<u64> {
        name: "stored", unit: Unit::JOULE, description: "For this test.",
    };
    BYTES = Delta<u64> {
        name: "bytes", unit: Unit::BYTE, description: "For this test.",
    };
}

fn bench(config: Config) -> Bench {
    Bench::start::<EnergyToCarbonPlugin>(config, "/").unwrap()
}

fn constant(intensity: f64) -> Config {
    Config {
        mode: Mode::IntensityOverride,
        intensity_override: IntensityConfig { intensity },
        ..Config::default()
    }
}

fn series(bench: &Bench, domain: &str, consumer: Consumer) -> Series<f64> {
    let catalog = bench.catalog();
    let metric = catalog.metric(&ENERGY).unwrap();
    let series = catalog.series(metric, Resource::CpuPackage { id: 0 }, consumer);
    series.attribute("domain", domain.to_owned()).register()
}

/// What is added for so many joules in a series, `seconds` after the start.
fn grams(bench: &mut Bench, series: &Series<f64>, seconds: u64, joules: f64) -> Option<f64> {
    let mut batch = bench.catalog().batch();
    batch.push(
        series,
        ManualClock::START.saturating_add(Duration::from_secs(seconds)),
        joules,
    );
    bench.transform(&mut batch).unwrap();
    let samples = RecordedSample::of_batch(&batch);
    assert_eq!(samples[0].value.as_f64(), joules, "the energy stays");
    let emission = samples.get(1)?;
    assert_eq!(emission.timestamp, samples[0].timestamp);
    assert_eq!(emission.series.metric.quality, Quality::Modelled);
    Some(emission.value.as_f64())
}

#[test]
fn a_kilowatt_hour_emits_what_the_mode_says() {
    let country = |code: &str| Config {
        mode: Mode::Country,
        country: CountryConfig {
            code: code.to_owned(),
        },
        ..Config::default()
    };
    for (config, expected) in [
        (Config::default(), 475.0),
        (country("FRA"), 56.0),
        (country("zaf"), 730.0),
        (constant(0.0), 0.0),
        (constant(123.5), 123.5),
    ] {
        let mut bench = bench(config);
        let series = series(&bench, "package", Consumer::LocalMachine);
        let grams = grams(&mut bench, &series, 0, 3.6e6).unwrap();
        assert!((grams - expected).abs() < 1e-9, "{grams} instead of {expected}");
    }
}

#[test]
fn a_sample_of_emissions_has_all_that_the_energy_has() {
    let mut bench = bench(constant(360.0));
    let catalog = bench.catalog().clone();
    let process = Consumer::Process { pid: 7 };
    let energy = series(&bench, "package", process);
    let machine = |metric: &MetricDef<u64>| {
        let metric = catalog.metric(metric).unwrap();
        let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
        series.register()
    };
    let (millis, stored, bytes) = (machine(&MILLIS), machine(&STORED), machine(&BYTES));
    let mut batch = catalog.batch();
    batch.push(&energy, ManualClock::START, 10_000.0);
    batch.push(&millis, ManualClock::START, 20_000_000);
    batch.push(&stored, ManualClock::START, 10_000);
    batch.push(&bytes, ManualClock::START, 10_000);
    bench.transform(&mut batch).unwrap();
    assert_lines(
        &RecordedSample::of_batch(&batch)[4..],
        [
            "carbon_emission cpu_package:0 process:7 {domain=package, energy_metric=energy} = 1",
            "carbon_emission local_machine local_machine {energy_metric=millis} = 2",
        ],
    );
    assert_eq!(all().len(), 4);
}

#[test]
fn parts_and_sums_are_not_counted_twice() {
    let mut bench = bench(Config::default());
    for (domain, is_converted) in [
        ("package", true),
        ("dram", true),
        ("pp0", false),
        ("pp1", false),
        ("core", false),
        ("platform", false),
        ("package_total", false),
    ] {
        let series = series(&bench, domain, Consumer::LocalMachine);
        assert_eq!(
            grams(&mut bench, &series, 0, 1.0).is_some(),
            is_converted,
            "{domain}"
        );
    }
    let catalog = bench.catalog().clone();
    for (name, key, value, is_converted) in [
        ("hwmon_energy", "sensor", "energy1", false),
        ("redfish_energy", "chassis", "1", false),
        ("cray_pm_energy", "domain", "node", false),
        ("grace_energy_consumption", "sensor", "total", true),
        ("grace_energy_consumption", "sensor", "module_total", false),
        ("grace_energy_consumption", "sensor", "cpu", false),
        ("intel_gpu_energy", "domain", "card", true),
        ("intel_gpu_energy", "domain", "package", false),
        ("input_energy", "ina_channel_label", "VDD_IN", false),
    ] {
        let metric = catalog.register_metric(Metric {
            name: name.into(),
            kind: MetricKind::Delta,
            value_type: ValueType::F64,
            unit: Unit::JOULE,
            description: "For this test.".into(),
            quality: Quality::Measured,
        });
        let series = catalog.register(SeriesKey {
            metric: metric.unwrap(),
            resource: Resource::LocalMachine,
            consumer: Consumer::LocalMachine,
            attributes: Attributes::EMPTY.with(key, value),
        });
        let mut batch = catalog.batch();
        batch
            .push_value(&series, ManualClock::START, Value::F64(1.0))
            .unwrap();
        bench.transform(&mut batch).unwrap();
        assert_eq!(batch.len() == 2, is_converted, "{name} {value}");
    }
    for (part, is_converted) in [(None, true), (Some("idle"), false), (Some("unattributed"), false)] {
        let metric = catalog.metric(&ENERGY).unwrap();
        let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
        let attributes = part.into_iter().map(|part| ("part", part)).collect();
        let series = series.attributes(&attributes).register();
        assert_eq!(
            grams(&mut bench, &series, 0, 1.0).is_some(),
            is_converted,
            "{part:?}"
        );
    }
}

#[test]
fn the_series_of_emissions_goes_with_that_of_the_energy() {
    let mut bench = bench(Config::default());
    let energy = series(&bench, "package", Consumer::LocalMachine);
    grams(&mut bench, &energy, 0, 1.0);
    assert_eq!(bench.catalog().live_series(), 2);
    drop(energy);
    let mut batch = bench.catalog().batch();
    bench.transform(&mut batch).unwrap();
    assert_eq!(bench.catalog().live_series(), 0);
}

#[test]
fn a_file_says_what_counts_at_the_time_of_a_sample_and_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("intensity.csv");
    // The clock of the test begins at the beginning of 2026.
    std::fs::write(&path, "2026-01-01T00:00:00Z,100\n2026-01-01T01:00:00Z,200\n").unwrap();
    let mut bench = bench(Config {
        mode: Mode::File,
        file: Some(FileConfig { path: path.clone() }),
        fallback: 36.0,
        ..Config::default()
    });
    let energy = series(&bench, "package", Consumer::LocalMachine);
    let mut at = |hours: u64| grams(&mut bench, &energy, hours * 3600, 3.6e6).unwrap().round();
    assert_eq!((at(0), at(1), at(3)), (100.0, 200.0, 200.0));
    assert_eq!(at(4), 36.0, "three hours later, the value holds no more");
    std::fs::write(&path, "2026-01-01T03:30:00Z,300\n").unwrap();
    bench.advance(Duration::from_secs(1));
    let mut at = |hours: u64| grams(&mut bench, &energy, hours * 3600, 3.6e6).unwrap().round();
    assert_eq!((at(3), at(4)), (36.0, 300.0));
    drop(bench.finish().unwrap());
}

/// A kWh at each poll.
struct Consumption(Series<f64>);

impl Source for Consumption {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        out.push(&self.0, 3.6e6);
        Ok(())
    }
}

#[test]
fn a_server_says_what_counts_and_its_last_word_holds_while_it_is_away() {
    let is_away = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_away);
    let server = TestServer::answering(move |_| {
        if asked.load(Ordering::Relaxed) {
            ("503 Service Unavailable", String::new())
        } else {
            ("200 OK", "{\"intensity\": 42}".to_owned())
        }
    })
    .unwrap();
    let config = Config {
        mode: Mode::Http,
        http: Some(ServerConfig {
            url: server.url(),
            path: "/now".to_owned(),
            pointer: "/intensity".to_owned(),
            refresh_interval: "1s".parse().unwrap(),
            http: local(),
        }),
        hold: "3s".parse().unwrap(),
        fallback: 36.0,
        ..Config::default()
    };
    let mut builder = PipelineBuilder::new();
    builder.plugin::<EnergyToCarbonPlugin>(config).unwrap();
    let catalog = builder.catalog().clone();
    let metric = catalog.metric(&ENERGY).unwrap();
    let energy = catalog
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    builder
        .source("energy", Consumption(energy))
        .every(Duration::from_millis(10));
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    let until = |grams: f64| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let samples = recording.samples();
            let last = samples
                .iter()
                .rfind(|sample| sample.series.metric.name == "carbon_emission");
            if last.is_some_and(|sample| (sample.value.as_f64() - grams).abs() < 1e-9) {
                return samples.len();
            }
            assert!(Instant::now() < deadline, "{last:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    until(42.0);
    is_away.store(true, Ordering::Relaxed);
    until(36.0);
    is_away.store(false, Ordering::Relaxed);
    until(42.0);
    let report = pipeline.stop(Duration::from_secs(10));
    assert!(report.ledger.is_balanced(), "{:?}", report.ledger);
}

#[test]
fn a_trial_says_what_a_kilowatt_hour_emits_or_why_that_is_not_known() {
    let server = TestServer::answering(|_| ("200 OK", "42".to_owned())).unwrap();
    let http = |path: &str| Config {
        mode: Mode::Http,
        http: Some(ServerConfig {
            url: server.url(),
            path: path.to_owned(),
            http: local(),
            ..ServerConfig::default()
        }),
        ..Config::default()
    };
    let away = Config {
        http: Some(ServerConfig {
            url: "http://127.0.0.1:9".to_owned(),
            http: local(),
            ..ServerConfig::default()
        }),
        ..http("")
    };
    let file = Config {
        mode: Mode::File,
        file: Some(FileConfig {
            path: "/nowhere/intensity.csv".into(),
        }),
        ..Config::default()
    };
    for (config, verdict, detail) in [
        (Config::default(), Verdict::Works, "475 g/kWh"),
        (http("/now"), Verdict::Works, "42 g/kWh"),
        (away, Verdict::Limited, "127.0.0.1:9"),
        (file, Verdict::Broken, "/nowhere/intensity.csv"),
    ] {
        let host = Host::trial(Arc::new(ManualClock::new()), "/");
        let mut context = StartContext::new(&host);
        EnergyToCarbonPlugin::start(config, &mut context).unwrap();
        let [finding] = context.findings() else {
            panic!("{:?}", context.findings())
        };
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        assert!(finding.detail.contains(detail), "{finding:?}");
    }
}

#[test]
fn files_of_the_original_load() {
    let config = |text: &str| toml::from_str::<Config>(text).unwrap();
    assert_eq!(config("mode = \"world_avg\""), Config::default());
    assert_eq!(
        config("mode = \"country\"\n[country]\ncode = \"FRA\"").mode,
        Mode::Country
    );
    let intensity =
        config("mode = \"intensity_override\"\n[intensity_override]\nintensity = 10").intensity_override;
    assert_eq!(intensity, IntensityConfig { intensity: 10.0 });
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    for (toml, key) in [
        ("mode = 'country'\n[country]\ncode = 'GER'", "country.code"),
        ("mode = 'file'", "file"),
        ("mode = 'http'", "http"),
        ("mode = 'http'\n[http]\nurl = 'nowhere'", "http.url"),
        ("mode = 'http'\n[http]\nurl = 'http://a'\npath = 'b'", "http.path"),
        (
            "mode = 'http'\n[http]\nurl = 'http://a'\nrefresh_interval = '0s'",
            "http.refresh_interval",
        ),
        ("fallback = -1", "fallback"),
        (
            "[intensity_override]\nintensity = nan",
            "intensity_override.intensity",
        ),
        ("hold = '0s'", "hold"),
        ("metrics = ['a[']", "metrics.0"),
        ("exclude = [{ domain = '[' }]", "exclude.0.domain"),
    ] {
        let faults = EnergyToCarbonPlugin::check(&toml::from_str(toml).unwrap()).unwrap_err();
        assert_eq!(faults.keys(), [key], "{toml}");
    }
}
