//! What groups get of the samples of their processes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::metric::MetricDef;
use alumet_core::output::RecordedSample;
use alumet_core::plugin::Plugin;
use alumet_core::spool::{InstanceId, Origin};
use alumet_core::testkit::{Bench, FakeRoot, ManualClock, assert_lines};
use alumet_core::unit::Unit;
use alumet_core::value::Number;
use alumet_core::{Batch, Consumer, Resource, Series, Timestamp};
use alumet_plugin_process_to_cgroup_bridge::{Config, ProcessToCgroupBridgePlugin};

alumet_core::metrics! {
    pub MEMORY = Gauge<u64> {
        name: "memory", unit: Unit::BYTE, description: "For this test.",
        resources: ["local_machine"], consumers: ["process"], attributes: ["kind"],
    };
    pub SHARE = Gauge<f64> {
        name: "share", unit: Unit::PERCENT, description: "For this test.",
        resources: ["local_machine"], consumers: ["process"],
    };
    pub OTHER = Gauge<u64> {
        name: "other", unit: Unit::ONE, description: "For this test.",
        resources: ["local_machine"], consumers: ["process"],
    };
}

/// Some processes and the plugin.
struct Stage {
    root: FakeRoot,
    bench: Bench,
}

impl Stage {
    fn new(config: &str) -> Self {
        let root = FakeRoot::new();
        let config = format!("processes_metrics = ['memory', 'sh*']\n{config}");
        for (pid, group) in [(7, "/a"), (8, "/a"), (9, "/b")] {
            put(&root, pid, 100, group);
        }
        let bench =
            Bench::start::<ProcessToCgroupBridgePlugin>(toml::from_str(&config).unwrap(), root.path());
        Self {
            root,
            bench: bench.unwrap(),
        }
    }

    fn series<T: Number>(&self, metric: &MetricDef<T>, resource: Resource, pid: u32) -> Series<T> {
        let catalog = self.bench.catalog();
        let metric = catalog.metric(metric).unwrap();
        catalog
            .series(metric, resource, Consumer::Process { pid })
            .register()
    }

    fn memory(&self, pid: u32) -> Series<u64> {
        self.series(&MEMORY, Resource::LocalMachine, pid)
    }

    /// What becomes of a batch.
    fn apply(&mut self, fill: impl FnOnce(&mut Batch)) -> Vec<RecordedSample> {
        let mut batch = self.bench.catalog().batch();
        fill(&mut batch);
        self.bench.transform(&mut batch).unwrap();
        RecordedSample::of_batch(&batch)
    }
}

fn put(root: &FakeRoot, pid: u32, start: u64, group: &str) {
    let numbers = "1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0";
    root.write(
        format!("proc/{pid}/stat"),
        format!("{pid} (sh) S 1 {numbers} {start} 9 9 9 9 9 9\n"),
    );
    root.write(format!("proc/{pid}/cgroup"), format!("0::{group}\n"));
}

const NOW: Timestamp = ManualClock::START;
const ALONE: &str = "keep_processed_measurements = false";

#[test]
fn what_processes_of_a_group_have_at_one_time_is_added_up_in_its_type() {
    let mut stage = Stage::new("");
    let (one, two, other) = (stage.memory(7), stage.memory(8), stage.memory(9));
    let samples = stage.apply(|batch| {
        batch.push(&one, NOW, u64::MAX / 2);
        batch.push(&two, NOW, 1);
        batch.push(&other, NOW, 5);
    });
    assert_lines(
        samples,
        [
            "memory local_machine process:7 {} = 9223372036854775807",
            "memory local_machine process:8 {} = 1",
            "memory local_machine process:9 {} = 5",
            "memory local_machine cgroup:/a {} = 9223372036854775808",
            "memory local_machine cgroup:/b {} = 5",
        ],
    );
}

#[test]
fn what_tells_processes_apart_is_not_told_of_their_group() {
    let mut stage = Stage::new(ALONE);
    let memory = stage.bench.catalog().metric(&MEMORY).unwrap();
    let named = |pid, key: &'static str| {
        let consumer = Consumer::Process { pid };
        let catalog = stage.bench.catalog();
        let series = catalog.series(memory, Resource::LocalMachine, consumer);
        series
            .attribute("node", "n1")
            .attribute(key, format!("that of {pid}"))
            .register()
    };
    let series: Vec<_> = ["name", "cmdline", "process_name", "cgroup"]
        .into_iter()
        .flat_map(|key| [named(7, key), named(8, key)])
        .collect();
    let samples = stage.apply(|batch| series.iter().for_each(|series| batch.push(series, NOW, 1)));
    assert_lines(samples, ["memory local_machine cgroup:/a {node=n1} = 8"]);
}

#[test]
fn resources_attributes_metrics_and_times_stay_apart() {
    let mut stage = Stage::new(ALONE);
    let memory = stage.bench.catalog().metric(&MEMORY).unwrap();
    let of_kind = |stage: &Stage, pid, kind: &'static str| {
        let process = Consumer::Process { pid };
        let series = stage
            .bench
            .catalog()
            .series(memory, Resource::LocalMachine, process);
        series.attribute("kind", kind).register()
    };
    let resident = [of_kind(&stage, 7, "resident"), of_kind(&stage, 8, "resident")];
    let shared = of_kind(&stage, 7, "shared");
    let package = stage.series(&MEMORY, Resource::CpuPackage { id: 1 }, 7);
    let share = [7, 8].map(|pid| stage.series(&SHARE, Resource::LocalMachine, pid));
    let samples = stage.apply(|batch| {
        batch.push(&resident[0], NOW, 1);
        batch.push(&shared, NOW, 2);
        batch.push(&package, NOW, 4);
        batch.push(&share[0], NOW, 0.5);
        batch.push(&resident[1], NOW, 8);
        batch.push(&share[1], NOW, 0.25);
        batch.push(&share[1], NOW.saturating_add(Duration::from_secs(1)), 0.125);
    });
    assert_lines(
        samples,
        [
            "memory local_machine cgroup:/a {kind=resident} = 9",
            "memory local_machine cgroup:/a {kind=shared} = 2",
            "memory cpu_package:1 cgroup:/a {} = 4",
            "share local_machine cgroup:/a {} = 0.75",
            "share local_machine cgroup:/a {} = 0.125",
        ],
    );
}

#[test]
fn without_merging_a_group_has_as_many_samples_as_its_processes() {
    let mut stage = Stage::new(&format!("{ALONE}\nmerge_similar_cgroups = false"));
    let (one, two) = (stage.memory(7), stage.memory(8));
    let samples = stage.apply(|batch| {
        batch.push(&one, NOW, 1);
        batch.push(&two, NOW, 2);
    });
    assert_lines(
        samples,
        [
            "memory local_machine cgroup:/a {} = 1",
            "memory local_machine cgroup:/a {} = 2",
        ],
    );
}

#[test]
fn other_metrics_and_what_is_not_of_a_process_pass() {
    let mut stage = Stage::new(ALONE);
    let other = stage.series(&OTHER, Resource::LocalMachine, 7);
    let catalog = stage.bench.catalog();
    let memory = catalog.metric(&MEMORY).unwrap();
    let machine = catalog
        .series(memory, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    let samples = stage.apply(|batch| {
        batch.push(&other, NOW, 1);
        batch.push(&machine, NOW, 2);
    });
    assert_lines(
        samples,
        [
            "other local_machine process:7 {} = 1",
            "memory local_machine local_machine {} = 2",
        ],
    );
}

#[test]
fn the_group_of_a_process_is_remembered_beyond_its_end_as_long_as_it_has_a_series() {
    let mut stage = Stage::new(ALONE);
    let memory = stage.memory(7);
    stage.apply(|batch| batch.push(&memory, NOW, 1));
    stage.root.remove("proc/7");
    let share = stage.series(&SHARE, Resource::LocalMachine, 7);
    let samples = stage.apply(|batch| {
        batch.push(&memory, NOW, 2);
        batch.push(&share, NOW, 0.5);
    });
    assert_lines(
        samples,
        [
            "memory local_machine cgroup:/a {} = 2",
            "share local_machine cgroup:/a {} = 0.5",
        ],
    );
    drop((memory, share));
    stage.apply(|_| ());
    let memory = stage.memory(7);
    let samples = stage.apply(|batch| batch.push(&memory, NOW, 3));
    assert_lines(samples, ["memory local_machine process:7 {} = 3"]);
}

#[test]
fn the_file_is_read_once_in_the_life_of_a_process_and_again_for_the_next_with_its_number() {
    let mut stage = Stage::new(ALONE);
    let memory = stage.memory(7);
    stage.apply(|batch| batch.push(&memory, NOW, 1));
    put(&stage.root, 7, 100, "/moved");
    let share = stage.series(&SHARE, Resource::LocalMachine, 7);
    let samples = stage.apply(|batch| batch.push(&share, NOW, 0.5));
    assert_lines(samples, ["share local_machine cgroup:/a {} = 0.5"]);
    put(&stage.root, 7, 200, "/reborn");
    let package = stage.series(&MEMORY, Resource::CpuPackage { id: 0 }, 7);
    let samples = stage.apply(|batch| batch.push(&package, NOW, 4));
    assert_lines(samples, ["memory cpu_package:0 cgroup:/reborn {} = 4"]);
}

#[test]
fn samples_of_other_nodes_are_left_alone() {
    let mut stage = Stage::new("");
    let memory = stage.memory(7);
    let samples = stage.apply(|batch| {
        batch.push(&memory, NOW, 1);
        batch.set_origin(Origin {
            instance: InstanceId([1; 16]),
            sequence: 1,
            checksum: 0,
        });
    });
    assert_lines(samples, ["memory local_machine process:7 {} = 1"]);
}

#[test]
fn a_real_process_is_in_the_group_that_the_kernel_says() {
    let config = Config {
        processes_metrics: vec!["memory".into()],
        keep_processed_measurements: false,
        ..Config::default()
    };
    let mut stage = Stage {
        root: FakeRoot::new(),
        bench: Bench::start::<ProcessToCgroupBridgePlugin>(config, "/").unwrap(),
    };
    let memory = stage.memory(std::process::id());
    let samples = stage.apply(|batch| batch.push(&memory, NOW, 1));
    let table = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let consumer = samples[0].series.consumer().id().into_owned();
    assert!(
        table.lines().any(|line| line.ends_with(&format!(":{consumer}"))),
        "{consumer} in {table}"
    );
}

#[test]
fn a_name_that_cannot_be_understood_is_refused_and_one_of_the_original_is_not() {
    let check = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).into());
        ProcessToCgroupBridgePlugin::check(&Config {
            processes_metrics: names.collect(),
            ..Config::default()
        })
    };
    assert_eq!(check(&["a", "b["]).unwrap_err().keys(), ["processes_metrics.1"]);
    assert_eq!(check(&["some_metric_to_bridge"]), Ok(()));
}
