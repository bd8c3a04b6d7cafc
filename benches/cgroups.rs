//! What one poll of many control groups costs: the kernel's files, through the plugin `cgroups`.
//!
//! Makes groups of its own in the v2 hierarchy; where that is not allowed, files of a temporary folder take their place.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use alumet_core::plugin::Plugin;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_cgroups::CgroupsPlugin;
use alumet_reader_cgroupfs::stat::{cpu_stat, memory_stat};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const STAT: &str = "usage_usec 5000123\nuser_usec 4000100\nsystem_usec 1000023\n";
const PRESSURE: &str =
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=22\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=21\n";

/// Control groups that are removed at the end.
enum Groups {
    Real(PathBuf),
    Files(FakeRoot),
}

impl Groups {
    fn make(count: u32) -> Self {
        let name = format!("alumet-bench-{}", std::process::id());
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let mount = mounts
            .into_iter()
            .find(|mount| mount.join("cgroup.controllers").exists());
        let folder = mount
            .map(|mount| mount.join(&name))
            .filter(|folder| fs::create_dir(folder).is_ok());
        if let Some(folder) = folder {
            let groups = Self::Real(folder.clone());
            for number in 0..count {
                fs::create_dir(folder.join(format!("job-{number}"))).expect("a control group");
            }
            return groups;
        }
        let root = FakeRoot::new();
        root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
        for number in 0..count {
            let folder = format!("sys/fs/cgroup/{name}/job-{number}");
            root.write(format!("{folder}/cpu.stat"), STAT);
            root.write(format!("{folder}/io.pressure"), PRESSURE);
        }
        Self::Files(root)
    }

    fn root(&self) -> &Path {
        match self {
            Self::Real(_) => Path::new("/"),
            Self::Files(root) => root.path(),
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        if let Self::Real(folder) = self {
            for entry in fs::read_dir(&*folder).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(entry.path());
            }
            let _ = fs::remove_dir(folder);
        }
    }
}

fn cgroups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cgroups");
    for (name, metrics) in [
        ("cpu", "memory = 'off'\nmemory_stat = 'off'\nio_pressure = 'off'"),
        ("default", ""),
    ] {
        for count in [1, 100, 1000, 5000] {
            let groups = Groups::make(count);
            let text = format!(
                "hierarchy = 'v2'\ninclude = ['/alumet-bench-{}/*']\n[metrics]\n{metrics}\n",
                std::process::id()
            );
            let config: <CgroupsPlugin as Plugin>::Config = toml::from_str(&text).expect("a configuration");
            let mut bench =
                Bench::start_in_real_time::<CgroupsPlugin>(config, groups.root()).expect("a plugin");
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

criterion_group!(benches, cgroups, parsers);
criterion_main!(benches);
