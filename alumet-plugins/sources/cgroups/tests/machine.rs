//! Captured trees of both versions: the values that are in the files are those that come out.

use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_core::value::Value;
use alumet_plugin_cgroups::{CgroupsPlugin, Config};

const POD: &str = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice";
const ALL: &str = "metrics.pressure = 'on'\nmetrics.io = 'on'\nmetrics.throttling = 'on'\nmetrics.pids = 'on'\nmetrics.memory_events = 'on'\n";

fn fixture(name: &str) -> FakeRoot {
    FakeRoot::copy_of(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR")))
}

#[expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]
fn bench(config: &str, root: &FakeRoot) -> Bench {
    let config: Config = toml::from_str(config).unwrap();
    Bench::start::<CgroupsPlugin>(config, root.path()).unwrap()
}

/// The value of the last sample of a metric and a control group with an attribute value.
fn value(samples: &[RecordedSample], metric: &str, path: &str, attributes: &[(&str, &str)]) -> Option<Value> {
    let consumer = Consumer::ControlGroup { path: path.into() };
    let found = samples.iter().filter(|sample| {
        sample.series.metric.name == metric
            && *sample.series.consumer() == consumer
            && sample.series.attributes().len() == attributes.len()
            && attributes.iter().all(|(key, value)| {
                sample
                    .series
                    .attributes()
                    .get(key)
                    .is_some_and(|found| found.to_string() == *value)
            })
    });
    found.map(|sample| sample.value).next_back()
}

#[test]
fn microseconds_of_version_2_become_nanoseconds() {
    let root = fixture("v2");
    let mut bench = bench("", &root);
    bench.poll("cgroups").unwrap();
    bench.advance(Duration::from_secs(5));
    root.write(
        format!("sys/fs/cgroup{POD}/cpu.stat"),
        "usage_usec 6000123\nuser_usec 4400100\nsystem_usec 1600023\n",
    );
    root.write("sys/devices/system/cpu/online", "0-1\n");
    let samples = bench.poll("cgroups").unwrap();
    let cpu = |kind| value(&samples, "cpu_time_delta", POD, &[("kind", kind)]);
    assert_eq!(cpu("total"), Some(Value::U64(1_000_000_000)));
    assert_eq!(cpu("user"), Some(Value::U64(400_000_000)));
    assert_eq!(cpu("system"), Some(Value::U64(600_000_000)));
}

#[test]
fn a_percentage_is_relative_to_the_machine_unless_asked_otherwise() {
    for (config, percent) in [("", 10.0), ("cpu_percent_base = 'core'", 20.0)] {
        let root = fixture("v2");
        root.write("sys/devices/system/cpu/online", "0-1\n");
        let mut bench = bench(config, &root);
        bench.poll("cgroups").unwrap();
        bench.advance(Duration::from_secs(5));
        root.write(
            format!("sys/fs/cgroup{POD}/cpu.stat"),
            "usage_usec 6000123\nuser_usec 4400100\nsystem_usec 1600023\n",
        );
        let samples = bench.poll("cgroups").unwrap();
        assert_eq!(
            value(&samples, "cpu_percent", POD, &[("kind", "total")]),
            Some(Value::F64(percent))
        );
    }
}

#[test]
fn gauges_of_version_2_are_as_in_the_files_and_no_limit_is_minus_one() {
    let root = fixture("v2");
    let samples = bench(ALL, &root).poll("cgroups").unwrap();
    for (metric, expected) in [
        ("memory_usage", Value::U64(123_456_789)),
        ("memory_max", Value::F64(268_435_456.0)),
        ("cgroup_memory_swap_current", Value::U64(4096)),
        ("cgroup_memory_swap_max", Value::F64(-1.0)),
        ("cgroup_memory_anonymous", Value::U64(83_886_080)),
        ("cgroup_memory_file", Value::U64(31_457_280)),
        ("cgroup_memory_kernel_stack", Value::U64(491_520)),
        ("cgroup_memory_pagetables", Value::U64(1_228_800)),
        ("cgroup_pids", Value::U64(17)),
    ] {
        assert_eq!(value(&samples, metric, POD, &[]), Some(expected), "{metric}");
    }
    let is_delta = |sample: &&RecordedSample| sample.series.metric.kind == alumet_core::MetricKind::Delta;
    assert!(
        samples
            .iter()
            .filter(is_delta)
            .all(|sample| sample.value == Value::U64(0)),
        "what was used before is a baseline: a delta series begins with a 0"
    );
}

#[test]
fn counts_of_version_2_come_as_increases() {
    let root = fixture("v2");
    let mut bench = bench(ALL, &root);
    bench.poll("cgroups").unwrap();
    bench.advance(Duration::from_secs(5));
    let write = |name: &str, text: &str| {
        root.write(format!("sys/fs/cgroup{POD}/{name}"), text);
    };
    write(
        "io.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=122\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=31\n",
    );
    write(
        "irq.pressure",
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=40\n",
    );
    write(
        "io.stat",
        "259:0 rbytes=5096 wbytes=8192 rios=4 wios=2 dbytes=0 dios=0\n8:0 rbytes=7 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
    );
    write("memory.events", "low 0\nhigh 9\nmax 12\noom 2\noom_kill 3\n");
    write(
        "cpu.stat",
        "usage_usec 5000123\nuser_usec 4000100\nsystem_usec 1000023\nnr_periods 1210\nnr_throttled 36\nthrottled_usec 567891\n",
    );
    let samples = bench.poll("cgroups").unwrap();
    let of = |metric, attributes: &[(&str, &str)]| value(&samples, metric, POD, attributes);
    let count = |number| Some(Value::U64(number));
    assert_eq!(of("io_pressure_some_total", &[]), count(100));
    assert_eq!(of("io_pressure_full_total", &[]), count(10));
    assert_eq!(
        of(
            "cgroup_pressure_stall_time",
            &[("resource", "io"), ("kind", "some")]
        ),
        count(100)
    );
    assert_eq!(
        of(
            "cgroup_pressure_stall_time",
            &[("resource", "irq"), ("kind", "full")]
        ),
        count(7)
    );
    assert_eq!(
        of(
            "cgroup_pressure_stall_time",
            &[("resource", "irq"), ("kind", "some")]
        ),
        None
    );
    assert_eq!(
        of("cgroup_io_bytes", &[("device", "259:0"), ("direction", "read")]),
        count(1000)
    );
    assert_eq!(
        of(
            "cgroup_io_operations",
            &[("device", "259:0"), ("direction", "read")]
        ),
        count(3)
    );
    assert_eq!(
        of("cgroup_io_bytes", &[("device", "259:0"), ("direction", "write")]),
        count(0)
    );
    // A device that was not listed before had no traffic before.
    assert_eq!(
        of("cgroup_io_bytes", &[("device", "8:0"), ("direction", "read")]),
        count(7)
    );
    assert_eq!(of("cgroup_memory_events", &[("event", "high")]), count(2));
    assert_eq!(of("cgroup_memory_events", &[("event", "oom_kill")]), count(2));
    assert_eq!(of("cgroup_cpu_periods", &[]), count(10));
    assert_eq!(of("cgroup_cpu_throttled_periods", &[]), count(2));
    assert_eq!(of("cgroup_cpu_throttled_time", &[]), count(1000));
}

#[test]
fn version_1_has_the_total_of_cpu_time_in_nanoseconds_and_no_split() {
    for name in ["v1", "hybrid"] {
        let root = fixture(name);
        let mut bench = bench("", &root);
        let first = bench.poll("cgroups").unwrap();
        assert!(
            value(&first, "memory_usage", "/oar/alice_42", &[]).is_some(),
            "{name}"
        );
        let file = root.at("sys/fs/cgroup/cpu,cpuacct/oar/alice_42/cpuacct.usage");
        let before: u64 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        root.write(
            "sys/fs/cgroup/cpu,cpuacct/oar/alice_42/cpuacct.usage",
            format!("{}\n", before + 77),
        );
        bench.advance(Duration::from_secs(1));
        let samples = bench.poll("cgroups").unwrap();
        let cpu = |kind| value(&samples, "cpu_time_delta", "/oar/alice_42", &[("kind", kind)]);
        assert_eq!(cpu("total"), Some(Value::U64(77)), "{name}");
        assert_eq!((cpu("user"), cpu("system")), (None, None), "{name}");
    }
}

#[test]
fn the_unified_part_of_a_hybrid_machine_is_read_when_it_is_chosen() {
    let root = fixture("hybrid");
    let mut bench = bench("hierarchy = 'v2'", &root);
    bench.poll("cgroups").unwrap();
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll("cgroups").unwrap();
    assert_eq!(
        value(&samples, "cpu_time_delta", "/oar", &[("kind", "user")]),
        Some(Value::U64(0))
    );
    assert_eq!(value(&samples, "memory_usage", "/oar", &[]), None);
}

#[test]
fn a_hierarchy_that_is_mounted_later_is_measured_and_one_that_is_unmounted_ends() {
    let root = fixture("v2");
    let table = std::fs::read_to_string(root.at("proc/self/mountinfo")).unwrap();
    root.write("proc/self/mountinfo", "24 1 0:22 / /proc rw - proc proc rw\n");
    let mut bench = bench("", &root);
    let mut events = bench.events().subscribe();
    assert!(bench.poll("cgroups").unwrap().is_empty());
    root.write("proc/self/mountinfo", &table);
    assert!(!bench.poll("cgroups").unwrap().is_empty());
    let started = events.try_next().unwrap();
    assert!(matches!(started, Some(ConsumerEvent::Started(consumers)) if !consumers.is_empty()));
    root.write("proc/self/mountinfo", "24 1 0:22 / /proc rw - proc proc rw\n");
    assert!(bench.poll("cgroups").unwrap().is_empty());
    assert!(matches!(
        events.try_next().unwrap(),
        Some(ConsumerEvent::Ended(_))
    ));
    assert_eq!(bench.catalog().live_series(), 0);
}

#[test]
fn only_measured_groups_are_announced() {
    let root = fixture("v2");
    let mut bench = bench("include = ['/user.slice']", &root);
    let mut events = bench.events().subscribe();
    let samples = bench.poll("cgroups").unwrap();
    let path = "/user.slice".into();
    let expected = Consumer::ControlGroup { path };
    assert!(samples.iter().all(|sample| *sample.series.consumer() == expected));
    let expected = ConsumerEvent::Started([expected].into());
    assert_eq!(events.try_next().unwrap(), Some(expected));
    assert_eq!(events.try_next().unwrap(), None);
}

#[test]
fn slow_metrics_are_read_once_per_slow_interval() {
    let root = fixture("v2");
    let mut bench = bench("metrics.memory = 'slow'\nmetrics.slow_interval = '10s'", &root);
    let mut polls = Vec::new();
    for _ in 0..4 {
        let samples = bench.poll("cgroups").unwrap();
        let has_cpu_or_stat = value(&samples, "cgroup_memory_file", POD, &[]).is_some();
        polls.push((
            has_cpu_or_stat,
            value(&samples, "memory_usage", POD, &[]).is_some(),
        ));
        bench.advance(Duration::from_secs(5));
    }
    assert_eq!(polls, [(true, true), (true, false), (true, true), (true, false)]);
}

#[test]
fn after_a_pause_what_was_used_meanwhile_is_not_billed() {
    let root = fixture("v2");
    let mut bench = bench("", &root);
    bench.poll("cgroups").unwrap();
    bench.reset("cgroups");
    bench.advance(Duration::from_secs(100));
    root.write(format!("sys/fs/cgroup{POD}/cpu.stat"), "usage_usec 99000123\n");
    let samples = bench.poll("cgroups").unwrap();
    let total = value(&samples, "cpu_time_delta", POD, &[("kind", "total")]);
    assert_eq!(total, Some(Value::U64(0)), "it begins again");
    root.write(format!("sys/fs/cgroup{POD}/cpu.stat"), "usage_usec 99000124\n");
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll("cgroups").unwrap();
    let cpu = value(&samples, "cpu_time_delta", POD, &[("kind", "total")]);
    assert_eq!(cpu, Some(Value::U64(1000)));
}

#[test]
fn a_group_that_is_made_while_it_is_watched_is_billed_from_zero() {
    let root = fixture("v2");
    let mut bench = bench("metrics.io = 'on'", &root);
    bench.poll("cgroups").unwrap();
    root.write(
        "sys/fs/cgroup/new/cpu.stat",
        "usage_usec 12\nuser_usec 5\nsystem_usec 7\n",
    );
    root.write(
        "sys/fs/cgroup/new/io.stat",
        "8:0 rbytes=7 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
    );
    let samples = bench.poll("cgroups-discovery").unwrap();
    assert_eq!(
        value(&samples, "cpu_time_delta", "/new", &[("kind", "system")]),
        Some(Value::U64(7000))
    );
    let io = [("device", "8:0"), ("direction", "read")];
    assert_eq!(
        value(&samples, "cgroup_io_bytes", "/new", &io),
        Some(Value::U64(7))
    );
    assert_eq!(
        value(&samples, "cpu_time_delta", POD, &[("kind", "total")]),
        None,
        "only what is new is read"
    );
    assert!(bench.poll("cgroups-discovery").unwrap().is_empty());
}

#[test]
fn nothing_is_measured_when_sources_are_disabled() {
    let root = fixture("v2");
    assert_eq!(
        bench("disable_sources = true", &root).sources(),
        Vec::<&str>::new()
    );
}

#[test]
fn metrics_that_processes_have_as_well_mean_the_same() {
    // The table of the plugin `procfs`, which may run in the same agent.
    for (name, text) in [
        ("cpu_time_delta", "cpu_time_delta (delta u64, ns)"),
        ("cpu_percent", "cpu_percent (gauge f64, %)"),
        ("memory_usage", "memory_usage (gauge u64, By)"),
    ] {
        let all = <CgroupsPlugin as alumet_core::plugin::Plugin>::metrics();
        let metric = all.iter().find(|metric| metric.name == name).unwrap();
        assert_eq!(metric.metric().to_string(), text);
        assert_eq!(metric.quality, alumet_core::metric::Quality::Measured);
    }
}

#[test]
fn a_name_with_a_line_feed_is_measured() {
    // Kernels refuse it today; a hierarchy of another system may have it.
    let root = fixture("v2");
    root.write(
        "sys/fs/cgroup/a\nb/cpu.stat",
        "usage_usec 1\nuser_usec 1\nsystem_usec 0\n",
    );
    root.write("sys/fs/cgroup/a\nb/memory.current", "5\n");
    let samples = bench("", &root).poll("cgroups").unwrap();
    assert_eq!(value(&samples, "memory_usage", "/a\nb", &[]), Some(Value::U64(5)));
}

#[test]
fn what_was_made_in_a_pause_gives_a_baseline() {
    let root = fixture("v2");
    let mut bench = bench("", &root);
    bench.poll("cgroups").unwrap();
    root.write(
        "sys/fs/cgroup/new/cpu.stat",
        "usage_usec 12\nuser_usec 5\nsystem_usec 7\n",
    );
    bench.reset("cgroups");
    let samples = bench.poll("cgroups").unwrap();
    assert_eq!(
        value(&samples, "cpu_time_delta", "/new", &[("kind", "total")]),
        Some(Value::U64(0))
    );
}

#[test]
fn a_group_that_is_renamed_begins_with_a_baseline() {
    let root = fixture("v2");
    let mut bench = bench("", &root);
    bench.poll("cgroups").unwrap();
    let renamed = POD.replace("pod0a1b", "renamed");
    let folder = |path: &str| root.at(format!("sys/fs/cgroup{path}"));
    std::fs::rename(folder(POD), folder(&renamed)).unwrap();
    let samples = bench.poll("cgroups").unwrap();
    assert_eq!(
        value(&samples, "cpu_time_delta", &renamed, &[("kind", "total")]),
        Some(Value::U64(0))
    );
}

#[test]
fn a_delta_series_of_a_newborn_group_begins_with_a_0_before_its_birth() {
    let root = fixture("v2");
    let mut bench = bench("", &root);
    let before = bench.poll("cgroups").unwrap()[0].timestamp;
    bench.advance(Duration::from_secs(2));
    root.write(
        "sys/fs/cgroup/new/cpu.stat",
        "usage_usec 12\nuser_usec 5\nsystem_usec 7\n",
    );
    let samples = bench.poll("cgroups").unwrap();
    let total: Vec<_> = samples
        .iter()
        .filter(|sample| {
            sample.series.to_string().contains("cpu_time_delta") && sample.series.to_string().contains("/new")
        })
        .filter(|sample| sample.series.attributes().to_string().contains("total"))
        .map(|sample| (sample.timestamp, sample.value))
        .collect();
    let now = before.saturating_add(Duration::from_secs(2));
    assert_eq!(total, [(before, Value::U64(0)), (now, Value::U64(12_000))]);
}

#[test]
fn a_reading_of_zeros_is_not_billed_on_the_way_back_and_leaves_no_debt() {
    let root = fixture("v2");
    root.write("sys/devices/system/cpu/online", "0-1\n");
    let mut bench = bench("metrics.io = 'on'", &root);
    let day = 86_400_000_000_u64;
    let (mut billed, mut shares, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for us in [day, 0, day + 100, day + 250_100] {
        root.write(
            format!("sys/fs/cgroup{POD}/cpu.stat"),
            format!("usage_usec {us}\nuser_usec {us}\nsystem_usec 0\n"),
        );
        root.write(
            format!("sys/fs/cgroup{POD}/io.stat"),
            format!("259:0 rbytes={us} wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n"),
        );
        let samples = bench.poll("cgroups").unwrap();
        let total = |metric| value(&samples, metric, POD, &[("kind", "total")]);
        billed.push(total("cpu_time_delta"));
        shares.push(total("cpu_percent"));
        read.push(value(
            &samples,
            "cgroup_io_bytes",
            POD,
            &[("device", "259:0"), ("direction", "read")],
        ));
        bench.advance(Duration::from_millis(250));
    }
    let count = |number| Some(Value::U64(number));
    assert_eq!(billed, [count(0), count(0), count(100_000), count(250_000_000)]);
    assert_eq!(read, [count(0), count(0), count(100), count(250_000)]);
    assert_eq!(
        shares,
        [None, None, Some(Value::F64(0.02)), Some(Value::F64(50.0))]
    );
}

#[test]
fn a_last_line_without_its_end_costs_no_device() {
    let root = fixture("v2");
    let write = |bytes: u64| {
        root.write(
            format!("sys/fs/cgroup{POD}/io.stat"),
            format!("179:0 rbytes={bytes} wbytes=1 rios=1 wios=1 dbytes=0 dios=0\n7:7 7:6 7:5 1:15 1:0"),
        );
    };
    write(1_710_142_464);
    let mut bench = bench("metrics.io = 'on'", &root);
    bench.poll("cgroups").unwrap();
    bench.advance(Duration::from_secs(1));
    write(1_710_142_564);
    let samples = bench.poll("cgroups").unwrap();
    let read = value(
        &samples,
        "cgroup_io_bytes",
        POD,
        &[("device", "179:0"), ("direction", "read")],
    );
    assert_eq!(read, Some(Value::U64(100)));
}

#[test]
fn one_hierarchy_of_version_1_that_is_not_visible_takes_no_group_away() {
    for (hidden, measured) in [("cpu,cpuacct", "memory_usage"), ("memory", "cpu_time_delta")] {
        let root = fixture("v1");
        root.remove(format!("sys/fs/cgroup/{hidden}"));
        let samples = bench("", &root).poll("cgroups").unwrap();
        let consumer = Consumer::ControlGroup {
            path: "/oar/alice_42".into(),
        };
        let is_it = |sample: &RecordedSample| {
            sample.series.metric.name == measured && *sample.series.consumer() == consumer
        };
        assert!(samples.iter().any(is_it), "{measured} without {hidden}");
    }
}
