//! The engine on captured trees, compared with values read off the files by hand.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test like the test itself"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::engine::{CpuTime, FdPolicy, FileEngine, Reading, StatEngine, Wanted};
use alumet_reader_cgroupfs::mount::{Hierarchies, Layout};
use alumet_reader_cgroupfs::stat::memory_stat::Selection;
use alumet_reader_cgroupfs::stat::single::Limit;
use alumet_reader_cgroupfs::{CgroupPath, ReadError};

const POD: &str = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice";

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

fn policies() -> [FdPolicy; 2] {
    let each_time = FdPolicy {
        keep_up_to: 0,
        raise_limit: false,
    };
    [FdPolicy::default(), each_time]
}

fn read(engine: &mut FileEngine, cgroup: &str, wanted: Wanted) -> Reading {
    let slot = engine.open(&path(cgroup), wanted).unwrap();
    let mut first = Reading::default();
    let mut second = Reading::default();
    engine.begin_pass().unwrap();
    engine.read(&slot, &mut first).unwrap();
    engine.read(&slot, &mut second).unwrap();
    assert_eq!(first, second);
    engine.close(slot);
    assert_eq!(engine.kept_files(), 0);
    second
}

#[test]
fn each_tree_has_its_layout() {
    assert_eq!(mounted("v2").layout(), Layout::V2);
    assert_eq!(mounted("v1").layout(), Layout::V1);
    assert_eq!(mounted("hybrid").layout(), Layout::Hybrid);
    assert_eq!(
        mounted("v2").require_v2().unwrap().mount,
        tree("v2").join("sys/fs/cgroup")
    );
    assert_eq!(
        mounted("v1").v1("cpuacct").unwrap().mount,
        tree("v1").join("sys/fs/cgroup/cpu,cpuacct")
    );
}

#[test]
fn a_pod_of_version_2_has_everything() {
    for policy in policies() {
        let selection = Selection::of(["pswpout", "anon", "slab_reclaimable", "nonsense"]);
        let mut engine = FileEngine::v2(&mounted("v2"), selection, policy).unwrap();
        let reading = read(&mut engine, POD, Wanted::ALL);
        let cpu = CpuTime {
            usage_ns: Some(5_000_123_000),
            user_ns: Some(4_000_100_000),
            system_ns: Some(1_000_023_000),
        };
        assert_eq!(reading.cpu, cpu);
        let throttling = reading.throttling.unwrap();
        assert_eq!(
            (throttling.throttled_periods, throttling.throttled_ns),
            (34, 567_890_000)
        );
        assert_eq!((throttling.bursts, throttling.burst_ns), (Some(2), Some(345_000)));
        assert_eq!(reading.memory_current, Some(123_456_789));
        assert_eq!(reading.memory_max, Some(Limit::At(268_435_456)));
        assert_eq!(
            (reading.swap_current, reading.swap_max),
            (Some(4096), Some(Limit::Unlimited))
        );
        assert_eq!(reading.memory_peak, Some(200_000_000));
        assert_eq!(
            reading.memory_stat,
            [Some(5), Some(83_886_080), Some(3_145_728), None]
        );
        let events = reading.memory_events.unwrap();
        assert_eq!((events.high, events.max, events.oom_kill), (7, 12, Some(1)));
        assert!(reading.has_io);
        let io: Vec<_> = reading
            .io
            .iter()
            .map(|dev| (dev.major, dev.minor, dev.read_bytes))
            .collect();
        assert_eq!(io, [(259, 0, 4096), (253, 1, 512)]);
        assert_eq!(reading.cpu_pressure.unwrap().some.unwrap().avg10, 1.25);
        assert_eq!(reading.memory_pressure.unwrap().full.unwrap().total_us, 10);
        assert_eq!(reading.io_pressure.unwrap().some.unwrap().avg300, 99.99);
        assert_eq!(reading.irq_pressure.unwrap().some, None);
        assert_eq!(
            (reading.pids_current, reading.pids_max),
            (Some(17), Some(Limit::Unlimited))
        );
        assert!(reading.events.unwrap().populated);
    }
}

#[test]
fn what_a_group_does_not_offer_or_nobody_wants_stays_empty() {
    for policy in policies() {
        let mut engine = FileEngine::v2(&mounted("v2"), Selection::of(["anon"]), policy).unwrap();
        let reading = read(&mut engine, "/user.slice/it's \"a job\".scope", Wanted::ALL);
        assert_eq!(reading.cpu.usage_ns, Some(1_000));
        assert_eq!(
            Reading {
                cpu: CpuTime::default(),
                ..reading
            },
            Reading::default()
        );
        let reading = read(&mut engine, POD, Wanted::PIDS_CURRENT);
        assert_eq!(
            reading,
            Reading {
                pids_current: Some(17),
                ..Reading::default()
            }
        );
    }
}

#[test]
fn version_1_means_the_same_in_the_same_units() {
    for (tree, policy) in ["v1", "hybrid"].into_iter().zip(policies()) {
        let selection = Selection::of(["total_rss", "rss"]);
        let mut engine = FileEngine::v1(&mounted(tree), selection, policy).unwrap();
        let reading = read(&mut engine, "/oar/alice_42", Wanted::ALL);
        let cpu = CpuTime {
            usage_ns: Some(5_000_123_456),
            user_ns: Some(4_000_000_000),
            system_ns: Some(1_000_000_000),
        };
        assert_eq!(reading.cpu, cpu);
        assert_eq!(reading.throttling.unwrap().throttled_ns, 567_890_123);
        assert_eq!(
            (reading.memory_current, reading.swap_current),
            (Some(1_000_000), Some(500_000))
        );
        assert_eq!(
            (reading.memory_max, reading.memory_peak),
            (Some(Limit::Unlimited), Some(2_000_000))
        );
        assert_eq!(reading.memory_stat, [Some(81_920), Some(8192)]);
        assert_eq!(
            (reading.io[0].read_bytes, reading.io[0].write_bytes),
            (4096, 8192)
        );
        assert_eq!(
            (reading.pids_current, reading.pids_max),
            (Some(3), Some(Limit::Unlimited))
        );
        let swap_only = read(&mut engine, "/oar/alice_42", Wanted::SWAP_CURRENT);
        assert_eq!(
            swap_only,
            Reading {
                swap_current: Some(500_000),
                ..Reading::default()
            }
        );
    }
}

#[test]
fn the_unified_part_of_a_hybrid_tree_is_read_next_to_version_1() {
    let mut engine = FileEngine::v2(&mounted("hybrid"), Selection::default(), FdPolicy::default()).unwrap();
    let reading = read(&mut engine, "/oar", Wanted::ALL);
    assert_eq!(reading.cpu.usage_ns, Some(7_000));
    assert_eq!(reading.io_pressure.unwrap().full.unwrap().total_us, 8);
}

#[test]
fn an_absent_group_is_gone_and_an_absent_hierarchy_says_how_to_mount_it() {
    let mut engine = FileEngine::v2(&mounted("v2"), Selection::default(), FdPolicy::default()).unwrap();
    let error = engine.open(&path("/none"), Wanted::ALL).unwrap_err();
    assert!(matches!(error, ReadError::Gone { .. }), "{error}");
    let none = Hierarchies::default();
    for result in [
        FileEngine::v2(&none, Selection::default(), FdPolicy::default()),
        FileEngine::v1(&none, Selection::default(), FdPolicy::default()),
    ] {
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
    (
        FileEngine::v2(&mounted, Selection::of(["anon"]), FdPolicy::default()).unwrap(),
        job,
    )
}

#[test]
fn a_controller_that_is_enabled_later_is_found_within_64_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, job) = copy(folder.path());
    let slot = engine
        .open(&path("/job"), Wanted::CPU_TIME | Wanted::MEMORY_CURRENT)
        .unwrap();
    let mut reading = Reading::default();
    engine.read(&slot, &mut reading).unwrap();
    assert_eq!(reading.memory_current, None);
    fs::write(job.join("memory.current"), "5\n").unwrap();
    let mut reads = 0;
    while reading.memory_current.is_none() {
        engine.read(&slot, &mut reading).unwrap();
        reads += 1;
        assert!(reads <= 64);
    }
    assert_eq!((reading.memory_current, engine.kept_files()), (Some(5), 2));
    engine.close(slot);
}

#[test]
fn content_cut_short_is_read_again_from_a_fresh_file_and_only_then_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, job) = copy(folder.path());
    fs::write(job.join("memory.current"), "77\n").unwrap();
    let slot = engine
        .open(&path("/job"), Wanted::CPU_TIME | Wanted::MEMORY_CURRENT)
        .unwrap();
    let mut reading = Reading::default();
    // The kept file shows a torn content, the path a whole one.
    let file = job.join("cpu.stat");
    fs::write(&file, "usage_usec 98").unwrap();
    fs::write(job.join("new"), "usage_usec 12\n").unwrap();
    fs::rename(job.join("new"), &file).unwrap();
    engine.read(&slot, &mut reading).unwrap();
    assert_eq!(reading.cpu.usage_ns, Some(12_000));
    fs::write(&file, "usage_usec 98").unwrap();
    let error = engine.read(&slot, &mut reading).unwrap_err();
    assert!(matches!(error, ReadError::Parse { .. }) && error.is_temporary());
    assert!(error.to_string().contains("job/cpu.stat"), "{error}");
    assert_eq!(
        (reading.cpu.usage_ns, reading.memory_current),
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
    let slot = engine.open(&path("/job"), Wanted::CPU_TIME).unwrap();
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
    assert_eq!(
        read(&mut engine, "/job", Wanted::MEMORY_STAT).memory_stat,
        [Some(9)]
    );
}
