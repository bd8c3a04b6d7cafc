//! The engine on captured trees, compared with values read off the files by hand.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test like the test itself"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::engine::{FileEngine, Reading, Stat, Wanted};
use alumet_reader_cgroupfs::mount::{Hierarchies, Version};
use alumet_reader_cgroupfs::stat::single::UNLIMITED;
use alumet_reader_cgroupfs::{CgroupPath, ReadError};

const POD: &str = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice";

/// All but the traffic.
const ALL: [Stat; 31] = [
    Stat::CpuTotal,
    Stat::CpuUser,
    Stat::CpuSystem,
    Stat::Periods,
    Stat::ThrottledPeriods,
    Stat::ThrottledTime,
    Stat::CpuSome,
    Stat::CpuFull,
    Stat::MemorySome,
    Stat::MemoryFull,
    Stat::IoSome,
    Stat::IoFull,
    Stat::IrqSome,
    Stat::IrqFull,
    Stat::Memory,
    Stat::MemoryMax,
    Stat::Swap,
    Stat::SwapMax,
    Stat::Anonymous,
    Stat::File,
    Stat::KernelStack,
    Stat::PageTables,
    Stat::SlabReclaimable,
    Stat::SwappedIn,
    Stat::SwappedOut,
    Stat::Low,
    Stat::High,
    Stat::Max,
    Stat::Oom,
    Stat::OomKill,
    Stat::Pids,
];

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn mounted(name: &str) -> Hierarchies {
    Hierarchies::detect(&tree(name)).unwrap()
}

fn path(text: &str) -> CgroupPath {
    text.parse().unwrap()
}

/// An engine that keeps its files open, and one that opens them at each read.
fn engines(version: Version, tree: &str) -> [FileEngine; 2] {
    let engine = || FileEngine::new(version, &mounted(tree)).unwrap();
    [engine(), engine().keeping_at_most(0)]
}

fn all_but(reading: &Reading, stats: &[Stat]) -> Vec<u64> {
    let all = ALL.iter().filter(|stat| !stats.contains(stat));
    all.filter_map(|stat| reading.get(*stat)).collect()
}

fn want(stats: &[Stat]) -> Wanted {
    stats.iter().copied().collect()
}

fn read(engine: &mut FileEngine, cgroup: &str, wanted: Wanted) -> Reading {
    let slot = engine.open(&path(cgroup), wanted).unwrap();
    let mut first = Reading::default();
    let mut second = Reading::default();
    engine.read(&slot, &mut first).unwrap();
    engine.read(&slot, &mut second).unwrap();
    assert_eq!(first, second);
    engine.close(slot);
    assert_eq!(engine.kept_files(), 0);
    second
}

#[test]
fn each_tree_has_its_layout() {
    assert_eq!(mounted("v2").layout(), "v2");
    assert_eq!(mounted("v1").layout(), "v1");
    assert_eq!(
        mounted("hybrid").layout(),
        "v1 with the controllers, and v2 beside it"
    );
    assert_eq!(
        mounted("v2").require_v2().unwrap(),
        tree("v2").join("sys/fs/cgroup")
    );
    assert_eq!(
        mounted("v1").v1["cpuacct"],
        tree("v1").join("sys/fs/cgroup/cpu,cpuacct")
    );
}

#[test]
fn a_pod_of_version_2_has_everything() {
    for mut engine in engines(Version::V2, "v2") {
        let reading = read(&mut engine, POD, Wanted::ALL);
        for (stat, value) in [
            (Stat::CpuTotal, 5_000_123_000),
            (Stat::CpuUser, 4_000_100_000),
            (Stat::CpuSystem, 1_000_023_000),
            (Stat::ThrottledPeriods, 34),
            (Stat::ThrottledTime, 567_890_000),
            (Stat::Memory, 123_456_789),
            (Stat::MemoryMax, 268_435_456),
            (Stat::Swap, 4096),
            (Stat::SwapMax, UNLIMITED),
            (Stat::Anonymous, 83_886_080),
            (Stat::SlabReclaimable, 3_145_728),
            (Stat::SwappedOut, 5),
            (Stat::High, 7),
            (Stat::Max, 12),
            (Stat::OomKill, 1),
            (Stat::MemoryFull, 10),
            (Stat::Pids, 17),
            (Stat::Devices, 2),
        ] {
            assert_eq!(reading.get(stat), Some(value), "{stat:?}");
        }
        assert_eq!(reading.get(Stat::IrqSome), None);
        let io: Vec<_> = reading
            .io()
            .unwrap()
            .iter()
            .map(|dev| (dev.number, dev.bytes[0]))
            .collect();
        assert_eq!(io, [((259, 0), Some(4096)), ((253, 1), Some(512))]);
    }
}

#[test]
fn what_a_group_does_not_offer_or_nobody_wants_stays_empty() {
    for mut engine in engines(Version::V2, "v2") {
        let reading = read(&mut engine, "/user.slice/it's \"a job\".scope", Wanted::ALL);
        assert_eq!(reading.get(Stat::CpuTotal), Some(1_000));
        let cpu = [Stat::CpuTotal, Stat::CpuUser, Stat::CpuSystem];
        assert_eq!(all_but(&reading, &cpu), []);
        assert_eq!(reading.io(), None);
        let reading = read(&mut engine, POD, want(&[Stat::Pids]));
        assert_eq!(
            (reading.get(Stat::Pids), all_but(&reading, &[Stat::Pids])),
            (Some(17), vec![])
        );
    }
}

#[test]
fn version_1_means_the_same_in_the_same_units() {
    let trees = ["v1", "hybrid"].into_iter();
    for mut engine in trees.flat_map(|tree| engines(Version::V1, tree)) {
        let reading = read(&mut engine, "/oar/alice_42", Wanted::ALL);
        for (stat, value) in [
            (Stat::CpuTotal, Some(5_000_123_456)),
            (Stat::CpuUser, None),
            (Stat::ThrottledTime, Some(567_890_123)),
            (Stat::Memory, Some(1_000_000)),
            (Stat::Swap, Some(500_000)),
            (Stat::MemoryMax, Some(UNLIMITED)),
            (Stat::Anonymous, Some(81_920)),
            (Stat::Pids, Some(3)),
        ] {
            assert_eq!(reading.get(stat), value, "{stat:?}");
        }
        let io = reading.io().unwrap();
        assert_eq!(io[0].bytes[..2], [Some(4096), Some(8192)]);
        let swap = read(&mut engine, "/oar/alice_42", want(&[Stat::Swap]));
        assert_eq!(
            (swap.get(Stat::Swap), all_but(&swap, &[Stat::Swap])),
            (Some(500_000), vec![])
        );
    }
}

#[test]
fn a_hierarchy_of_version_1_that_is_not_visible_takes_only_its_own_statistics_away() {
    let mut mounted = mounted("v1");
    mounted.v1.insert("memory", "/nonexistent".into());
    let mut engine = FileEngine::new(Version::V1, &mounted).unwrap();
    let reading = read(&mut engine, "/oar/alice_42", Wanted::ALL);
    assert_eq!(
        (
            reading.get(Stat::CpuTotal),
            reading.get(Stat::Memory),
            reading.get(Stat::Pids)
        ),
        (Some(5_000_123_456), None, Some(3))
    );
    for mount in mounted.v1.values_mut() {
        *mount = "/nonexistent".into();
    }
    assert!(FileEngine::new(Version::V1, &mounted).is_err());
}

#[test]
fn the_unified_part_of_a_hybrid_tree_is_read_next_to_version_1() {
    let mut engine = FileEngine::new(Version::V2, &mounted("hybrid")).unwrap();
    let reading = read(&mut engine, "/oar", Wanted::ALL);
    assert_eq!(reading.get(Stat::CpuTotal), Some(7_000));
    assert_eq!(reading.get(Stat::IoFull), Some(8));
}

#[test]
fn an_absent_group_is_gone_and_an_absent_hierarchy_says_how_to_mount_it() {
    let mut engine = FileEngine::new(Version::V2, &mounted("v2")).unwrap();
    let error = engine.open(&path("/none"), Wanted::ALL).unwrap_err();
    assert!(matches!(error, ReadError::Gone { .. }), "{error}");
    let none = Hierarchies::default();
    for version in [Version::V1, Version::V2] {
        let result = FileEngine::new(version, &none);
        assert!(matches!(result, Err(ReadError::NotMounted { .. })));
    }
}

/// A copy of a job that a test may change.
fn copy(folder: &Path) -> (FileEngine, PathBuf) {
    let job = folder.join("job");
    fs::create_dir(&job).unwrap();
    fs::copy(tree("v2").join("sys/fs/cgroup/cpu.stat"), job.join("cpu.stat")).unwrap();
    let table = format!("cgroup2 {} cgroup2 rw 0 0\n", folder.display());
    let mounted = Hierarchies::parse(table.as_bytes(), Path::new("/"));
    (FileEngine::new(Version::V2, &mounted).unwrap(), job)
}

#[test]
fn a_controller_that_is_enabled_later_is_found_within_64_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, job) = copy(folder.path());
    let slot = engine
        .open(&path("/job"), want(&[Stat::CpuTotal, Stat::Memory]))
        .unwrap();
    let mut reading = Reading::default();
    engine.read(&slot, &mut reading).unwrap();
    assert_eq!(reading.get(Stat::Memory), None);
    fs::write(job.join("memory.current"), "5\n").unwrap();
    let mut reads = 0;
    while reading.get(Stat::Memory).is_none() {
        engine.read(&slot, &mut reading).unwrap();
        reads += 1;
        assert!(reads <= 64);
    }
    assert_eq!((reading.get(Stat::Memory), engine.kept_files()), (Some(5), 2));
    engine.close(slot);
}

#[test]
fn content_cut_short_is_read_again_from_a_fresh_file_and_only_then_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, job) = copy(folder.path());
    fs::write(job.join("memory.current"), "77\n").unwrap();
    let slot = engine
        .open(&path("/job"), want(&[Stat::CpuTotal, Stat::Memory]))
        .unwrap();
    let mut reading = Reading::default();
    // The kept file shows a torn content, the path a whole one.
    let file = job.join("cpu.stat");
    fs::write(&file, "usage_usec 98").unwrap();
    fs::write(job.join("new"), "usage_usec 12\n").unwrap();
    fs::rename(job.join("new"), &file).unwrap();
    engine.read(&slot, &mut reading).unwrap();
    assert_eq!(reading.get(Stat::CpuTotal), Some(12_000));
    fs::write(&file, "usage_usec 98").unwrap();
    let error = engine.read(&slot, &mut reading).unwrap_err();
    assert!(matches!(error, ReadError::Parse { .. }) && error.is_temporary());
    assert!(error.to_string().contains("job/cpu.stat"), "{error}");
    assert_eq!(
        (reading.get(Stat::CpuTotal), reading.get(Stat::Memory)),
        (None, Some(77)),
        "the other files are read"
    );
    assert_eq!(engine.kept_files(), 2);
    engine.close(slot);
}

#[test]
fn a_group_made_anew_under_the_same_name_is_not_taken_for_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, job) = copy(folder.path());
    let slot = engine.open(&path("/job"), want(&[Stat::CpuTotal])).unwrap();
    fs::rename(&job, folder.path().join("old")).unwrap();
    fs::create_dir(&job).unwrap();
    symlink("/dev/null", job.join("cpu.stat")).unwrap();
    let mut reading = Reading::default();
    let is_gone = (0..64).any(|_| matches!(engine.read(&slot, &mut reading), Err(ReadError::Gone { .. })));
    assert!(is_gone);
    engine.close(slot);
    assert_eq!(engine.kept_files(), 0);
}

#[test]
fn a_file_larger_than_the_buffer_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, job) = copy(folder.path());
    let mut text: String = (0..5_000).map(|line| format!("key{line} {line}\n")).collect();
    text.push_str("anon 9\n");
    fs::write(job.join("memory.stat"), text).unwrap();
    let reading = read(&mut engine, "/job", want(&[Stat::Anonymous]));
    assert_eq!(reading.get(Stat::Anonymous), Some(9));
}

#[test]
fn a_file_that_is_refused_takes_only_its_own_statistics_away() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, job) = copy(folder.path());
    // Whoever may read everything is refused a loop of links.
    symlink("memory.current", job.join("memory.current")).unwrap();
    let reading = read(&mut engine, "/job", want(&[Stat::CpuTotal, Stat::Memory]));
    assert!(reading.get(Stat::CpuTotal).is_some());
    assert_eq!(reading.get(Stat::Memory), None);
}
