//! What the source makes of the files that it finds.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::time::Duration;

use alumet_core::failure::Remedy;
use alumet_core::metric::Quality;
use alumet_core::plugin::Plugin;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_energy_estimation_tdp::{Config, EnergyEstimationTdpPlugin, Point};

/// A machine with four CPUs in two packages of 125 W; its clock ticks 100 times a second.
fn machine() -> FakeRoot {
    let root = FakeRoot::new();
    let cpu = |number| {
        let package = number / 2;
        format!(
            "processor\t: {number}\nmodel name\t: Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz\nphysical id\t: {package}\n\n"
        )
    };
    root.write("proc/cpuinfo", (0..4).map(cpu).collect::<String>());
    root.write(
        "proc/meminfo",
        "MemTotal:       33554432 kB\nMemFree:        1 kB\n",
    );
    stat(&root, [0; 8]);
    root
}

/// The ticks of all CPUs in user, nice, system, idle, iowait, irq, softirq and steal.
fn stat(root: &FakeRoot, ticks: [u64; 8]) {
    let ticks = ticks.map(|ticks| ticks.to_string()).join(" ");
    let cpus: String = (0..4)
        .map(|cpu| format!("cpu{cpu} 0 0 0 0 0 0 0 0 0 0\n"))
        .collect();
    root.write("proc/stat", format!("cpu  {ticks} 7 7\n{cpus}"));
}

fn joules(bench: &mut Bench) -> f64 {
    let samples = bench.poll("estimate").unwrap();
    assert_eq!(samples.len(), 1);
    assert_eq!(
        samples[0].series.to_string(),
        "estimated_consumed_energy local_machine local_machine {}"
    );
    assert_eq!(samples[0].series.metric.quality, Quality::Estimated);
    samples[0].value.as_f64()
}

fn assert_near(joules: f64, expected: f64) {
    assert!(
        (joules - expected).abs() < 1e-6,
        "{joules} J instead of {expected} J"
    );
}

#[test]
fn the_energy_is_the_power_at_the_mean_load_times_the_time() {
    let root = machine();
    let mut bench = Bench::start::<EnergyEstimationTdpPlugin>(Config::default(), root.path()).unwrap();
    assert_near(joules(&mut bench), 0.0);
    // Ten seconds of four CPUs are 4000 ticks.
    for (ticks, watts) in [
        // Nothing is done: 0.12 of 250 W.
        ([0, 0, 0, 4000, 0, 0, 0, 0], 30.0),
        // 400 ticks of work, 10 percent: 0.32. What was waited for or stolen is none.
        ([100, 50, 100, 7000, 500, 50, 100, 100], 80.0),
        // All of it.
        ([4100, 50, 100, 7000, 500, 50, 100, 100], 255.0),
        // More than all.
        ([9100, 50, 100, 7000, 500, 50, 100, 100], 255.0),
    ] {
        bench.advance(Duration::from_secs(10));
        stat(&root, ticks);
        assert_near(joules(&mut bench), watts * 10.0);
    }
    // One tick later than planned, and twice as fast.
    bench.advance(Duration::from_millis(500));
    assert_near(joules(&mut bench), 15.0);
}

#[test]
fn a_poll_that_failed_is_made_up_for_and_a_pause_is_not() {
    let root = machine();
    let mut bench = Bench::start::<EnergyEstimationTdpPlugin>(Config::default(), root.path()).unwrap();
    joules(&mut bench);
    bench.advance(Duration::from_secs(5));
    root.write("proc/stat", "nonsense\n");
    assert!(bench.poll("estimate").is_err());
    bench.advance(Duration::from_secs(5));
    stat(&root, [400, 0, 0, 0, 0, 0, 0, 0]);
    assert_near(joules(&mut bench), 800.0);
    bench.advance(Duration::from_secs(10));
    bench.reset("estimate");
    assert_near(joules(&mut bench), 0.0);
    // A count that falls begins anew.
    bench.advance(Duration::from_secs(10));
    stat(&root, [10, 0, 0, 0, 0, 0, 0, 0]);
    assert_near(joules(&mut bench), 0.0);
    bench.advance(Duration::from_secs(10));
    assert_near(joules(&mut bench), 300.0);
}

#[test]
fn what_is_configured_goes_before_what_is_found() {
    let root = machine();
    let config = Config {
        tdp: Some(100.0),
        idle_power: Some(50.0),
        nb_vcpu: Some(1.0),
        nb_cpu: Some(4.0),
        // 32 GiB.
        memory_power: 0.5,
        curve: [(0.0, 0.0), (100.0, 1.0)]
            .map(|(load, power)| Point { load, power })
            .into(),
        ..Config::default()
    };
    let mut bench = Bench::start::<EnergyEstimationTdpPlugin>(config, root.path()).unwrap();
    joules(&mut bench);
    bench.advance(Duration::from_secs(10));
    stat(&root, [2000, 0, 0, 0, 0, 0, 0, 0]);
    // (50 W + half of 50 W) / 4 + 16 W.
    assert_near(joules(&mut bench), 347.5);
}

#[test]
fn files_of_the_original_load() {
    let config: Config =
        toml::from_str("poll_interval = \"5s\"\ntdp = 100.0\nnb_vcpu = 1.0\nnb_cpu = 1").unwrap();
    assert_eq!(
        (config.tdp, config.nb_vcpu, config.nb_cpu),
        (Some(100.0), Some(1.0), Some(1.0))
    );
    assert_eq!(toml::from_str::<Config>("tdp = 100").unwrap().tdp, Some(100.0));
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    for (toml, keys) in [
        ("poll_interval = \"0s\"", "poll_interval"),
        ("tdp = 0", "tdp"),
        ("tdp = inf", "tdp"),
        ("idle_power = -1", "idle_power"),
        ("memory_power = nan", "memory_power"),
        ("nb_cpu = 0", "nb_cpu"),
        ("nb_vcpu = nan", "nb_vcpu"),
        ("curve = []", "curve"),
        ("curve = [{ load = 0, power = 0.1 }]", "curve"),
        (
            "curve = [{ load = 0, power = 0.1 }, { load = 90, power = 1 }]",
            "curve",
        ),
        (
            "curve = [{ load = 0, power = 0.5 }, { load = 100, power = 0.4 }]",
            "curve",
        ),
        (
            "curve = [{ load = 0, power = 0.5 }, { load = 0, power = 0.6 }, { load = 100, power = 1 }]",
            "curve",
        ),
        (
            "curve = [{ load = 0, power = -0.5 }, { load = 100, power = 1 }]",
            "curve",
        ),
        (
            "curve = [{ load = 0, power = nan }, { load = 100, power = 1 }]",
            "curve",
        ),
    ] {
        let faults = EnergyEstimationTdpPlugin::check(&toml::from_str(toml).unwrap()).unwrap_err();
        assert_eq!(faults.keys(), [keys], "{toml}");
    }
}

#[test]
fn nothing_is_estimated_where_energy_is_measured() {
    let root = machine();
    let config = |metric: &str| Config {
        only_without: vec!["other".to_owned(), metric.to_owned()],
        ..Config::default()
    };
    let mut bench =
        Bench::start::<EnergyEstimationTdpPlugin>(config("estimated_consumed_energy"), root.path()).unwrap();
    let failure = bench.poll("estimate").unwrap_err();
    assert_eq!(failure.remedy(), Remedy::End, "{failure}");
    let mut bench = Bench::start::<EnergyEstimationTdpPlugin>(config("another"), root.path()).unwrap();
    assert_near(joules(&mut bench), 0.0);
}
