//! What one poll of many control groups costs: the kernel's files, through the plugin `cgroups`.
//!
//! Makes groups of its own in the v2 hierarchy; where that is not allowed, files of a temporary folder take their place.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::hint::black_box;
use std::path::Path;

use alumet_benches::groups::{Groups, pod_uid};
use alumet_core::plugin::Plugin;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_cgroups::CgroupsPlugin;
use alumet_plugin_k8s::K8sPlugin;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::layout::pod;
use alumet_reader_cgroupfs::stat::{cpu_stat, memory_stat};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const STAT: &str = "usage_usec 5000123\nuser_usec 4000100\nsystem_usec 1000023\n";
const PRESSURE: &str =
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=22\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=21\n";

/// Files as the kernel shows them of so many groups.
fn files(count: u32) -> FakeRoot {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    for number in 0..count {
        let folder = format!("sys/fs/cgroup/{}/job-{number}", Groups::name());
        root.write(format!("{folder}/cpu.stat"), STAT);
        root.write(format!("{folder}/io.pressure"), PRESSURE);
    }
    root
}

fn cgroups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cgroups");
    for (name, metrics) in [
        ("cpu", "memory = 'off'\nmemory_stat = 'off'\nio_pressure = 'off'"),
        ("default", ""),
    ] {
        for count in [1, 100, 1000, 5000] {
            let groups = Groups::make(count);
            let files = groups.is_err().then(|| files(count));
            let root = files.as_ref().map_or(Path::new("/"), FakeRoot::path);
            let text = format!(
                "hierarchy = 'v2'\ninclude = ['{}']\n[metrics]\n{metrics}\n",
                Groups::pattern()
            );
            let config: <CgroupsPlugin as Plugin>::Config = toml::from_str(&text).expect("a configuration");
            let mut bench = Bench::start_in_real_time::<CgroupsPlugin>(config, root).expect("a plugin");
            for _ in 0..3 {
                bench.poll_batch("cgroups").expect("a poll");
            }
            group.throughput(Throughput::Elements(count.into()));
            group.bench_with_input(BenchmarkId::new(name, count), &(), |bencher, ()| {
                bencher.iter(|| bench.poll_batch("cgroups").expect("a poll").len());
            });
        }
    }
    group.finish();
}

/// What the plugin `k8s` does with a group that is new: nothing is read, and no pod has a name, so each poll asks anew whose they are.
fn new_pods(criterion: &mut Criterion) {
    const PODS: u32 = 1000;
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    let group_of = |number| {
        let uid = pod_uid(number).replace('-', "_");
        format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice")
    };
    for number in 0..PODS {
        root.write(format!("sys/fs/cgroup/{}/cpu.stat", group_of(number)), STAT);
    }
    let text = "k8s_node = 'n1'\ndisable_sources = true\nannotate_foreign_measurements = true";
    let config: <K8sPlugin as Plugin>::Config = toml::from_str(text).expect("a configuration");
    let mut bench = Bench::start::<K8sPlugin>(config, root.path()).expect("a plugin");
    assert_eq!(
        bench.poll_batch("k8s").expect("a poll").len(),
        1,
        "the number of pods without a name"
    );
    let mut group = criterion.benchmark_group("new_pods");
    group.throughput(Throughput::Elements(PODS.into()));
    group.bench_function("k8s", |bencher| {
        bencher.iter(|| bench.poll_batch("k8s").expect("a poll").len());
    });
    group.finish();
    let path: CgroupPath = format!("/{}", group_of(0)).parse().expect("a path");
    criterion.bench_function("path of a pod", |bencher| {
        bencher.iter(|| pod::parse(black_box(&path)));
    });
}

/// The parsers alone, on text of a kernel.
fn parsers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cgroup_parsers");
    let text = "usage_usec 5817437381\nuser_usec 3871021093\nsystem_usec 1946416288\nnice_usec 0\n\
                core_sched.force_idle_usec 0\nnr_periods 1234\nnr_throttled 56\nthrottled_usec 789012\n\
                nr_bursts 0\nburst_usec 0\n";
    let mut stat = cpu_stat::CpuStat::default();
    group.bench_function("cpu.stat, CPU time", |bencher| {
        bencher.iter(|| cpu_stat::parse(black_box(text.as_bytes()), false, &mut stat));
    });
    group.bench_function("cpu.stat, everything", |bencher| {
        bencher.iter(|| cpu_stat::parse(black_box(text.as_bytes()), true, &mut stat));
    });
    let wanted = [
        "anon",
        "file",
        "kernel_stack",
        "pagetables",
        "slab_reclaimable",
        "pswpin",
        "pswpout",
    ];
    let others = (0..55).map(|index| format!("other_entry_{index} {}\n", index * 104_729));
    let text: String = others
        .enumerate()
        .flat_map(
            |(index, other)| match wanted.get(index / 8).filter(|_| index % 8 == 0) {
                Some(key) => vec![format!("{key} {}\n", index * 4096), other],
                None => vec![other],
            },
        )
        .collect();
    let (mut places, mut values) = (memory_stat::Places::default(), [None; 7]);
    group.bench_function("memory.stat, 7 of 62 entries", |bencher| {
        bencher.iter(|| memory_stat::parse(black_box(text.as_bytes()), &wanted, &mut places, &mut values));
    });
    group.finish();
}

criterion_group!(benches, cgroups, new_pods, parsers);
criterion_main!(benches);
