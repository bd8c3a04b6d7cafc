//! What one poll of many processes costs: the kernel's CPU clocks and files, through the plugin `procfs`.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alumet_core::plugin::Plugin;
use alumet_core::testkit::Bench;
use alumet_plugin_procfs::ProcfsPlugin;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const PROCESSES: u32 = 1000;

/// Processes that only wait, children of one shell that can be found by its pid.
struct Sleepers {
    shell: Child,
}

impl Sleepers {
    fn start() -> Self {
        let script = format!("for i in $(seq {PROCESSES}); do sleep 600 & done; wait");
        let shell = Command::new("setsid")
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        let sleepers = Self { shell };
        while sleepers.count() < PROCESSES as usize {
            std::thread::sleep(Duration::from_millis(50));
        }
        sleepers
    }

    fn count(&self) -> usize {
        let pid = self.shell.id();
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().count()
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        // The shell leads its session, so its group is its own.
        let _ = Command::new("kill")
            .args(["-9", "--", &format!("-{}", self.shell.id())])
            .status();
        let _ = self.shell.wait();
    }
}

fn processes(criterion: &mut Criterion) {
    let sleepers = Sleepers::start();
    let mut group = criterion.benchmark_group("processes");
    group.throughput(Throughput::Elements(PROCESSES.into()));
    for metrics in ["cpu_time", "cpu_percent", "memory"] {
        let text = format!(
            "kernel.enabled = false\nmemory.enabled = false\nnetwork.enabled = false\ndisks.enabled = false\n\
             load.enabled = false\npressure.enabled = false\ncpu_frequency.enabled = false\n\
             temperatures.enabled = false\n[processes]\nrefresh_interval = '1h'\n[[processes.groups]]\n\
             ppid = {}\nmetrics = ['{metrics}']\n",
            sleepers.shell.id()
        );
        let config: <ProcfsPlugin as Plugin>::Config = toml::from_str(&text).expect("a configuration");
        let mut bench = Bench::start_in_real_time::<ProcfsPlugin>(config, "/").expect("a plugin");
        let source = bench.sources().first().expect("a source").to_string();
        for _ in 0..3 {
            bench.poll_batch(&source).expect("a poll");
        }
        group.bench_with_input(BenchmarkId::from_parameter(metrics), &(), |bencher, ()| {
            bencher.iter(|| bench.poll_batch(&source).expect("a poll").len());
        });
    }
    group.finish();
}

criterion_group!(benches, processes);
criterion_main!(benches);
