//! The readers on the captured trees; `fixtures/ORIGIN.md` says what is in them.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::path::Path;

use alumet_reader_procfs::cpufreq::CpuFrequencyFiles;
use alumet_reader_procfs::diskstats::{Disk, DiskKind, DiskStatsFile, Requests};
use alumet_reader_procfs::hwmon::TemperatureFiles;
use alumet_reader_procfs::meminfo::Amount;
use alumet_reader_procfs::net_dev::{NetDevFile, Traffic};
use alumet_reader_procfs::{ReadError, SystemRoot, cpu_online, loadavg, meminfo, pressure, stat};

fn tree(name: &str) -> SystemRoot {
    SystemRoot::at(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name),
    )
}

fn server() -> SystemRoot {
    tree("server-5.15")
}

#[test]
fn offline_cpus_leave_gaps_in_the_numbers() {
    let mut file = stat::table(&server());
    let stat = file.read().unwrap();
    let numbers: Vec<u32> = stat.cpus.iter().map(|line| line.cpu).collect();
    assert_eq!(numbers, [0, 1, 4, 5]);
    assert_eq!(
        (stat.cpus[2].times[0], stat.cpus[0].times[8]),
        (Some(1203), Some(40))
    );
    assert_eq!((stat.total[3], stat.total[9]), (Some(3_699_176), Some(3)));
    assert_eq!(
        (stat.context_switches, stat.forks),
        (Some(1_990_473), Some(26_442))
    );
    assert_eq!((stat.procs_running, stat.procs_blocked), (Some(3), Some(1)));

    let online = cpu_online::table(&server()).read().unwrap().clone();
    assert_eq!(online.ranges, [(0, 1), (4, 5)]);
}

#[test]
fn chosen_memory_entries_come_in_bytes() {
    let selection = ["MemTotal", "Cached", "Active(anon)", "HugePages_Total", "NoSuch"];
    let mut file = meminfo::table(&server(), selection);
    for _reading in 0..2 {
        let amounts: Vec<_> = file.read().unwrap().iter().map(|entry| entry.amount).collect();
        let expected = [
            Some(Amount::Bytes(131_891_208 * 1024)),
            Some(Amount::Bytes(20_981_464 * 1024)),
            Some(Amount::Bytes(5_210_040 * 1024)),
            Some(Amount::Count(64)),
            None,
        ];
        assert_eq!(amounts, expected);
    }
}

#[test]
fn interface_names_may_be_long_or_contain_a_colon() {
    let mut file = NetDevFile::open(&server()).unwrap();
    let net = file.read().unwrap();
    let names: Vec<String> = net.iter().map(|interface| interface.name.to_string()).collect();
    assert_eq!(names, ["lo", "enp65s0f0np0", "eth0:1", "br-5f1c0de"]);
    let received = Traffic {
        bytes: 183_640_118_021,
        packets: 140_021_988,
        errors: 3,
        drops: 12,
    };
    let sent = Traffic {
        bytes: 9_612_030_411,
        packets: 71_002_345,
        errors: 1,
        drops: 2,
    };
    assert_eq!((net[1].received, net[1].sent), (received, sent));
}

fn disks(root: &SystemRoot) -> Vec<Disk> {
    DiskStatsFile::of(root).read().unwrap().to_vec()
}

#[test]
fn whole_disks_are_told_from_partitions() {
    let kinds: Vec<(String, DiskKind)> = disks(&server())
        .iter()
        .map(|disk| (disk.name.to_string(), disk.kind))
        .collect();
    let expected = [
        ("loop0", DiskKind::Whole),
        ("nvme0n1", DiskKind::Whole),
        ("nvme0n1p1", DiskKind::Partition),
        ("nvme0n1p2", DiskKind::Partition),
        ("dm-0", DiskKind::Whole),
        ("cciss/c0d0", DiskKind::Whole),
    ];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn a_disk_of_a_5_kernel_has_discards_and_flushes() {
    let disks = disks(&server());
    let disk = &disks[1];
    let [reads, _, discards, flushes] = disk.requests.map(Option::unwrap);
    assert_eq!(reads.bytes, Some(98_120_332 * 512));
    assert_eq!(disk.io_ms, 3_120_440);
    assert_eq!(discards.bytes, Some(90_120_448 * 512));
    let expected = Requests {
        completed: 310_221,
        bytes: None,
        ms: 78_952,
    };
    assert_eq!(flushes, expected);
}

#[test]
fn a_disk_of_a_4_kernel_has_neither() {
    let disks = disks(&tree("old-4.9"));
    assert_eq!(
        (disks[0].kind, disks[1].kind),
        (DiskKind::Whole, DiskKind::Partition)
    );
    assert_eq!(disks[0].requests[2..], [None, None]);
}

#[test]
fn kinds_stay_unknown_while_sysfs_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(server().proc(""), folder.path().join("proc")).unwrap();
    assert!(
        disks(&SystemRoot::at(folder.path()))
            .iter()
            .all(|disk| disk.kind == DiskKind::Unknown)
    );
}

#[test]
fn load_and_pressure_are_read() {
    let load = *loadavg::table(&server()).read().unwrap();
    assert_eq!(load[0], 2.41);
    let io = *pressure::table(&server(), "io").read().unwrap();
    assert_eq!(io.full_us, Some(70_210_331));
}

#[test]
fn pressure_that_the_kernel_lacks_is_not_supported() {
    for (root, of) in [(server(), "irq"), (tree("old-4.9"), "cpu")] {
        let error = pressure::table(&root, of).read().unwrap_err();
        assert!(matches!(error, ReadError::NotSupported { .. }), "{error}");
        assert!(error.to_string().contains("CONFIG_PSI"), "{error}");
    }
}

#[test]
fn frequencies_carry_the_cpu_number_and_unknown_ones_are_left_out() {
    let mut files = CpuFrequencyFiles::discover(&server()).unwrap();
    let expected = [(0, 3_400_000_000), (1, 1_200_000_000), (4, 2_800_123_000)];
    assert!(files.read().eq(expected));
    assert!(CpuFrequencyFiles::discover(&tree("old-4.9")).unwrap().is_empty());
}

#[test]
fn sensors_are_named_by_chip_label_and_device() {
    let files = TemperatureFiles::discover(&server()).unwrap();
    let named: Vec<_> = files
        .sensors()
        .map(|s| {
            (
                &*s.folder,
                &*s.chip,
                s.channel,
                s.label.as_deref(),
                s.device.as_deref(),
            )
        })
        .collect();
    let expected = [
        ("hwmon0", "nvme", Some(1), Some("Composite"), Some("nvme0")),
        (
            "hwmon1",
            "coretemp",
            Some(1),
            Some("Package id 0"),
            Some("coretemp.0"),
        ),
        ("hwmon1", "coretemp", Some(2), Some("Core 0"), Some("coretemp.0")),
        ("hwmon1", "coretemp", Some(10), Some("Core 8"), Some("coretemp.0")),
        ("hwmon2", "nct6798", Some(1), None, None),
        ("hwmon2", "nct6798", Some(2), None, None),
        ("thermal_zone0", "x86_pkg_temp", None, None, None),
    ];
    assert_eq!(named, expected);
}

#[test]
fn a_sensor_without_a_reading_does_not_disturb_the_others() {
    let mut files = TemperatureFiles::discover(&server()).unwrap();
    let mut readings = Vec::new();
    files.read(|position, _, celsius| readings.push((position, celsius.ok())));
    let expected = [
        Some(38.85),
        Some(61.0),
        Some(59.0),
        Some(57.5),
        Some(-12.5),
        None,
        Some(61.0),
    ];
    assert_eq!(readings, expected.into_iter().enumerate().collect::<Vec<_>>());
    let none = TemperatureFiles::discover(&tree("old-4.9")).unwrap();
    assert_eq!(none.sensors().count(), 0);
}

#[test]
fn a_tree_that_lacks_a_file_says_so() {
    for error in [
        loadavg::table(&tree("old-4.9")).read().unwrap_err(),
        cpu_online::table(&tree("old-4.9")).read().unwrap_err(),
    ] {
        assert!(matches!(error, ReadError::NotSupported { .. }), "{error}");
        assert!(!error.is_temporary());
    }
}
