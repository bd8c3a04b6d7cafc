//! Shares of CPU time of real processes at intervals that are short compared with the kernel's tick.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alumet_core::output::RecordedSample;
use alumet_core::testkit::Bench;
use alumet_plugin_procfs::{Config, ProcfsPlugin};

fn start(pid: u32) -> Bench {
    let config = format!(
        "[processes]\ncpu_percent_base = 'core'\ngroups = [{{ pid = {pid}, metrics = ['cpu_percent'] }}]"
    );
    let config: Config = toml::from_str(&config).unwrap();
    Bench::start_in_real_time::<ProcfsPlugin>(config, "/").unwrap()
}

/// User, system and total share of each poll, 20 ms apart, until there are 60 polls in which the process ran: where others
/// want the CPUs as well, that can take a while.
fn shares(bench: &mut Bench) -> Vec<[f64; 3]> {
    let _baseline = bench.poll("processes").unwrap();
    let (mut shares, start) = (Vec::new(), Instant::now());
    let ran = |shares: &[[f64; 3]]| shares.iter().filter(|share| share[2] > 0.0).count();
    while ran(&shares) < 60 {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "the process does not run"
        );
        std::thread::sleep(Duration::from_millis(20));
        let samples: Vec<RecordedSample> = bench.poll("processes").unwrap();
        let values: Vec<f64> = samples.iter().map(|sample| sample.value.as_f64()).collect();
        shares.push(values.try_into().unwrap());
    }
    shares
}

fn assert_adds_up(shares: &[[f64; 3]]) {
    for [user, system, total] in shares {
        assert!((user + system - total).abs() < 1e-9 * total.max(1.0));
    }
}

#[test]
fn one_busy_thread_never_uses_more_than_one_cpu() {
    let mut child = Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let shares = shares(&mut start(child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_adds_up(&shares);
    // With the kernel's ticks of 10 ms some would be at 150 %.
    let most = shares.iter().map(|share| share[2]).fold(0.0, f64::max);
    assert!(most <= 100.5, "{most} %");
}

#[test]
fn two_busy_threads_never_use_more_than_two_cpus() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let shares = shares(&mut start(std::process::id()));
        stop.store(true, Ordering::Relaxed);
        assert_adds_up(&shares);
        // The threads of the tests themselves take a part of the CPUs, too.
        let cpus = std::thread::available_parallelism().unwrap().get();
        let most = shares.iter().map(|share| share[2]).fold(0.0, f64::max);
        assert!(most <= 100.5 * cpus as f64, "{most} %");
    });
}
