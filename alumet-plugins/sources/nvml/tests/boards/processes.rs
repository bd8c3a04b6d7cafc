//! What processes have and use of a GPU.

use std::time::Duration;

use alumet_core::testkit::{Bench, FakeRoot, assert_lines};
use alumet_plugin_nvml::NvmlPlugin;

use crate::simulated::{Driver, lines, sorted, source};

const NAMES: [&str; 2] = ["nvml_used_gpu_memory", "nvml_sm_utilization"];

fn poll(bench: &mut Bench) -> Vec<String> {
    let samples = bench.poll(&source(0)).unwrap();
    bench.advance(Duration::from_secs(1));
    lines(&samples, &NAMES)
}

/// Microseconds since 1970 of the clock of the bench, some seconds from now.
fn micros(bench: &Bench, seconds: f64) -> i64 {
    let now = alumet_core::time::Clock::now(bench.clock()).wall.as_nanos() / 1000;
    now + (seconds * 1e6) as i64
}

#[test]
fn a_process_has_its_memory_and_the_use_that_the_driver_saw() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|_| {});
    let seen_at = micros(&bench, -0.25);
    driver.set([
        ("0.compute", "7:4096,8:18446744073709551615".to_owned()),
        ("0.graphics", "7:1024".to_owned()),
        ("0.uses", format!("7:{seen_at}:30:20:2:1")),
    ]);
    let samples = bench.poll(&source(0)).unwrap();
    let of_processes: Vec<_> = samples
        .iter()
        .filter(|sample| sample.series.consumer().kind() == "process")
        .collect();
    assert_lines(
        sorted(
            of_processes
                .iter()
                .map(|sample| sample.to_string().replace(" gpu:00000000:01:00.0", "")),
        ),
        [
            "nvml_decoder_utilization process:7 {} = 1",
            "nvml_decoder_utilization process:8 {} = 0",
            "nvml_encoder_utilization process:7 {} = 2",
            "nvml_encoder_utilization process:8 {} = 0",
            "nvml_memory_utilization process:7 {} = 20",
            "nvml_memory_utilization process:8 {} = 0",
            "nvml_process_sm_time process:7 {} = 0",
            "nvml_process_sm_time process:8 {} = 0",
            "nvml_sm_utilization process:7 {} = 30",
            "nvml_sm_utilization process:8 {} = 0",
            "nvml_used_gpu_memory process:7 {context=compute} = 4096",
            "nvml_used_gpu_memory process:7 {context=graphics} = 1024",
        ],
    );
}

#[test]
fn a_process_has_its_name_and_the_path_of_its_control_group() {
    let mut driver = Driver::new();
    let root = FakeRoot::new();
    root.write("proc/7/comm", "python3\n")
        .write("proc/7/cgroup", "0::/kubepods.slice/pod.slice\n");
    let mut bench = Bench::start::<NvmlPlugin>(driver.config(), root.path()).unwrap();
    let seen_at = micros(&bench, -0.25);
    driver.set([
        ("0.compute", "7:4096".to_owned()),
        ("0.uses", format!("7:{seen_at}:30:20:2:1")),
    ]);
    let who = "cgroup=/kubepods.slice/pod.slice";
    assert_lines(
        poll(&mut bench),
        [
            format!("nvml_sm_utilization process:7 {{{who}, process_name=python3}} = 30"),
            format!("nvml_used_gpu_memory process:7 {{{who}, context=compute, process_name=python3}} = 4096"),
        ],
    );
}

#[test]
fn the_use_at_a_poll_is_the_mean_of_what_is_new_or_what_was_seen_last() {
    let mut driver = Driver::new();
    driver.set([("0.compute", "7")]);
    let mut bench = driver.bench(|_| {});
    let use_of_7 = |bench: &mut Bench| {
        let lines = poll(bench);
        let found = lines
            .iter()
            .find_map(|line| line.strip_prefix("nvml_sm_utilization process:7 {} = "));
        found.map(str::to_owned)
    };
    let seen = [-0.5, 0.5, 0.7].map(|seconds| micros(&bench, seconds));
    driver.set([("0.uses", format!("7:{}:30:0:0:0", seen[0]))]);
    assert_eq!(use_of_7(&mut bench).as_deref(), Some("30"));
    // The old one comes again, with two that are new.
    driver.set([(
        "0.uses",
        format!(
            "7:{}:30:0:0:0,7:{}:40:0:0:0,7:{}:50:0:0:0",
            seen[0], seen[1], seen[2]
        ),
    )]);
    assert_eq!(use_of_7(&mut bench).as_deref(), Some("45"));
    // Nothing is new; after two seconds the process does not use the GPU any more.
    assert_eq!(use_of_7(&mut bench).as_deref(), Some("45"));
    assert_eq!(use_of_7(&mut bench).as_deref(), Some("0"));
    // One that has ended is not told of.
    driver.set([("0.compute", "")]);
    assert_eq!(use_of_7(&mut bench), None);
}

#[test]
fn the_time_that_a_process_used_is_its_share_of_the_time_between_two_polls() {
    let mut driver = Driver::new();
    driver.set([("0.compute", "7")]);
    let mut bench = driver.bench(|_| {});
    let times = |bench: &mut Bench, pause: f64| {
        let samples = bench.poll(&source(0)).unwrap();
        bench.advance(Duration::from_secs_f64(pause));
        let times = lines(&samples, &["nvml_process_sm_time"]);
        times.join(", ").replace("nvml_process_sm_time process:", "")
    };
    let seen = [-0.5, 0.5, 1.0, 10.5].map(|seconds| micros(&bench, seconds));
    driver.set([("0.uses", format!("7:{}:30:0:0:0", seen[0]))]);
    assert_eq!(times(&mut bench, 1.0), "7 {} = 0", "it begins with 0");
    driver.set([("0.uses", format!("7:{}:40:0:0:0", seen[1]))]);
    assert_eq!(times(&mut bench, 0.5), "7 {} = 400000000");
    // Another one began after the poll before, and counts from there on.
    driver.set([("0.uses", format!("8:{}:20:0:0:0", seen[2]))]);
    assert_eq!(
        times(&mut bench, 10.0),
        "7 {} = 200000000, 8 {} = 0, 8 {} = 100000000"
    );
    // What the driver saw once in ten seconds stands for two of them.
    driver.set([("0.uses", format!("7:{}:50:0:0:0", seen[3]))]);
    assert_eq!(times(&mut bench, 1.0), "7 {} = 1000000000");
    assert_eq!(times(&mut bench, 1.0), "7 {} = 500000000");
    assert_eq!(times(&mut bench, 1.0), "7 {} = 0");
}

#[test]
fn uses_that_cannot_be_are_left_out() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|_| {});
    let at = micros(&bench, -0.5);
    driver.set([(
        "0.uses",
        format!("7:{at}:30:0:0:0,8:0:50:0:0:0,9:{at}:4294967295:0:0:0,0:{at}:1:0:0:0"),
    )]);
    assert_lines(poll(&mut bench), ["nvml_sm_utilization process:7 {} = 30"]);
}

#[test]
fn a_process_that_has_a_gpu_and_does_not_use_it_uses_nothing() {
    let mut driver = Driver::new();
    driver.set([("0.compute", "7:4096"), ("0.uses", "")]);
    let mut bench = driver.bench(|_| {});
    assert_lines(
        poll(&mut bench),
        [
            "nvml_sm_utilization process:7 {} = 0",
            "nvml_used_gpu_memory process:7 {context=compute} = 4096",
        ],
    );
}

#[test]
fn a_driver_that_does_not_tell_uses_makes_nobody_idle() {
    let mut driver = Driver::new();
    driver.set([("0.compute", "7:4096")]);
    let mut bench = driver.bench(|_| {});
    for _ in 0..4 {
        assert_lines(
            poll(&mut bench),
            ["nvml_used_gpu_memory process:7 {context=compute} = 4096"],
        );
    }
}

#[test]
fn there_is_room_for_many_processes() {
    let mut driver = Driver::new();
    let all: Vec<_> = (1..=300).map(|pid| format!("{pid}:{pid}")).collect();
    driver.set([("0.compute", all.join(","))]);
    let mut bench = driver.bench(|_| {});
    assert_eq!(poll(&mut bench).len(), 300);
}
