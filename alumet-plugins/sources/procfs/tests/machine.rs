//! What the sources of the machine make of captured trees that change under them.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::fs;
use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::source::Thread;
use alumet_core::testkit::{Bench, FakeRoot, ManualClock, assert_lines};
use alumet_plugin_procfs::{Config, ProcfsPlugin};

const INTERVAL: Duration = Duration::from_secs(5);

fn server() -> FakeRoot {
    FakeRoot::copy_of(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/server"))
}

fn start(root: &FakeRoot, config: &str) -> Bench {
    Bench::start::<ProcfsPlugin>(toml::from_str::<Config>(config).unwrap(), root.path()).unwrap()
}

fn poll(bench: &mut Bench, source: &str) -> Vec<RecordedSample> {
    let samples = bench.poll(source).unwrap();
    bench.advance(INTERVAL);
    samples
}

fn edit(root: &FakeRoot, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(root.at(file)).unwrap();
    assert!(text.contains(from), "{file} has no `{from}`");
    root.write(file, text.replacen(from, to, 1));
}

/// The samples that contain a text and are not zero.
fn changed(samples: &[RecordedSample], part: &str) -> Vec<String> {
    let texts = samples.iter().map(RecordedSample::to_string);
    texts
        .filter(|text| text.contains(part) && !text.ends_with("= 0"))
        .collect()
}

#[test]
fn every_enabled_table_is_a_source_and_every_disabled_one_is_none() {
    let root = server();
    let bench = start(&root, "");
    assert_eq!(
        bench.sources(),
        [
            "kernel",
            "memory",
            "network",
            "disks",
            "load",
            "pressure",
            "cpu-frequency",
            "temperatures",
            "processes"
        ]
    );
    assert_eq!(bench.schedule("kernel").interval, Some(INTERVAL));
    assert_eq!(bench.schedule("temperatures").thread, Thread::Own);
    assert_eq!(bench.schedule("processes").flush, Some(Duration::from_secs(4)));
    let none = "kernel.enabled = false\nmemory.enabled = false\nnetwork.enabled = false\ndisks.enabled = false
        load.enabled = false\npressure.enabled = false\ncpu_frequency.enabled = false\ntemperatures.enabled = false
        processes.enabled = false";
    assert!(start(&root, none).sources().is_empty());
}

#[test]
fn a_file_that_is_missing_takes_only_its_own_table_away() {
    let root = server();
    root.remove("proc/diskstats").remove("proc/pressure");
    let bench = start(&root, "");
    assert!(!bench.sources().contains(&"disks") && !bench.sources().contains(&"pressure"));
    assert!(bench.sources().contains(&"kernel"));
    let nothing = FakeRoot::new();
    let error = Bench::start::<ProcfsPlugin>(Config::default(), nothing.path()).unwrap_err();
    assert!(error.to_string().contains("proc/stat"), "{error}");
}

#[test]
fn cpu_time_is_that_of_the_interval_by_the_numbers_of_the_kernel() {
    let root = server();
    let mut bench = start(&root, "");
    let first = poll(&mut bench, "kernel");
    // A delta series begins with a 0.
    assert_eq!(first.len(), 9 * 5 + 4);
    assert_lines(
        changed(&first, ""),
        [
            "kernel_n_procs_running local_machine local_machine {} = 3",
            "kernel_n_procs_blocked local_machine local_machine {} = 1",
        ],
    );
    edit(&root, "proc/stat", "cpu  4705 356", "cpu  4755 357");
    edit(&root, "proc/stat", "cpu5 1104 85", "cpu5 1154 86");
    edit(&root, "proc/stat", "ctxt 1990473", "ctxt 1990500");
    edit(&root, "proc/stat", "processes 26442", "processes 26444");
    let second = poll(&mut bench, "kernel");
    assert_lines(
        changed(&second, ""),
        [
            "kernel_cpu_time local_machine local_machine {cpu_state=user} = 500",
            "kernel_cpu_time local_machine local_machine {cpu_state=nice} = 10",
            "kernel_cpu_time cpu_core:5 local_machine {cpu_state=user} = 500",
            "kernel_cpu_time cpu_core:5 local_machine {cpu_state=nice} = 10",
            "kernel_context_switches local_machine local_machine {} = 27",
            "kernel_new_forks local_machine local_machine {} = 2",
            "kernel_n_procs_running local_machine local_machine {} = 3",
            "kernel_n_procs_blocked local_machine local_machine {} = 1",
        ],
    );
    // Nine states of the machine and of four CPUs; no `iowait` unless it is asked for.
    assert_eq!(second.len(), 9 * 5 + 4);
    assert!(!second.iter().any(|sample| sample.to_string().contains("iowait")));
    let mut bench = start(&root, "kernel.iowait = true");
    poll(&mut bench, "kernel");
    assert_eq!(poll(&mut bench, "kernel").len(), 10 * 5 + 4);
}

#[test]
fn idle_time_that_steps_back_is_never_a_negative_or_absurd_increment() {
    let root = server();
    let mut bench = start(&root, "");
    poll(&mut bench, "kernel");
    edit(
        &root,
        "proc/stat",
        "cpu0 1393 80 215 924830",
        "cpu0 1393 80 215 924800",
    );
    assert!(changed(&poll(&mut bench, "kernel"), "cpu_time").is_empty());
    edit(
        &root,
        "proc/stat",
        "cpu0 1393 80 215 924800",
        "cpu0 1393 80 215 924840",
    );
    assert_lines(
        changed(&poll(&mut bench, "kernel"), "cpu_time"),
        ["kernel_cpu_time cpu_core:0 local_machine {cpu_state=idle} = 100"],
    );
    edit(
        &root,
        "proc/stat",
        "cpu0 1393 80 215 924840",
        "cpu0 1393 80 215 99924840",
    );
    assert!(changed(&poll(&mut bench, "kernel"), "cpu_time").is_empty());
}

#[test]
fn a_cpu_that_goes_offline_loses_its_series_and_starts_anew_when_it_returns() {
    let root = server();
    let mut bench = start(&root, "");
    poll(&mut bench, "kernel");
    let with_cpu = bench.catalog().live_series();
    let line = "cpu4 1203 90 120 924790 5700 3 50 4 0 0\n";
    edit(&root, "proc/stat", line, "");
    assert!(changed(&poll(&mut bench, "kernel"), "cpu_core:4").is_empty());
    assert_eq!(bench.catalog().live_series(), with_cpu - 9);
    edit(&root, "proc/stat", "cpu5 ", "cpu4 1000 0 0 5 0 0 0 0 0 0\ncpu5 ");
    assert!(changed(&poll(&mut bench, "kernel"), "cpu_core:4").is_empty());
    edit(&root, "proc/stat", "cpu4 1000 ", "cpu4 1003 ");
    assert_lines(
        changed(&poll(&mut bench, "kernel"), "cpu_core:4"),
        ["kernel_cpu_time cpu_core:4 local_machine {cpu_state=user} = 30"],
    );
}

#[test]
fn a_pause_is_not_billed() {
    let root = server();
    let mut bench = start(&root, "");
    for (source, file, from, to) in [
        ("kernel", "proc/stat", "cpu  4705", "cpu  4905"),
        (
            "network",
            "proc/net/dev",
            "br-5f1c0de:   88123",
            "br-5f1c0de:   99123",
        ),
        ("disks", "proc/diskstats", "nvme0n1 1208344", "nvme0n1 1208399"),
        ("pressure", "proc/pressure/io", "total=", "total=9"),
    ] {
        poll(&mut bench, source);
        poll(&mut bench, source);
        edit(&root, file, from, to);
        bench.reset(source);
        let after = poll(&mut bench, source);
        assert!(!after.is_empty(), "{source} begins again");
        let billed = changed(&after, "");
        assert!(
            billed.iter().all(|text| text.contains("kernel_n_procs")),
            "{billed:?}"
        );
    }
}

#[test]
fn memory_is_in_bytes_and_unknown_entries_are_left_out() {
    let root = server();
    let config = "memory.metrics = ['MemTotal', 'NoSuchEntry', 'Active(anon)', 'HugePages_Total']";
    let mut bench = start(&root, config);
    assert_lines(
        poll(&mut bench, "memory"),
        [
            "mem_total local_machine local_machine {} = 135056596992",
            "active_anon local_machine local_machine {} = 5335080960",
            "huge_pages_total local_machine local_machine {} = 64",
        ],
    );
    let unit = |name| {
        bench
            .catalog()
            .find_metric(name)
            .unwrap()
            .1
            .unit
            .code()
            .to_string()
    };
    assert_eq!(
        (unit("active_anon").as_str(), unit("huge_pages_total").as_str()),
        ("By", "1")
    );
}

#[test]
fn a_replugged_interface_gives_no_absurd_traffic() {
    let root = server();
    let mut bench = start(&root, "");
    assert!(changed(&poll(&mut bench, "network"), "").is_empty());
    edit(
        &root,
        "proc/net/dev",
        "br-5f1c0de:   88123     120",
        "br-5f1c0de:   88125     121",
    );
    assert_lines(
        changed(&poll(&mut bench, "network"), ""),
        [
            "network_bytes local_machine local_machine {direction=rx, interface=br-5f1c0de} = 2",
            "network_packets local_machine local_machine {direction=rx, interface=br-5f1c0de} = 1",
        ],
    );
    edit(
        &root,
        "proc/net/dev",
        "br-5f1c0de:   88125     121",
        "br-5f1c0de:   500     2",
    );
    assert!(changed(&poll(&mut bench, "network"), "").is_empty());
    edit(
        &root,
        "proc/net/dev",
        "br-5f1c0de:   500     2",
        "br-5f1c0de:   560     3",
    );
    assert_lines(
        changed(&poll(&mut bench, "network"), "bytes"),
        ["network_bytes local_machine local_machine {direction=rx, interface=br-5f1c0de} = 60"],
    );
}

#[test]
fn a_reading_of_zeros_is_not_billed_on_the_way_back() {
    let root = server();
    let mut bench = start(&root, "disks.partitions = true");
    let write = |bytes: u64, ticks: u64, sectors: u64| {
        let header = "Inter-|   Receive   |  Transmit\n face |bytes |bytes\n";
        root.write(
            "proc/net/dev",
            format!("{header}eth0: {bytes} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"),
        );
        root.write("proc/stat", format!("cpu {ticks} 0 0 0\ncpu0 {ticks} 0 0 0\n"));
        root.write(
            "proc/diskstats",
            format!("8 0 sda 0 0 {sectors} 0 0 0 0 0 0 0 0\n"),
        );
    };
    write(398_444_176_531, 8_640_000, 1_000_000_000);
    let mut billed = Vec::new();
    let mut poll_all = |write: &dyn Fn()| {
        write();
        for source in ["network", "kernel", "disks"] {
            billed.extend(changed(&bench.poll(source).unwrap(), "_"));
        }
        bench.advance(Duration::from_millis(250));
    };
    poll_all(&|| ());
    poll_all(&|| write(0, 0, 0));
    poll_all(&|| write(398_444_177_031, 8_640_001, 1_000_000_002));
    assert_lines(
        billed,
        [
            "network_bytes local_machine local_machine {direction=rx, interface=eth0} = 500",
            "kernel_cpu_time local_machine local_machine {cpu_state=user} = 10",
            "kernel_cpu_time cpu_core:0 local_machine {cpu_state=user} = 10",
            "disk_bytes local_machine local_machine {device=sda, direction=read} = 1024",
        ],
    );
}

#[test]
fn the_disks_of_lxcfs_and_one_with_a_blank_in_its_name_are_measured() {
    let root = server();
    let mut bench = start(&root, "disks.partitions = true");
    let write = |writes: u32| {
        let row = format!("0 0 0 0 {writes} 0 977 34 0 2 0 0 0 0");
        root.write(
            "proc/diskstats",
            format!("8 0 sda {row}\n8 1 my disk {row}\n8 2 odd x\n"),
        );
    };
    write(46);
    poll(&mut bench, "disks");
    write(47);
    assert_lines(
        changed(&poll(&mut bench, "disks"), "operations"),
        ["sda", "my disk"].map(|device| {
            format!("disk_operations local_machine local_machine {{device={device}, direction=write}} = 1")
        }),
    );
}

#[test]
fn interfaces_come_and_go() {
    let root = server();
    let mut bench = start(&root, "");
    poll(&mut bench, "network");
    let before = bench.catalog().live_series();
    let text = fs::read_to_string(root.at("proc/net/dev")).unwrap();
    root.write(
        "proc/net/dev",
        format!("{text}veth1: 7 7 0 0 0 0 0 0 7 7 0 0 0 0 0 0\n"),
    );
    assert!(changed(&poll(&mut bench, "network"), "veth1").is_empty());
    assert_eq!(bench.catalog().live_series(), before + 8);
    root.write(
        "proc/net/dev",
        format!("{text}veth1: 8 7 0 0 0 0 0 0 7 7 0 0 0 0 0 0\n"),
    );
    assert_eq!(changed(&poll(&mut bench, "network"), "veth1").len(), 1);
    root.write("proc/net/dev", text);
    poll(&mut bench, "network");
    assert_eq!(bench.catalog().live_series(), before);
}

#[test]
fn disks_are_whole_disks_unless_partitions_are_asked_for() {
    let root = server();
    let mut bench = start(&root, "");
    poll(&mut bench, "disks");
    edit(
        &root,
        "proc/diskstats",
        "nvme0n1 1208344 20211 98120332 410221 8841203 1204311 412204488 9912034 2 3120440 10402411 8812 0 90120448 1204 310221 78952",
        "nvme0n1 1208345 20211 98120340 410223 8841204 1204311 412204490 9912037 2 3120444 10402411 8813 0 90120456 1209 310222 78958",
    );
    edit(&root, "proc/diskstats", "nvme0n1p1 301", "nvme0n1p1 302");
    let device = |metric: &str, direction: &str, value: u32| {
        format!("{metric} local_machine local_machine {{device=nvme0n1, direction={direction}}} = {value}")
    };
    assert_lines(
        changed(&poll(&mut bench, "disks"), ""),
        [
            device("disk_bytes", "read", 8 * 512),
            device("disk_operations", "read", 1),
            device("disk_operation_time", "read", 2),
            device("disk_bytes", "write", 2 * 512),
            device("disk_operations", "write", 1),
            device("disk_operation_time", "write", 3),
            device("disk_bytes", "discard", 8 * 512),
            device("disk_operations", "discard", 1),
            device("disk_operation_time", "discard", 5),
            device("disk_operations", "flush", 1),
            device("disk_operation_time", "flush", 6),
            "disk_busy_time local_machine local_machine {device=nvme0n1} = 4".to_owned(),
        ],
    );
    let mut bench = start(&root, "disks.partitions = true");
    poll(&mut bench, "disks");
    let all = poll(&mut bench, "disks");
    assert!(
        all.iter()
            .any(|sample| sample.to_string().contains("device=nvme0n1p1,"))
    );
    assert!(
        all.iter()
            .any(|sample| sample.to_string().contains("device=cciss/c0d0,"))
    );
}

#[test]
fn load_and_pressure_are_those_of_the_kernel() {
    let root = server();
    root.write("proc/loadavg", "0.50 1.25 2.00 1/200 4711\n");
    let mut bench = start(&root, "");
    assert_lines(
        poll(&mut bench, "load"),
        [
            "load_average local_machine local_machine {window=1m} = 0.5",
            "load_average local_machine local_machine {window=5m} = 1.25",
            "load_average local_machine local_machine {window=15m} = 2",
        ],
    );
    let pressure = |some: u32, full: u32| {
        let line = |total: u32| format!("avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n");
        root.write(
            "proc/pressure/io",
            format!("some {}full {}", line(some), line(full)),
        );
    };
    pressure(1000, 100);
    poll(&mut bench, "pressure");
    pressure(1007, 103);
    assert_lines(
        changed(&poll(&mut bench, "pressure"), ""),
        [
            "pressure_stall_time local_machine local_machine {kind=some, stalled=io} = 7",
            "pressure_stall_time local_machine local_machine {kind=full, stalled=io} = 3",
        ],
    );
}

#[test]
fn a_cpu_that_is_plugged_in_shows_its_frequency() {
    let root = server();
    let file = |cpu: u32| format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
    root.write(file(0), "2400000\n").write(file(5), "800000\n");
    let mut bench = start(&root, "");
    let cores = |samples: Vec<RecordedSample>| -> Vec<String> {
        samples
            .iter()
            .map(|sample| sample.series.resource().id().into_owned())
            .collect()
    };
    let first = poll(&mut bench, "cpu-frequency");
    assert_eq!(
        first[0].to_string(),
        "cpu_frequency cpu_core:0 local_machine {} = 2400000000"
    );
    assert!(!cores(first).contains(&"6".to_owned()));
    root.write(file(6), "900000\n")
        .write("sys/devices/system/cpu/online", "0,1,4-6\n");
    assert!(cores(poll(&mut bench, "cpu-frequency")).contains(&"6".to_owned()));
    root.remove("sys/devices/system/cpu/cpu6")
        .write("sys/devices/system/cpu/online", "0,1,4,5\n");
    assert!(!cores(poll(&mut bench, "cpu-frequency")).contains(&"6".to_owned()));
}

#[test]
fn sensors_are_told_apart_and_come_and_go() {
    let root = server();
    let mut bench = start(&root, "");
    // A second chip of the same name on the same device.
    root.write("sys/class/hwmon/hwmon8/name", "nvme\n")
        .write("sys/class/hwmon/hwmon8/temp1_input", "1000\n")
        .write("sys/class/hwmon/hwmon8/temp1_label", "Composite\n")
        .link("sys/class/hwmon/hwmon8/device", "../../../devices/nvme0");
    let first = poll(&mut bench, "temperatures");
    let texts: Vec<_> = first.iter().map(RecordedSample::to_string).collect();
    let core = "temperature local_machine local_machine {chip=coretemp, label=Package id 0, sensor=coretemp.0/temp1} = 61";
    assert!(texts.iter().any(|text| text == core), "{texts:#?}");
    let distinct: std::collections::HashSet<_> = first.iter().map(|s| format!("{}", s.series)).collect();
    assert_eq!(distinct.len(), first.len());

    root.write("sys/class/hwmon/hwmon7/name", "spd5118\n")
        .write("sys/class/hwmon/hwmon7/temp1_input", "40500\n");
    for _ in 0..12 {
        poll(&mut bench, "temperatures");
    }
    let found = "temperature local_machine local_machine {chip=spd5118, sensor=hwmon7/temp1} = 40.5";
    assert_eq!(changed(&poll(&mut bench, "temperatures"), "spd5118"), [found]);
    let before = bench.catalog().live_series();
    root.remove("sys/class/hwmon/hwmon7");
    // Here an open file outlives its folder; in sysfs it would be noticed at once.
    for _ in 0..13 {
        poll(&mut bench, "temperatures");
    }
    assert_eq!(bench.catalog().live_series(), before - 1);
}

#[test]
fn a_wall_clock_set_back_an_hour_changes_only_timestamps() {
    let root = server();
    let mut bench = start(&root, "");
    poll(&mut bench, "kernel");
    edit(&root, "proc/stat", "cpu5 1104", "cpu5 1154");
    let wall = ManualClock::START.saturating_sub(Duration::from_secs(3600));
    bench.clock().set_wall(wall);
    let samples = poll(&mut bench, "kernel");
    assert_eq!(changed(&samples, "cpu_core:5").len(), 1);
    assert!(samples.iter().all(|sample| sample.timestamp == wall));
}
