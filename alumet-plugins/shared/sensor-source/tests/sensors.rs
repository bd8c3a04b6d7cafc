//! What is made of files with numbers, and who measures which.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::PathBuf;
use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::CounterRange;
use alumet_core::output::RecordedSample;
use alumet_core::series::SeriesBuilder;
use alumet_core::services::Services;
use alumet_core::source::{Accumulator, Source, Tick};
use alumet_core::testkit::{FakeRoot, ManualClock, assert_lines};
use alumet_core::time::Clock;
use alumet_core::unit::Unit;
use alumet_core::value::Number;
use alumet_core::{Consumer, Resource};
use alumet_reader_kernel_file::fields::number;
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, PowerIntegral, Refusals};
use alumet_shared_sensor_source::{Claim, Quantity, SensorClaims, SensorSource, Sensors};

alumet_core::metrics! {
    ENERGY = Delta<f64> {
        name: "energy", unit: Unit::JOULE, description: "For tests.", attributes: ["of"],
    };
    POWER = Gauge<u64> {
        name: "power", unit: Unit::WATT, description: "For tests.", attributes: ["of"],
    };
    REFUSED = Delta<u64> {
        name: "refused", unit: Unit::ONE, description: "For tests.", attributes: ["reason"],
    };
}

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED_FILE: &str = "/sys/bus/platform/drivers_probe";

/// Sensors that are polled once per second.
struct Desk {
    root: FakeRoot,
    clock: ManualClock,
    catalog: Catalog,
    source: Box<dyn Source>,
}

impl Desk {
    fn new(list: impl Fn(&dyn Fn(&str) -> PathBuf, Metrics<'_>, &mut Sensors) + Send + 'static) -> Self {
        let root = FakeRoot::new();
        let catalog = Catalog::new();
        let refusals = Refusals::register(&catalog, catalog.metric(&REFUSED).unwrap());
        let folder = root.path().to_path_buf();
        let list = move |catalog: &Catalog| {
            let mut sensors = Sensors::default();
            list(&|file| folder.join(file), Metrics(catalog), &mut sensors);
            Ok(sensors)
        };
        Self {
            root,
            clock: ManualClock::new(),
            source: Box::new(SensorSource::new(list, refusals)),
            catalog,
        }
    }

    /// The samples of a poll one second later, without zeros of refusals and what is the same on all.
    fn next(&mut self) -> Vec<String> {
        self.clock.advance(Duration::from_secs(1));
        let now = self.clock.now();
        let tick = Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        };
        let mut batch = self.catalog.batch();
        let mut out = Accumulator::new(&mut batch, tick, &self.clock);
        self.source.poll(&mut out).unwrap();
        RecordedSample::of_batch(&batch)
            .iter()
            .map(|sample| sample.to_string().replace(" local_machine local_machine", ""))
            .filter(|text| !(text.starts_with("refused") && text.ends_with("= 0")))
            .collect()
    }
}

struct Metrics<'c>(&'c Catalog);

impl Metrics<'_> {
    fn series<T: Number>(&self, metric: MetricHandle<T>, of: &str) -> SeriesBuilder<'_, T> {
        let series = self
            .0
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine);
        series.attribute("of", of)
    }

    /// Power in watts, and its energy.
    fn power(&self, sensors: &mut Sensors, of: &str, quantity: Quantity) {
        let power = self.series(self.0.metric(&POWER).unwrap(), of).register();
        let energy = self.series(self.0.metric(&ENERGY).unwrap(), of).register();
        sensors.power(quantity, power, PowerIntegral::new(energy, 1.0));
    }

    /// A counter of joules.
    fn counter(&self, sensors: &mut Sensors, of: &str, path: PathBuf) {
        let energy = self.series(self.0.metric(&ENERGY).unwrap(), of).register();
        let counter = EnergyCounter::new(CounterRange::Unknown, 1000.0);
        let parse = |bytes: &[u8]| number(bytes.trim_ascii());
        sensors.counter(path, parse, EnergySeries::new(energy, counter, 1.0));
    }
}

#[test]
fn series_show_readings_products_and_sums_that_are_never_negative() {
    let mut desk = Desk::new(|file, metrics, sensors| {
        let volts = sensors.read(file("volts"), 1e-3, 0.0..=100.0);
        let amperes = sensors.read(file("amperes"), 1e-3, 0.0..=100.0);
        metrics.power(sensors, "product", Quantity::Product(volts, amperes, 1.0));
        metrics.power(
            sensors,
            "difference",
            Quantity::Sum(vec![(1.0, volts), (-1.0, amperes)]),
        );
    });
    desk.root.write("volts", "12000\n").write("amperes", "2000\n");
    desk.next();
    desk.root.write("amperes", "20000\n");
    assert_lines(
        desk.next(),
        [
            "power {of=product} = 240",
            "energy {of=product} = 132",
            "power {of=difference} = 0",
            "energy {of=difference} = 5",
        ],
    );
}

#[test]
fn what_cannot_be_read_or_believed_is_counted_and_disturbs_no_other() {
    let mut desk = Desk::new(|file, metrics, sensors| {
        for name in ["one", "two"] {
            let watts = sensors.read(file(name), 1.0, 0.0..=100.0);
            metrics.power(sensors, name, Quantity::Shown(watts));
        }
        metrics.counter(sensors, "counter", file("counter"));
    });
    desk.root
        .write("one", "50\n")
        .write("two", "20\n")
        .write("counter", "1000\n");
    desk.next();
    for (nonsense, reason) in [
        ("101", "excess"),
        ("-1", "excess"),
        ("2147483647", "excess"),
        ("", "unreadable"),
    ] {
        desk.root.write("one", nonsense);
        let lines = desk.next();
        assert!(
            !lines.iter().any(|line| line.contains("{of=one}")),
            "{nonsense}: {lines:?}"
        );
        assert!(
            lines.contains(&"power {of=two} = 20".to_owned()),
            "{nonsense}: {lines:?}"
        );
        assert!(
            lines.contains(&format!("refused {{reason={reason}}} = 1")),
            "{nonsense}: {lines:?}"
        );
    }
    for name in ["one", "counter"] {
        desk.root.write(name, "").remove(name).link(name, REFUSED_FILE);
    }
    let lines = desk.next();
    assert!(lines.contains(&"energy {of=two} = 20".to_owned()), "{lines:?}");
    assert!(
        lines.contains(&"refused {reason=unreadable} = 2".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_device_that_vanishes_takes_no_other_away_and_begins_anew_when_it_is_back() {
    let mut desk = Desk::new(|file, metrics, sensors| {
        for name in ["one", "two"] {
            if file(name).exists() {
                metrics.counter(sensors, name, file(name).join("energy"));
                let watts = sensors.read(file(name).join("power"), 1.0, 0.0..=100.0);
                metrics.power(sensors, &format!("{name} by power"), Quantity::Shown(watts));
            }
        }
    });
    let plug = |root: &FakeRoot, name: &str, energy: u64| {
        root.write(format!("{name}/energy"), format!("{energy}\n"))
            .write(format!("{name}/power"), "10\n");
    };
    plug(&desk.root, "one", 100);
    plug(&desk.root, "two", 100);
    desk.next();
    // An open file of a device that is gone shows nothing any more.
    desk.root
        .write("one/energy", "")
        .write("one/power", "")
        .remove("one");
    plug(&desk.root, "two", 110);
    desk.next();
    // Listed anew: the counter and the integral of the other go on.
    plug(&desk.root, "two", 125);
    assert_lines(
        desk.next(),
        [
            "power {of=two by power} = 10",
            "energy {of=two by power} = 10",
            "energy {of=two} = 15",
        ],
    );
    plug(&desk.root, "one", 5);
    for _ in 0..59 {
        desk.next();
    }
    plug(&desk.root, "two", 130);
    assert_lines(
        desk.next(),
        [
            "power {of=one by power} = 10",
            "energy {of=one by power} = 0",
            "power {of=two by power} = 10",
            "energy {of=two by power} = 10",
            "energy {of=one} = 0",
            "energy {of=two} = 5",
        ],
    );
}

#[test]
fn a_device_that_sleeps_is_not_read() {
    let mut desk = Desk::new(|file, metrics, sensors| {
        sensors.begin_device(&file("gpu"));
        let watts = sensors.read(file("gpu/watts"), 1.0, 0.0..=100.0);
        metrics.power(sensors, "gpu", Quantity::Shown(watts));
        metrics.counter(sensors, "counter", file("gpu/joules"));
        sensors.begin_device(&file("other"));
        let watts = sensors.read(file("other/watts"), 1.0, 0.0..=100.0);
        metrics.power(sensors, "other", Quantity::Shown(watts));
    });
    desk.root
        .write("gpu/power/runtime_status", "active\n")
        .write("gpu/watts", "30\n")
        .write("gpu/joules", "7\n")
        .write("other/watts", "1\n");
    assert_eq!(desk.next().len(), 5);
    desk.root
        .write("gpu/power/runtime_status", "suspended\n")
        .write("gpu/joules", "9\n");
    let of_other = ["power {of=other} = 1", "energy {of=other} = 1"];
    assert_lines(desk.next(), of_other);
    assert_lines(desk.next(), of_other);
    desk.root.write("gpu/power/runtime_status", "active\n");
    let lines = desk.next();
    // What the counter counted is known, what the power was is not.
    assert!(lines.contains(&"energy {of=counter} = 2".to_owned()), "{lines:?}");
    assert!(lines.contains(&"energy {of=gpu} = 0".to_owned()), "{lines:?}");
}

#[test]
fn a_chip_is_claimed_by_any_of_its_paths_until_its_plugin_ends() {
    let root = FakeRoot::new();
    root.write("sys/devices/gpu/hwmon/hwmon3/name", "amdgpu\n")
        .link("sys/class/hwmon/hwmon3", "../../devices/gpu/hwmon/hwmon3");
    let services = Services::default();
    let claims = SensorClaims::shared(&services);
    let claim = Claim::new("amd-gpu", &services);
    claim.set([root.path().join("sys/devices/gpu/hwmon/hwmon3")]);
    let by_class = root.path().join("sys/class/hwmon/hwmon3");
    assert!(claims.is_claimed(&by_class));
    claim.set::<PathBuf>([]);
    assert!(!claims.is_claimed(&by_class));
    claim.set([&by_class]);
    drop(claim);
    assert!(!claims.is_claimed(&by_class));
}
