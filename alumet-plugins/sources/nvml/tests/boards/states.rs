//! What is known of a GPU beyond its energy.

use std::time::Duration;

use alumet_core::testkit::{Bench, assert_lines};
use alumet_plugin_nvml::GpmMetric;

use crate::simulated::{Driver, lines, sorted, source};

/// The lines of the second poll, where deltas are those of a second.
fn second_poll(
    driver: &mut Driver,
    bench: &mut Bench,
    changes: &[(&str, u64)],
    names: &[&str],
) -> Vec<String> {
    bench.poll(&source(0)).unwrap();
    driver.set(changes.iter().copied());
    bench.advance(Duration::from_secs(1));
    lines(&bench.poll(&source(0)).unwrap(), names)
}

fn full() -> Driver {
    let mut driver = Driver::new();
    driver.set([
        ("0.field.185", 99_000),
        ("0.field.190", 300_000),
        ("0.field.82", 60),
        ("0.field.3", 7),
        ("0.field.4", 0),
        ("0.field.94", 2),
        ("0.field.197", 1000),
        ("0.field.198", 2000),
        ("0.field.138", 10),
        ("0.field.139", 20),
        ("0.field.142", 1),
        ("0.field.143", 0),
        ("0.field.145", 0),
        ("0.temperature", 55),
        ("0.gpu_utilization", 80),
        ("0.memory_utilization", 40),
        ("0.total", 80_000),
        ("0.used", 30_000),
        ("0.encoder", 3),
        ("0.decoder", 4),
        ("0.clock.0", 1410),
        ("0.clock.1", 1400),
        ("0.clock.2", 2619),
        ("0.clock.3", 1275),
        ("0.fan", 30),
        ("0.reasons", 0x24),
        ("0.mig", 0),
    ]);
    driver
}

#[test]
fn a_gpu_shows_all_that_it_has() {
    let mut driver = full();
    let mut bench = driver.bench(|_| {});
    let changes = [
        ("0.field.83", 1_250_000),
        ("0.field.3", 9),
        ("0.field.197", 5000),
        ("0.field.139", 25),
    ];
    assert_lines(
        second_poll(&mut driver, &mut bench, &changes, &["nvml_"]),
        [
            "nvml_average_power local_machine {} = 99000",
            "nvml_calls local_machine {} = 16",
            "nvml_clock_info local_machine {clock_type=Graphics} = 1410000000",
            "nvml_clock_info local_machine {clock_type=Memory} = 2619000000",
            "nvml_clock_info local_machine {clock_type=SM} = 1400000000",
            "nvml_clock_info local_machine {clock_type=Video} = 1275000000",
            "nvml_decoder_sampling_period local_machine {} = 200000",
            "nvml_decoder_utilization local_machine {} = 4",
            "nvml_device_info local_machine {driver=535.129.03, index=0, model=Simulated 0, uuid=GPU-0} = 1",
            "nvml_ecc_errors local_machine {kind=corrected} = 2",
            "nvml_ecc_errors local_machine {kind=uncorrected} = 0",
            "nvml_encoder_sampling_period local_machine {} = 100000",
            "nvml_encoder_utilization local_machine {} = 3",
            "nvml_energy_consumption local_machine {} = 250000",
            "nvml_fan_speed local_machine {} = 30",
            "nvml_gpu_memory_info local_machine {kind=free} = 49000",
            "nvml_gpu_memory_info local_machine {kind=reserved} = 1000",
            "nvml_gpu_memory_info local_machine {kind=total} = 80000",
            "nvml_gpu_memory_info local_machine {kind=used} = 30000",
            "nvml_gpu_utilization local_machine {} = 80",
            "nvml_instant_power local_machine {} = 100000",
            "nvml_memory_utilization local_machine {} = 40",
            "nvml_n_compute_processes local_machine {} = 0",
            "nvml_n_graphic_processes local_machine {} = 0",
            "nvml_nvlink_bytes local_machine {direction=receive} = 5",
            "nvml_nvlink_bytes local_machine {direction=transmit} = 0",
            "nvml_pcie_bytes local_machine {direction=receive} = 0",
            "nvml_pcie_bytes local_machine {direction=transmit} = 4000",
            "nvml_pcie_replays local_machine {} = 0",
            "nvml_power_limit local_machine {} = 300000",
            "nvml_remapped_rows local_machine {kind=corrected} = 1",
            "nvml_remapped_rows local_machine {kind=uncorrected} = 0",
            "nvml_row_remap_failure local_machine {} = 0",
            "nvml_state local_machine {state=allocated_idle} = 0",
            "nvml_state local_machine {state=busy} = 1",
            "nvml_state local_machine {state=quiet} = 0",
            "nvml_temperature_gpu local_machine {} = 55",
            "nvml_temperature_memory local_machine {} = 60",
            "nvml_throttle_reason local_machine {reason=applications_clocks_setting} = 0",
            "nvml_throttle_reason local_machine {reason=display_clock_setting} = 0",
            "nvml_throttle_reason local_machine {reason=gpu_idle} = 0",
            "nvml_throttle_reason local_machine {reason=hw_power_brake_slowdown} = 0",
            "nvml_throttle_reason local_machine {reason=hw_slowdown} = 0",
            "nvml_throttle_reason local_machine {reason=hw_thermal_slowdown} = 0",
            "nvml_throttle_reason local_machine {reason=sw_power_cap} = 1",
            "nvml_throttle_reason local_machine {reason=sw_thermal_slowdown} = 1",
            "nvml_throttle_reason local_machine {reason=sync_boost} = 0",
        ],
    );
}

#[test]
fn dashboards_of_dcgm_exporter_find_its_names_units_and_labels() {
    let mut driver = full();
    let mut bench = driver.bench(|config| config.dcgm_metrics = true);
    driver.set([("0.total", 80_u64 << 30), ("0.used", 20 << 30)]);
    let found = second_poll(&mut driver, &mut bench, &[("0.field.83", 1_250_000)], &["DCGM_"]);
    let labels = "Hostname=node-1, UUID=GPU-0, device=nvidia0, gpu=0, modelName=Simulated 0, pci_bus_id=00000000:01:00.0";
    let values = [
        "SM_CLOCK=1400",
        "MEM_CLOCK=2619",
        "MEMORY_TEMP=60",
        "GPU_TEMP=55",
        "POWER_USAGE=99",
        "TOTAL_ENERGY_CONSUMPTION=1250000",
        "PCIE_REPLAY_COUNTER=2",
        "GPU_UTIL=80",
        "MEM_COPY_UTIL=40",
        "ENC_UTIL=3",
        "DEC_UTIL=4",
        "XID_ERRORS=0",
        "FB_FREE=61439.99904632568",
        "FB_USED=20480",
        "CORRECTABLE_REMAPPED_ROWS=1",
        "UNCORRECTABLE_REMAPPED_ROWS=0",
        "ROW_REMAP_FAILURE=0",
    ];
    let expected = values.map(|value| {
        let (name, value) = value.split_once('=').unwrap();
        format!("DCGM_FI_DEV_{name} local_machine {{{labels}}} = {value}")
    });
    assert_lines(found, sorted(expected));
}

#[test]
fn a_gpu_is_quiet_or_allocated_and_idle_or_busy() {
    let mut driver = full();
    let mut bench = driver.bench(|_| {});
    let state = |bench: &mut Bench| {
        bench.advance(Duration::from_secs(1));
        let found = lines(&bench.poll(&source(0)).unwrap(), &["nvml_state"]);
        let one: Vec<_> = found.into_iter().filter(|line| line.ends_with("= 1")).collect();
        one.join(" ").replace("nvml_state local_machine ", "")
    };
    driver.set([("0.gpu_utilization", 0)]);
    assert_eq!(state(&mut bench), "{state=quiet} = 1");
    driver.set([("0.graphics", "17:1000")]);
    assert_eq!(state(&mut bench), "{state=allocated_idle} = 1");
    driver.set([("0.gpu_utilization", 1)]);
    assert_eq!(state(&mut bench), "{state=busy} = 1");
    // One that does not tell how much it is used is in no known state.
    driver.set([("0.fail.nvmlDeviceGetUtilizationRates", 3)]);
    assert_eq!(state(&mut bench), "");
}

#[test]
fn critical_errors_are_counted_by_their_number() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|config| config.dcgm_metrics = true);
    bench.poll(&source(0)).unwrap();
    driver.set([("0.xids", "63,79,63")]);
    bench.advance(Duration::from_secs(1));
    let samples = bench.poll(&source(0)).unwrap();
    assert_lines(
        lines(&samples, &["nvml_xid"]),
        [
            "nvml_xid_errors local_machine {xid=63} = 0",
            "nvml_xid_errors local_machine {xid=63} = 2",
            "nvml_xid_errors local_machine {xid=79} = 0",
            "nvml_xid_errors local_machine {xid=79} = 1",
        ],
    );
    let xids: Vec<_> = samples
        .iter()
        .filter(|sample| sample.series.metric.name == "nvml_xid_errors")
        .collect();
    let ahead = xids[1].timestamp.checked_since(xids[0].timestamp);
    assert_eq!(
        ahead,
        Some(Duration::from_secs(1)),
        "counted since the poll before"
    );
    let last = lines(&samples, &["DCGM_FI_DEV_XID"]);
    assert!(last[0].ends_with("= 63"), "{last:?}");
    bench.advance(Duration::from_secs(1));
    let later = bench.poll(&source(0)).unwrap();
    assert_eq!(lines(&later, &["nvml_xid"]).len(), 0, "each is told once");
    assert!(lines(&later, &["DCGM_FI_DEV_XID"])[0].ends_with("= 63"));
}

#[test]
fn bytes_that_are_counted_with_32_bits_are_not_believed() {
    let mut driver = Driver::new();
    driver.set([
        ("0.field.197", 5),
        ("0.field.197.type", 1),
        ("0.field.94", 5),
        ("0.field.94.type", 1),
    ]);
    let mut bench = driver.bench(|_| {});
    // The errors wrap as they should.
    let changes = [("0.field.94", 1)];
    driver.set([("0.field.94", u32::MAX - 1)]);
    assert_lines(
        second_poll(&mut driver, &mut bench, &changes, &["nvml_pcie"]),
        ["nvml_pcie_replays local_machine {} = 3"],
    );
}

#[test]
fn the_performance_monitor_measures_between_two_polls() {
    let mut driver = Driver::new();
    driver.set([("0.gpm", 1), ("0.gpm.2", 45), ("0.gpm.20", 3)]);
    let mut bench = driver.bench(|config| {
        config.gpm_metrics = vec![GpmMetric::SmUtil, GpmMetric::PcieTxPerSec, GpmMetric::Fp16Util];
    });
    let first = bench.poll(&source(0)).unwrap();
    assert_eq!(lines(&first, &["nvml_gpm"]).len(), 0);
    bench.advance(Duration::from_secs(1));
    assert_lines(
        lines(&bench.poll(&source(0)).unwrap(), &["nvml_gpm"]),
        [
            "nvml_gpm_throughput local_machine {gpm_metric=pcie_tx_per_sec} = 3145728",
            "nvml_gpm_utilization local_machine {gpm_metric=sm_util} = 45",
        ],
    );
    // An interval with a failure in it is not known.
    driver.set([("0.fail.nvmlGpmSampleGet", 999)]);
    bench.poll(&source(0)).unwrap();
    driver.unset(&["0.fail.nvmlGpmSampleGet"]);
    assert_eq!(lines(&bench.poll(&source(0)).unwrap(), &["nvml_gpm"]).len(), 0);
    assert_eq!(lines(&bench.poll(&source(0)).unwrap(), &["nvml_gpm"]).len(), 2);
}
