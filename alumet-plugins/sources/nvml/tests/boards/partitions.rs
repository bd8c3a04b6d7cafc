//! A GPU that is partitioned, and is no more.

use std::time::Duration;

use alumet_core::testkit::{Bench, assert_lines};
use alumet_plugin_nvml::GpmMetric;

use crate::simulated::{Driver, sorted, source};

/// What is told of partitions, or of memory and use of the whole GPU.
fn poll(bench: &mut Bench) -> Vec<String> {
    let samples = bench.poll(&source(0)).unwrap();
    bench.advance(Duration::from_secs(1));
    let wanted = samples.iter().filter(|sample| {
        let is_use = sample.series.metric.name == "nvml_gpu_utilization";
        is_use || sample.series.resource().kind() == "gpu_partition"
    });
    let text = wanted.map(|sample| sample.to_string().replace("00000000:01:00.0", ""));
    sorted(text.filter(|line| !line.contains("kind=free") && !line.contains("kind=reserved")))
}

fn driver() -> Driver {
    let mut driver = Driver::new();
    driver.set([
        ("0.gpu_utilization", "80"),
        ("0.memory_utilization", "40"),
        ("0.mig", "0"),
        ("0.partitions", "3,5"),
        ("0.3.total", "5000"),
        ("0.3.used", "500"),
        ("0.5.total", "9000"),
        ("0.5.used", "900"),
        ("0.gpm", "1"),
        ("0.3.gpm.2", "33"),
        ("0.5.gpm.2", "55"),
    ]);
    driver
}

fn partitioned(driver: &mut Driver) {
    driver.set([
        ("0.mig", "1"),
        ("0.fail.nvmlDeviceGetUtilizationRates", "3"),
        ("0.compute", "7:4096:3:0,8:2048:5:1"),
    ]);
}

const OF_3: [&str; 3] = [
    "nvml_gpu_memory_info gpu_partition:/3 local_machine {kind=total} = 5000",
    "nvml_gpu_memory_info gpu_partition:/3 local_machine {kind=used} = 500",
    "nvml_used_gpu_memory gpu_partition:/3 process:7 {compute_instance_id=0, context=compute} = 4096",
];
const OF_5: [&str; 3] = [
    "nvml_gpu_memory_info gpu_partition:/5 local_machine {kind=total} = 9000",
    "nvml_gpu_memory_info gpu_partition:/5 local_machine {kind=used} = 900",
    "nvml_used_gpu_memory gpu_partition:/5 process:8 {compute_instance_id=1, context=compute} = 2048",
];

fn both() -> Vec<String> {
    sorted([OF_3, OF_5].concat().into_iter().map(str::to_owned))
}

#[test]
fn partitions_come_and_go_while_the_gpu_is_measured() {
    let mut driver = driver();
    let mut bench = driver.bench(|_| {});
    let whole = "nvml_gpu_utilization gpu: local_machine {} = 80";
    assert_lines(poll(&mut bench), [whole]);
    partitioned(&mut driver);
    assert_lines(poll(&mut bench), both());
    assert_lines(poll(&mut bench), both());
    // One is destroyed, and another one made.
    driver.set([
        ("0.partitions", "5,6"),
        ("0.compute", "8:2048:5:1"),
        ("0.6.total", "6000"),
    ]);
    driver.unset(&["0.3.total"]);
    assert_lines(poll(&mut bench), OF_5);
    let later = (0..10).map(|_| poll(&mut bench)).last().unwrap();
    let of_6 = ["total} = 6000", "used} = 0"];
    let of_6 = of_6.map(|end| format!("nvml_gpu_memory_info gpu_partition:/6 local_machine {{kind={end}"));
    assert_lines(later, sorted(OF_5.map(str::to_owned).into_iter().chain(of_6)));
    driver.set([("0.mig", "0"), ("0.compute", "")]);
    driver.unset(&["0.fail.nvmlDeviceGetUtilizationRates"]);
    assert_lines(poll(&mut bench), [whole]);
}

#[test]
fn partitions_are_listed_seldom() {
    let mut driver = driver();
    partitioned(&mut driver);
    let mut bench = driver.bench(|_| {});
    let mut calls = || {
        let samples = bench.poll(&source(0)).unwrap();
        bench.advance(Duration::from_secs(1));
        let calls = samples
            .iter()
            .find(|sample| sample.series.metric.name == "nvml_calls");
        calls.unwrap().value.as_f64()
    };
    // The first is the 0 with which the series begins; the second still learns what is lacking.
    let calls: Vec<_> = (0..13).map(|_| calls()).collect();
    let steady = calls[2];
    assert_eq!(
        calls.iter().filter(|count| **count > steady).count(),
        1,
        "{calls:?}"
    );
}

#[test]
fn the_performance_monitor_tells_of_each_partition() {
    let mut driver = driver();
    partitioned(&mut driver);
    let mut bench = driver.bench(|config| config.gpm_metrics = vec![GpmMetric::SmUtil]);
    poll(&mut bench);
    let gpm: Vec<_> = poll(&mut bench)
        .into_iter()
        .filter(|line| line.starts_with("nvml_gpm"))
        .collect();
    assert_lines(
        gpm,
        [
            "nvml_gpm_utilization gpu_partition:/3 local_machine {gpm_metric=sm_util} = 33",
            "nvml_gpm_utilization gpu_partition:/5 local_machine {gpm_metric=sm_util} = 55",
        ],
    );
}
