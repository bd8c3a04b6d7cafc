//! What one poll of the counters of RAPL costs beside the system calls alone: files of powercap, and perf events.
//!
//! The counters are made up: files of a temporary folder, and the clock of the kernel in the place of energy.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use alumet_core::plugin::Plugin;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_rapl::RaplPlugin;
use alumet_reader_perf_event::Pmu;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Two packages with four domains each.
const DOMAINS: u64 = 8;

fn start(root: &FakeRoot, interface: &str) -> Bench {
    let config: <RaplPlugin as Plugin>::Config =
        toml::from_str(&format!("interface = '{interface}'")).expect("a configuration");
    let mut bench = Bench::start_in_real_time::<RaplPlugin>(config, root.path()).expect("a plugin");
    bench.poll_batch("rapl").expect("a poll");
    bench
}

fn powercap(criterion: &mut Criterion) {
    let root = FakeRoot::new();
    let mut files = Vec::new();
    for package in 0..2 {
        let zones = [("", format!("package-{package}"))];
        let parts = ["core", "uncore", "dram"].map(str::to_owned);
        let zones = zones.into_iter().chain([":0", ":1", ":2"].into_iter().zip(parts));
        for (suffix, name) in zones {
            let folder = format!("sys/class/powercap/intel-rapl:{package}{suffix}");
            root.write(format!("{folder}/name"), name)
                .write(format!("{folder}/max_energy_range_uj"), "262143328850\n")
                .write(format!("{folder}/energy_uj"), "240422366267\n");
            files.push(File::open(root.at(format!("{folder}/energy_uj"))).expect("a counter"));
        }
    }
    let mut group = criterion.benchmark_group("rapl/powercap");
    group.throughput(Throughput::Elements(DOMAINS));
    group.bench_function("bare", |bencher| {
        let mut buffer = [0; 512];
        bencher.iter(|| {
            for file in &files {
                black_box(file.read_at(&mut buffer, 0).expect("a reading"));
            }
        });
    });
    let mut bench = start(&root, "powercap");
    group.bench_function("poll", |bencher| {
        bencher.iter(|| bench.poll_batch("rapl").expect("a poll").len());
    });
    group.finish();
}

fn perf(criterion: &mut Criterion) {
    let root = FakeRoot::new();
    let folder = "sys/bus/event_source/devices/power";
    root.write(format!("{folder}/type"), "1\n")
        .write(format!("{folder}/cpumask"), "0-1\n")
        .write(format!("{folder}/format/event"), "config:0-63\n")
        .write("sys/devices/system/cpu/online", "0-1\n");
    for cpu in 0..2 {
        let path = format!("sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id");
        root.write(path, format!("{cpu}\n"));
    }
    for event in ["energy-pkg", "energy-cores", "energy-gpu", "energy-ram"] {
        root.write(format!("{folder}/events/{event}"), "event=0x00\n")
            .write(format!("{folder}/events/{event}.scale"), "1.0e-9\n")
            .write(format!("{folder}/events/{event}.unit"), "Joules\n");
    }
    let pmu = Pmu::open(root.path(), "power").expect("a PMU");
    let events = pmu.events().expect("events");
    let pairs = pmu
        .cpus()
        .flat_map(|cpu| events.iter().map(move |event| (cpu, event)));
    let Ok(counters) = pairs
        .map(|(cpu, event)| pmu.count(event, cpu))
        .collect::<Result<Vec<_>, _>>()
    else {
        return;
    };
    let mut group = criterion.benchmark_group("rapl/perf");
    group.throughput(Throughput::Elements(DOMAINS));
    group.bench_function("bare", |bencher| {
        bencher.iter(|| {
            for counter in &counters {
                black_box(counter.read().expect("a reading"));
            }
        });
    });
    drop(counters);
    let mut bench = start(&root, "perf");
    group.bench_function("poll", |bencher| {
        bencher.iter(|| bench.poll_batch("rapl").expect("a poll").len());
    });
    group.finish();
}

criterion_group!(benches, powercap, perf);
criterion_main!(benches);
