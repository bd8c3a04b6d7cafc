//! What the sources make of graphics processors and their processes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::metric::Quality;
use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit::{self, Bench, FakeRoot, assert_lines};
use alumet_plugin_amd_gpu::{AmdGpuPlugin, Config};
use alumet_shared_sensor_source::SensorClaims;

/// A file that the kernel refuses even to root, for it can only be written.
const REFUSED: &str = "/sys/bus/platform/drivers_probe";

fn start(root: &FakeRoot) -> Bench {
    Bench::start::<AmdGpuPlugin>(Config::default(), root.path()).unwrap()
}

fn findings(root: &FakeRoot) -> Vec<Finding> {
    testkit::findings::<AmdGpuPlugin>(Config::default(), root.path())
}

/// The samples of a poll one second later, without zeros of refusals and what is the same on all.
fn next(bench: &mut Bench) -> Vec<String> {
    bench.advance(Duration::from_secs(1));
    poll(bench, "amd-gpu")
}

fn poll(bench: &mut Bench, source: &str) -> Vec<String> {
    let samples = bench.poll(source).unwrap();
    let texts = samples.iter().map(RecordedSample::to_string);
    let texts = texts.filter(|text| !(text.contains("_refused_values") && text.ends_with("= 0")));
    texts
        .map(|text| {
            text.replace(" gpu:0000:03:00.0 local_machine", "")
                .replace(" gpu:0000:03:00.0", "")
        })
        .collect()
}

#[test]
fn a_machine_without_is_no_fault_and_says_what_is_looked_for() {
    let root = FakeRoot::new();
    assert!(start(&root).sources().is_empty());
    let found = findings(&root);
    assert_eq!((found.len(), found[0].verdict), (1, Verdict::Absent));
}

const DEVICE: &str = "sys/class/drm/card0/device";

fn card(files: &[(&str, &str)]) -> FakeRoot {
    let root = FakeRoot::new();
    root.write(
        format!("{DEVICE}/uevent"),
        "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n",
    )
    .write(format!("{DEVICE}/hwmon/hwmon4/name"), "amdgpu\n")
    .write(format!("{DEVICE}/power/runtime_status"), "active\n");
    for (file, text) in files {
        root.write(format!("{DEVICE}/{file}"), format!("{text}\n"));
    }
    root
}

/// A table of the driver with its version and, at this place, 64 bits.
fn table(root: &FakeRoot, format: u8, content: u8, offset: usize, accumulator: u64) {
    let mut table = vec![0xff; 120];
    table[..4].copy_from_slice(&[120, 0, format, content]);
    table[offset..offset + 8].copy_from_slice(&accumulator.to_ne_bytes());
    root.write(format!("{DEVICE}/gpu_metrics"), table);
}

/// A Radeon RX: files as in `Documentation/gpu/amdgpu/thermal.rst` of Linux, numbers made up. Its firmware counts no energy.
fn radeon() -> FakeRoot {
    let root = card(&[
        ("gpu_busy_percent", "37"),
        ("mem_busy_percent", "4"),
        ("mem_info_vram_used", "1073741824"),
        ("mem_info_gtt_used", "4096"),
        ("hwmon/hwmon4/power1_average", "30000000"),
        ("hwmon/hwmon4/power1_cap", "203000000"),
        ("hwmon/hwmon4/power1_label", "PPT"),
        ("hwmon/hwmon4/temp1_input", "45000"),
        ("hwmon/hwmon4/temp1_label", "edge"),
        ("hwmon/hwmon4/temp2_input", "51500"),
        ("hwmon/hwmon4/temp2_label", "junction"),
        ("hwmon/hwmon4/temp3_input", "48000"),
        ("hwmon/hwmon4/temp3_label", "mem"),
        ("hwmon/hwmon4/in0_input", "806"),
        ("hwmon/hwmon4/in0_label", "vddgfx"),
        ("hwmon/hwmon4/freq1_input", "500000000"),
        ("hwmon/hwmon4/freq1_label", "sclk"),
        ("hwmon/hwmon4/freq2_input", "96000000"),
        ("hwmon/hwmon4/freq2_label", "mclk"),
        ("hwmon/hwmon4/fan1_input", "0"),
    ]);
    table(&root, 1, 3, 24, u64::MAX);
    root
}

#[test]
fn a_card_without_a_counter_has_its_energy_from_its_power() {
    let root = radeon();
    let mut bench = start(&root);
    next(&mut bench);
    root.write(format!("{DEVICE}/hwmon/hwmon4/power1_average"), "50000000\n");
    assert_lines(
        next(&mut bench),
        [
            "amd_gpu_activity_usage {activity_type=graphic_core} = 37",
            "amd_gpu_activity_usage {activity_type=unified_memory_controller} = 4",
            "amd_gpu_memory_usage {memory_type=memory_video_computing} = 1073741824",
            "amd_gpu_memory_usage {memory_type=memory_graphic_translation_table} = 4096",
            "amd_gpu_power_consumption {} = 50",
            "amd_gpu_energy_consumption {} = 40000",
            "amd_gpu_temperature {thermal_zone=thermal_global} = 45",
            "amd_gpu_temperature {thermal_zone=thermal_hotspot} = 51.5",
            "amd_gpu_temperature {thermal_zone=thermal_memory} = 48",
            "amd_gpu_voltage {rail=vddgfx} = 806",
            "amd_gpu_clock {clock=sclk} = 500000000",
            "amd_gpu_clock {clock=mclk} = 96000000",
            "amd_gpu_fan_speed {} = 0",
        ],
    );
}

#[test]
fn energy_is_measured_by_the_counter_of_an_accelerator_and_otherwise_modelled() {
    let quality = |bench: &mut Bench| {
        let samples = bench.poll("amd-gpu").unwrap();
        let mut metrics = samples.iter().map(|sample| &sample.series.metric);
        let energy = metrics.find(|metric| &*metric.name == "amd_gpu_energy_consumption");
        energy.unwrap().quality
    };
    // An Instinct MI300: power of the moment, and version 1.6 of the table.
    let root = card(&[
        ("hwmon/hwmon4/power1_input", "140000000"),
        ("hwmon/hwmon4/power1_label", "PPT"),
    ]);
    table(&root, 1, 6, 16, 65_536 * 1000);
    let mut bench = start(&root);
    assert_eq!(quality(&mut bench), Quality::Measured);
    table(&root, 1, 6, 16, 65_536 * 1000 + 65_536 * 140 + 32_768);
    let expected = [
        "amd_gpu_power_consumption {} = 140",
        "amd_gpu_energy_consumption {} = 140500",
    ];
    assert_lines(next(&mut bench), expected);
    let root = radeon();
    assert_eq!(quality(&mut start(&root)), Quality::Modelled);
}

/// A Ryzen with graphics: its table is of version 2.2, and its power is that of the whole package.
#[test]
fn the_power_of_an_apu_makes_no_energy_for_it_is_counted_by_the_processor() {
    let root = card(&[
        ("hwmon/hwmon4/power1_average", "15000000"),
        ("hwmon/hwmon4/power1_label", "PPT"),
        ("hwmon/hwmon4/in1_input", "700"),
        ("hwmon/hwmon4/in1_label", "vddnb"),
    ]);
    let expected = [
        "amd_gpu_power_consumption {} = 15",
        "amd_gpu_voltage {rail=vddnb} = 700",
    ];
    assert_lines(next(&mut start(&root)), expected);
    table(&root, 2, 2, 24, 5);
    root.remove(format!("{DEVICE}/hwmon/hwmon4/in1_label"));
    let lines = next(&mut start(&root));
    assert!(!lines.iter().any(|line| line.contains("energy")), "{lines:?}");
    assert!(findings(&root)[0].detail.contains("`rapl`"));
}

#[test]
fn several_rails_of_power_are_told_apart_and_counted_once() {
    let root = card(&[
        ("hwmon/hwmon4/power1_average", "15000000"),
        ("hwmon/hwmon4/power1_label", "slowPPT"),
        ("hwmon/hwmon4/power2_average", "16000000"),
        ("hwmon/hwmon4/power2_label", "fastPPT"),
    ]);
    let mut bench = start(&root);
    next(&mut bench);
    assert_lines(
        next(&mut bench),
        [
            "amd_gpu_power_consumption {rail=slowPPT} = 15",
            "amd_gpu_energy_consumption {} = 15000",
            "amd_gpu_power_consumption {rail=fastPPT} = 16",
        ],
    );
}

#[test]
fn a_card_that_sleeps_is_neither_read_nor_forgotten() {
    let root = radeon();
    table(&root, 1, 3, 24, 65_536);
    let mut bench = start(&root);
    let awake = next(&mut bench).len();
    let status = format!("{DEVICE}/power/runtime_status");
    let busy = format!("{DEVICE}/gpu_busy_percent");
    root.write(&status, "suspended\n")
        .write(&busy, "")
        .remove(&busy)
        .link(&busy, REFUSED);
    assert_eq!(findings(&root).len(), 1, "a trial does not wake it");
    // It is listed anew meanwhile, when it shows nothing of its counter.
    table(&root, 1, 3, 24, u64::MAX);
    for _ in 0..61 {
        assert!(next(&mut bench).is_empty());
    }
    table(&root, 1, 3, 24, 65_536 * 4);
    root.remove(&busy).write(&busy, "5\n").write(&status, "active\n");
    let lines = next(&mut bench);
    assert_eq!(lines.len(), awake, "{lines:?}");
    assert!(
        lines.contains(&"amd_gpu_energy_consumption {} = 3000".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn cards_are_named_and_claimed_and_one_without_sensors_can_be_refused() {
    let root = radeon();
    assert_eq!(
        findings(&root)[0].detail,
        "0000:03:00.0: 12 sensors, energy by its power"
    );
    let busy = format!("{DEVICE}/gpu_busy_percent");
    root.remove(&busy).link(&busy, REFUSED);
    let found = findings(&root);
    assert_eq!(found[1].verdict, Verdict::Limited);
    assert!(
        found[1].detail.contains("gpu_busy_percent"),
        "{}",
        found[1].detail
    );
    let bench = start(&root);
    assert!(
        SensorClaims::shared(bench.services()).is_claimed(&root.path().join(DEVICE).join("hwmon/hwmon4"))
    );

    let bare = card(&[]);
    assert_eq!(findings(&bare)[0].verdict, Verdict::Limited);
    let config = Config {
        skip_failed_devices: false,
        ..Config::default()
    };
    let error = Bench::start::<AmdGpuPlugin>(config, bare.path()).err().unwrap();
    assert!(error.to_string().contains("skip_failed_devices"), "{error}");
}

#[test]
fn engines_and_memory_of_processes_have_the_names_of_the_original() {
    let root = radeon();
    let usage = |gfx: u64| {
        root.write("proc/40/comm", "game\n").write(
            "proc/40/fdinfo/5",
            format!(
                "drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t3 KiB\n\
                 drm-memory-gtt:\t2 KiB\ndrm-memory-cpu:\t1 KiB\ndrm-engine-gfx:\t{gfx} ns\ndrm-engine-enc:\t{gfx} ns\n\
                 drm-engine-compute:\t7 ns\n"
            ),
        );
    };
    root.link("proc/40/fd/5", "/dev/dri/renderD128");
    usage(1000);
    let mut bench = start(&root);
    poll(&mut bench, "amd-gpu-processes");
    usage(1500);
    assert_lines(
        poll(&mut bench, "amd-gpu-processes"),
        [
            "amd_gpu_process_engine_gfx process:40 {process_name=game} = 500",
            "amd_gpu_process_engine_usage_encode process:40 {process_name=game} = 500",
            "amd_gpu_process_engine_time process:40 {engine=compute, process_name=game} = 0",
            "amd_gpu_process_memory_usage_vram process:40 {process_name=game} = 3072",
            "amd_gpu_process_memory_usage_gtt process:40 {process_name=game} = 2048",
            "amd_gpu_process_memory_usage_cpu process:40 {process_name=game} = 1024",
            "amd_gpu_process_memory_usage process:40 {process_name=game} = 6144",
        ],
    );
    let config = Config {
        processes: false,
        ..Config::default()
    };
    let bench = Bench::start::<AmdGpuPlugin>(config, root.path()).unwrap();
    assert_eq!(bench.sources(), ["amd-gpu"]);
}

/// An Instinct MI210 with a process that computes; files as in `kfd_topology.c` and `kfd_process.c` of Linux.
#[test]
fn the_compute_units_that_work_for_a_process_are_told_as_a_share() {
    let root = radeon();
    let node = "sys/class/kfd/kfd/topology/nodes/1";
    let stats = "sys/class/kfd/kfd/proc/77/stats_54321";
    root.write("sys/class/kfd/kfd/topology/nodes/0/gpu_id", "0\n")
        .write("sys/class/kfd/kfd/topology/nodes/0/properties", "simd_count 0\n")
        .write(format!("{node}/gpu_id"), "54321\n")
        .write(
            format!("{node}/properties"),
            "simd_count 416\nsimd_per_cu 4\nlocation_id 768\ndomain 0\n",
        )
        .write("proc/77/comm", "python3\n")
        .write("proc/77/cgroup", "0::/job_7\n");
    let mut bench = start(&root);
    assert!(poll(&mut bench, "amd-gpu-compute").is_empty());
    root.write(format!("{stats}/cu_occupancy"), "26\n");
    assert!(
        poll(&mut bench, "amd-gpu-compute").is_empty(),
        "it is looked for after 5 s"
    );
    bench.advance(Duration::from_secs(5));
    let occupancy =
        "amd_gpu_process_compute_unit_occupancy process:77 {cgroup=/job_7, process_name=python3} = 25";
    assert_lines(poll(&mut bench, "amd-gpu-compute"), [occupancy]);
    root.write(format!("{stats}/cu_occupancy"), "4294967295\n");
    assert!(poll(&mut bench, "amd-gpu-compute").is_empty());
    let live = bench.catalog().live_series();
    root.write(format!("{stats}/cu_occupancy"), "")
        .remove("sys/class/kfd/kfd/proc/77");
    poll(&mut bench, "amd-gpu-compute");
    assert_eq!(bench.catalog().live_series(), live);
}
