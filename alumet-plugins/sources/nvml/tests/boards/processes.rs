//! What processes have and use of a GPU.

use std::time::Duration;

use alumet_core::testkit::{Bench, assert_lines};

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
fn a_process_has_its_memory_and_the_use_that_the_driver_saw_when_it_saw_it() {
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
            "nvml_encoder_utilization process:7 {} = 2",
            "nvml_memory_utilization process:7 {} = 20",
            "nvml_sm_utilization process:7 {} = 30",
            "nvml_used_gpu_memory process:7 {context=compute} = 4096",
            "nvml_used_gpu_memory process:7 {context=graphics} = 1024",
        ],
    );
    for sample in of_processes {
        let is_use = sample.series.metric.name != "nvml_used_gpu_memory";
        let expected = if is_use { seen_at } else { micros(&bench, 0.0) };
        assert_eq!(sample.timestamp.as_nanos() / 1000, expected, "{sample}");
    }
}

#[test]
fn a_use_is_told_once_and_one_that_cannot_be_never() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|_| {});
    let (first, second) = (micros(&bench, -0.5), micros(&bench, 0.5));
    driver.set([(
        "0.uses",
        format!("7:{first}:30:0:0:0,8:0:50:0:0:0,9:{first}:4294967295:0:0:0,0:{first}:1:0:0:0"),
    )]);
    assert_lines(poll(&mut bench), ["nvml_sm_utilization process:7 {} = 30"]);
    // The driver gives the old one again.
    assert_lines(poll(&mut bench), [] as [&str; 0]);
    driver.set([("0.uses", format!("7:{first}:30:0:0:0,7:{second}:40:0:0:0"))]);
    assert_lines(poll(&mut bench), ["nvml_sm_utilization process:7 {} = 40"]);
}

#[test]
fn a_use_of_another_clock_has_the_time_of_the_poll() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|_| {});
    let now = micros(&bench, 0.0);
    driver.set([("0.uses", format!("7:{}:30:0:0:0", now + 3_600_000_000))]);
    let samples = bench.poll(&source(0)).unwrap();
    let sm = samples
        .iter()
        .find(|sample| sample.series.metric.name == "nvml_sm_utilization")
        .unwrap();
    assert_eq!(sm.timestamp.as_nanos() / 1000, now);
}

#[test]
fn a_process_that_has_a_gpu_and_does_not_use_it_uses_nothing() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|_| {});
    let at = micros(&bench, 0.0);
    driver.set([
        ("0.compute", "7:4096".to_owned()),
        ("0.uses", format!("7:{at}:30:0:0:0")),
    ]);
    let memory = "nvml_used_gpu_memory process:7 {context=compute} = 4096";
    assert_lines(
        poll(&mut bench),
        ["nvml_sm_utilization process:7 {} = 30", memory],
    );
    driver.set([("0.uses", "")]);
    assert_lines(poll(&mut bench), [memory]);
    assert_lines(poll(&mut bench), ["nvml_sm_utilization process:7 {} = 0", memory]);
    // One that has ended is not told of.
    driver.set([("0.compute", "")]);
    assert_lines(poll(&mut bench), [] as [&str; 0]);
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
