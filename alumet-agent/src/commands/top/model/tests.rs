use alumet_core::catalog::Catalog;
use alumet_core::metric::Metric;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::time::Monotonic;
use alumet_core::value::ValueType;
use alumet_core::{Attributes, Value};

use super::*;

/// A process of which only number and text are known.
pub(in super::super) fn process(pid: u32, text: &str) -> Row {
    Row {
        consumer: Consumer::Process { pid },
        name: text.into(),
        text: text.to_owned(),
        parent: None,
        cpu: None,
        memory: None,
        io: None,
        power: None,
        energy: None,
    }
}

/// A model, and what it is fed with.
struct Fed {
    catalog: Catalog,
    model: Model,
    /// Seconds by which the wall clock is ahead of where it was at first.
    ahead: f64,
}

impl Fed {
    fn new() -> Self {
        Self {
            catalog: Catalog::new(),
            model: Model::new(Duration::from_secs(1), 4),
            ahead: 0.0,
        }
    }

    fn series(
        &self,
        name: &'static str,
        kind: MetricKind,
        unit: Unit,
        of: (Consumer, &[(&'static str, &str)]),
    ) -> SeriesHandle {
        self.series_on(Resource::LocalMachine, name, kind, unit, of)
    }

    fn series_on(
        &self,
        resource: Resource,
        name: &'static str,
        kind: MetricKind,
        unit: Unit,
        of: (Consumer, &[(&'static str, &str)]),
    ) -> SeriesHandle {
        let quality = match name {
            "attributed_energy" | "attributed_gpu_energy" => Quality::Modelled,
            _ => Quality::Measured,
        };
        let (metric, _) = self.catalog.admit_metric(Metric {
            name: name.into(),
            kind,
            value_type: ValueType::F64,
            unit,
            description: "".into(),
            quality,
        });
        let (consumer, attributes) = of;
        let attributes = attributes
            .iter()
            .map(|(key, value)| (*key, AttributeValue::from(*value)));
        self.catalog.register(SeriesKey {
            metric,
            resource,
            consumer,
            attributes: attributes.collect::<Attributes>(),
        })
    }

    fn cpu(&self, pid: u32, name: &str, kind: &str) -> SeriesHandle {
        let of = (Consumer::Process { pid }, &[("kind", kind), ("name", name)][..]);
        self.series("cpu_time_delta", MetricKind::Delta, Unit::SECOND.nano(), of)
    }

    fn energy(&self, consumer: Consumer, attributes: &[(&'static str, &str)]) -> SeriesHandle {
        self.series(
            "attributed_energy",
            MetricKind::Delta,
            Unit::JOULE,
            (consumer, attributes),
        )
    }

    /// Samples of one time, in seconds.
    fn at(&mut self, seconds: f64, samples: &[(&SeriesHandle, f64)]) {
        let nanos = |seconds: f64| (seconds * 1e9) as i64;
        let wall = Timestamp::from_nanos(nanos(1000.0 + self.ahead + seconds));
        let mut batch = self.catalog.batch();
        for (series, value) in samples {
            batch.push_value(series, wall, Value::F64(*value)).unwrap();
        }
        let monotonic = Monotonic::from_nanos(nanos(seconds) as u64);
        self.model.take(&Delivery::of(batch, Moment { wall, monotonic }));
    }

    fn processes(&mut self) -> Vec<Row> {
        let mut rows = self.model.look().processes;
        rows.sort_by_key(|row| row.consumer.id().parse::<u32>().unwrap());
        rows
    }
}

#[test]
fn the_cpu_time_of_a_process_is_a_share_of_the_time_that_passed() {
    let mut fed = Fed::new();
    let (user, system) = (fed.cpu(7, "a", "user"), fed.cpu(7, "a", "system"));
    let guest = fed.cpu(7, "a", "guest");
    fed.at(0.0, &[(&user, 0.0), (&system, 0.0)]);
    assert_eq!(fed.processes()[0].cpu, None, "one reading tells no rate");
    fed.at(2.0, &[(&user, 1e9), (&system, 0.5e9), (&guest, 1e9)]);
    let rows = fed.processes();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].cpu, &*rows[0].name),
        (Some(0.75), "a"),
        "user contains guest"
    );
}

#[test]
fn power_is_that_of_the_latest_interval_and_energy_that_of_all() {
    let mut fed = Fed::new();
    let cpu = fed.cpu(7, "a", "user");
    let energy = fed.energy(Consumer::Process { pid: 7 }, &[("name", "a")]);
    let idle = fed.energy(Consumer::LocalMachine, &[("part", "idle")]);
    let of = |kind| [("part", "unattributed"), ("consumers", kind)];
    let of_processes = fed.energy(Consumer::LocalMachine, &of("process"));
    let of_groups = fed.energy(Consumer::LocalMachine, &of("cgroup"));
    for (second, joules) in [(0.0, 0.0), (1.0, 4.0), (2.0, 6.0)] {
        fed.at(
            second,
            &[
                (&cpu, 1e9),
                (&energy, joules),
                (&idle, 2.0),
                (&of_processes, 1.0),
                (&of_groups, 3.0),
            ],
        );
    }
    let snapshot = fed.model.look();
    let row = &snapshot.processes[0];
    assert_eq!((row.power, row.energy), (Some(6.0), Some(10.0)));
    let machine = &snapshot.machine;
    assert_eq!(
        (
            machine.attributed,
            machine.idle,
            machine.unattributed,
            machine.quality
        ),
        (Some(6.0), Some(2.0), Some(1.0), Some(Quality::Modelled))
    );
    assert_eq!(machine.sources, [], "what is shared is no source");
}

#[test]
fn the_power_of_a_process_contains_that_of_its_gpus_and_a_gpu_is_a_source_once() {
    let mut fed = Fed::new();
    let gpu = |id: &str| Resource::Gpu { bus_id: id.into() };
    let joules = |fed: &Fed, id, name, consumer, attributes: &[(&'static str, &str)]| {
        fed.series_on(
            gpu(id),
            name,
            MetricKind::Delta,
            Unit::JOULE,
            (consumer, attributes),
        )
    };
    let process = Consumer::Process { pid: 7 };
    let rest = |kind| [("part", "unattributed"), ("consumers", kind)];
    let cpu = fed.cpu(7, "a", "user");
    let energy = fed.energy(process.clone(), &[("name", "a")]);
    let of_gpu = ["one", "two"].map(|id| joules(&fed, id, "attributed_gpu_energy", process.clone(), &[]));
    let [left, of_groups] = ["process", "cgroup"].map(|kind| {
        joules(
            &fed,
            "one",
            "attributed_gpu_energy",
            Consumer::LocalMachine,
            &rest(kind),
        )
    });
    let counted =
        ["one", "two"].map(|id| joules(&fed, id, "nvml_energy_consumption", Consumer::LocalMachine, &[]));
    let [power, limit] = ["nvml_instant_power", "nvml_power_limit"].map(|name| {
        let watts = Unit::WATT.milli();
        fed.series_on(
            gpu("one"),
            name,
            MetricKind::Gauge,
            watts,
            (Consumer::LocalMachine, &[]),
        )
    });
    for second in [0.0, 1.0] {
        fed.at(
            second,
            &[
                (&cpu, 1e9),
                (&energy, 4.0),
                (&of_gpu[0], 60.0),
                (&of_gpu[1], 30.0),
                (&left, 40.0),
                (&of_groups, 99.0),
                (&counted[0], 100.0),
                (&counted[1], 30.0),
                (&power, 100_000.0),
                (&limit, 700_000.0),
            ],
        );
    }
    let snapshot = fed.model.look();
    assert_eq!(snapshot.processes[0].power, Some(94.0));
    let machine = &snapshot.machine;
    assert_eq!(
        (machine.attributed, machine.unattributed),
        (Some(94.0), Some(40.0))
    );
    let shown: Vec<_> = machine
        .sources
        .iter()
        .map(|power| (&*power.name, power.watts))
        .collect();
    assert_eq!(
        shown,
        [
            ("nvml energy consumption (gpu:one)", 100.0),
            ("nvml energy consumption (gpu:two)", 30.0),
        ]
    );
}

#[test]
fn a_process_that_is_gone_is_shown_no_more_and_one_that_is_late_is() {
    let mut fed = Fed::new();
    let (stays, goes) = (fed.cpu(1, "stays", "user"), fed.cpu(2, "goes", "user"));
    let joules = fed.energy(Consumer::Process { pid: 2 }, &[]);
    fed.at(0.0, &[(&stays, 0.0), (&goes, 0.0), (&joules, 0.0)]);
    fed.at(1.0, &[(&stays, 0.0)]);
    assert_eq!(fed.processes().len(), 2, "its part of the round may be under way");
    fed.at(2.0, &[(&stays, 0.0)]);
    assert_eq!(fed.processes().len(), 1);
    assert!(fed.model.cells.get(goes.id()).is_none(), "it is forgotten");
}

#[test]
fn the_energy_of_a_process_outlives_a_change_of_its_name() {
    let mut fed = Fed::new();
    let of = Consumer::Process { pid: 7 };
    let [before, after] = ["sh", "make"].map(|name| {
        (
            fed.cpu(7, name, "user"),
            fed.energy(of.clone(), &[("name", name)]),
        )
    });
    fed.at(0.0, &[(&before.0, 0.0), (&before.1, 0.0)]);
    fed.at(1.0, &[(&before.0, 0.0), (&before.1, 3.0)]);
    for second in 2..6 {
        let joules = if second == 2 { 0.0 } else { 1.0 };
        fed.at(f64::from(second), &[(&after.0, 0.0), (&after.1, joules)]);
        fed.model.look();
    }
    let rows = fed.processes();
    assert_eq!(
        (&*rows[0].name, rows[0].energy, rows[0].power),
        ("make", Some(6.0), Some(1.0))
    );
}

#[test]
fn a_rate_is_not_known_when_the_clock_was_set() {
    let mut fed = Fed::new();
    let cpu = fed.cpu(7, "a", "user");
    fed.at(0.0, &[(&cpu, 0.0)]);
    fed.at(1.0, &[(&cpu, 1e9)]);
    fed.ahead = 9.0;
    fed.at(2.0, &[(&cpu, 1e9)]);
    assert_eq!(fed.processes()[0].cpu, None, "ten seconds of the clock were one");
    fed.at(3.0, &[(&cpu, 1e9)]);
    assert_eq!(fed.processes()[0].cpu, Some(1.0));
}

#[test]
fn sensors_show_their_power_and_what_they_are() {
    let mut fed = Fed::new();
    let source = |fed: &Fed, name, kind, unit, attributes: &[(&'static str, &str)]| {
        fed.series(name, kind, unit, (Consumer::LocalMachine, attributes))
    };
    let package = [("domain", "package_total")];
    let package = source(
        &fed,
        "rapl_consumed_energy",
        MetricKind::Delta,
        Unit::JOULE,
        &package,
    );
    let battery = source(
        &fed,
        "battery_power",
        MetricKind::Gauge,
        Unit::WATT.milli(),
        &[("battery", "BAT0")],
    );
    let forks = source(&fed, "kernel_new_forks", MetricKind::Delta, Unit::ONE, &[]);
    let one = source(
        &fed,
        "rapl_consumed_energy",
        MetricKind::Delta,
        Unit::JOULE,
        &[("domain", "package")],
    );
    for second in [0.0, 1.0] {
        fed.at(
            second,
            &[(&one, 20.0), (&package, 30.0), (&battery, 8000.0), (&forks, 5.0)],
        );
    }
    let sources = fed.model.look().machine.sources;
    let shown: Vec<_> = sources.iter().map(|power| (&*power.name, power.watts)).collect();
    assert_eq!(shown, [("BAT0", 8.0), ("package", 30.0)]);
}

#[test]
fn groups_and_processes_are_apart() {
    let mut fed = Fed::new();
    let group = Consumer::ControlGroup {
        path: "/user.slice".into(),
    };
    let of = |kind: &'static str| (group.clone(), [("kind", kind)]);
    let [total, user] = ["total", "user"].map(|kind| {
        let (group, attributes) = of(kind);
        fed.series(
            "cpu_time_delta",
            MetricKind::Delta,
            Unit::SECOND.nano(),
            (group, &attributes),
        )
    });
    let device = [("device", "sda"), ("direction", "discard")];
    let discarded = fed.series(
        "cgroup_io_bytes",
        MetricKind::Delta,
        Unit::BYTE,
        (group.clone(), &device),
    );
    for second in [0.0, 1.0] {
        fed.at(second, &[(&total, 2e9), (&user, 1e9), (&discarded, 9.0)]);
    }
    let snapshot = fed.model.look();
    assert_eq!(snapshot.processes, []);
    let row = &snapshot.groups[0];
    assert_eq!((&*row.text, row.cpu, row.io), ("/user.slice", Some(2.0), None));
}
