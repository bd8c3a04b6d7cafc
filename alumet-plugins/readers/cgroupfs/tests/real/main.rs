//! The v2 hierarchy of the machine that the tests run on. A test that may not make control groups says so and passes.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alumet_reader_cgroupfs::engine::{FileEngine, Reading, Stat, Wanted};
use alumet_reader_cgroupfs::mount::{Hierarchies, Version};
use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_reader_cgroupfs::watch::{Change, Watcher};
use alumet_reader_cgroupfs::{CgroupPath, ReadError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit};

fn engine() -> FileEngine {
    let mounted = Hierarchies::detect(Path::new("/")).unwrap();
    FileEngine::new(Version::V2, &mounted).unwrap()
}

fn want(stats: &[Stat]) -> Wanted {
    stats.iter().copied().collect()
}

#[test]
fn the_cpu_time_of_a_busy_child_agrees_with_its_rusage() {
    let Some(group) = OwnGroup::make("busy") else {
        return;
    };
    let _only = OnlyChild::wait();
    let script = "read x; i=0; while [ $i -lt 800000 ]; do i=$((i+1)); done";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    fs::write(group.folder().join("cgroup.procs"), child.id().to_string()).unwrap();
    let mut engine = engine();
    let slot = engine.open(group.path(), Wanted::ALL).unwrap();
    let mut reading = Reading::default();
    engine.read(&slot, &mut reading).unwrap();
    let before = reading.get(Stat::CpuTotal).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let clock = child_time(&mut child);
    engine.read(&slot, &mut reading).unwrap();
    let used = (reading.get(Stat::CpuTotal).unwrap() - before) as f64 / 1e9;
    println!("group {used:.4} s, rusage {clock:.4} s");
    assert!(
        (used - clock).abs() <= 0.01 * clock,
        "group {used} s, rusage {clock} s"
    );
    let parts = reading.get(Stat::CpuUser).unwrap() + reading.get(Stat::CpuSystem).unwrap();
    assert!(reading.get(Stat::CpuTotal).unwrap().abs_diff(parts) <= 2_000);
    engine.close(slot);
}

/// The right of a test to start a child: the kernel bills the time of all children together.
struct OnlyChild;

static HAS_CHILD: AtomicBool = AtomicBool::new(false);

impl OnlyChild {
    fn wait() -> Self {
        while HAS_CHILD.swap(true, Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self
    }
}

impl Drop for OnlyChild {
    fn drop(&mut self) {
        HAS_CHILD.store(false, Ordering::SeqCst);
    }
}

/// Waits for the child and says how much CPU time it used, as the kernel billed it to this process.
///
/// The sum over all children is this child's, as no other test has one meanwhile, see [`OnlyChild`].
fn child_time(child: &mut std::process::Child) -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let total = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
    };
    let before = total();
    child.wait().unwrap();
    total() - before
}

#[test]
fn coming_and_going_is_told_within_200_ms() {
    let Some(group) = OwnGroup::make("notify") else {
        return;
    };
    let mut watcher = Watcher::at(group.folder(), Instant::now()).unwrap();
    let mut changes = Vec::new();
    watcher.changes(Instant::now(), &mut changes).unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    let mut await_one = |watcher: &mut Watcher| {
        let start = Instant::now();
        changes.clear();
        while changes.is_empty() {
            let mut fds = [PollFd::new(watcher.fd().unwrap(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(1_000_u16)).unwrap();
            watcher.changes(Instant::now(), &mut changes).unwrap();
            assert!(
                start.elapsed() < Duration::from_millis(200),
                "{:?}",
                start.elapsed()
            );
        }
        changes[0].clone()
    };
    let job = group.child("a \"job\"");
    let Change::Appeared { path, id } = await_one(&mut watcher) else {
        panic!()
    };
    assert_eq!(path.as_bytes(), b"/a \"job\"");
    drop(job);
    assert_eq!(await_one(&mut watcher), Change::Vanished { path, id });
    let again = group.child("a \"job\"");
    let Change::Appeared { id: second, .. } = await_one(&mut watcher) else {
        panic!()
    };
    assert_ne!(id, second, "made anew");
    drop(again);
}

#[test]
fn a_removed_group_is_gone_for_its_kept_files() {
    let Some(group) = OwnGroup::make("gone") else {
        return;
    };
    let job = group.child("job");
    let mut engine = engine();
    let path = group.path().child("job".as_ref()).unwrap();
    let slot = engine.open(&path, want(&[Stat::CpuTotal, Stat::IoSome])).unwrap();
    let mut reading = Reading::default();
    engine.read(&slot, &mut reading).unwrap();
    drop(job);
    let _anew = group.child("job");
    let error = engine.read(&slot, &mut reading).unwrap_err();
    assert!(matches!(error, ReadError::Gone { .. }), "{error}");
    engine.close(slot);
    assert_eq!(engine.kept_files(), 0);
}

#[test]
fn five_seconds_of_churn_lose_no_lasting_group_and_no_descriptor() {
    let Some(group) = OwnGroup::make("churn") else {
        return;
    };
    let now = Instant::now;
    let mut watcher = Watcher::at(group.folder(), now()).unwrap();
    let mut engine = engine();
    let mut changes = Vec::new();
    watcher.changes(now(), &mut changes).unwrap();
    changes.clear();
    let mut slots = std::collections::HashMap::new();
    let (mut lasting, mut made) = (Vec::new(), 0_u32);
    let mut reading = Reading::default();
    let start = now();
    while start.elapsed() < Duration::from_secs(5) {
        // 10 groups each 20 ms: 500 per second; now and then one stays.
        for _ in 0..10 {
            let child = group.child(&format!("g{made}"));
            if made.is_multiple_of(50) {
                lasting.push((
                    CgroupPath::root().child(format!("g{made}").as_ref()).unwrap(),
                    child,
                ));
            }
            made += 1;
        }
        watcher.changes(now(), &mut changes).unwrap();
        for change in changes.drain(..) {
            match change {
                Change::Appeared { path, .. } => {
                    let full =
                        CgroupPath::from_bytes(&[group.path().as_bytes(), path.as_bytes()].concat()).unwrap();
                    if let Ok(slot) = engine.open(&full, want(&[Stat::CpuTotal])) {
                        slots.insert(path, slot);
                    }
                }
                Change::EventsChanged { .. } => panic!("no process ever entered a group"),
                Change::Vanished { path, .. } => {
                    if let Some(slot) = slots.remove(&path) {
                        engine.close(slot);
                    }
                }
            }
        }
        for slot in slots.values() {
            let _ = engine.read(slot, &mut reading);
        }
        let due = Duration::from_millis(u64::from(made) * 2);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    watcher.changes(now(), &mut changes).unwrap();
    let known: HashSet<_> = slots.keys().collect();
    assert!(made >= 2_400, "only {made} groups were made");
    assert!(lasting.iter().all(|(path, _)| known.contains(path)));
    assert_eq!(watcher.known().len(), lasting.len() + 1);
    // One of the directory and one of `cgroup.events`.
    assert_eq!(watcher.watches(), 2 * (lasting.len() + 1));
    assert_eq!((engine.kept_files(), slots.len()), (lasting.len(), lasting.len()));
}

/// This test as a program of its own, with few descriptors.
#[test]
fn a_low_limit_of_descriptors_is_raised_and_then_lived_with() {
    let Some(_group) = OwnGroup::make("limit") else {
        return;
    };
    let _only = OnlyChild::wait();
    let script = "ulimit -S -n 128; ulimit -H -n 256; exec \"$0\" --exact child_with_256_descriptors --ignored --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by `a_low_limit_of_descriptors_is_raised_and_then_lived_with` in a process of its own"]
fn child_with_256_descriptors() {
    let Some(group) = OwnGroup::make("limited") else {
        return;
    };
    let children: Vec<_> = (0..300)
        .map(|number| group.child(&format!("g{number}")))
        .collect();
    let mut engine = engine();
    let mut slots = Vec::new();
    let mut reading = Reading::default();
    let mut read_all = |engine: &mut FileEngine, slots: &[alumet_reader_cgroupfs::engine::SlotId]| {
        for slot in slots {
            engine.read(slot, &mut reading).unwrap();
            assert!(reading.get(Stat::CpuTotal).is_some() && reading.get(Stat::IoSome).is_some());
        }
    };
    for number in 0..children.len() {
        let path = group.path().child(format!("g{number}").as_ref()).unwrap();
        slots.push(engine.open(&path, want(&[Stat::CpuTotal, Stat::IoSome])).unwrap());
    }
    assert_eq!(
        (getrlimit(Resource::RLIMIT_NOFILE), engine.kept_files()),
        (Ok((256, 256)), 192)
    );
    read_all(&mut engine, &slots);
    // Others take what is left: the engine makes room.
    let mut hogs = Vec::new();
    while let Ok(hog) = fs::File::open("/dev/null") {
        hogs.push(hog);
    }
    read_all(&mut engine, &slots);
    assert!(engine.kept_files() < 192, "{}", engine.kept_files());
    assert!(
        fs::File::open(Path::new("/dev/null")).is_ok(),
        "a reserve was freed"
    );
    for slot in slots {
        engine.close(slot);
    }
    assert_eq!(engine.kept_files(), 0);
}

#[test]
fn that_a_group_fills_and_empties_is_told() {
    let Some(group) = OwnGroup::make("events") else {
        return;
    };
    let mut watcher = Watcher::at(group.folder(), Instant::now()).unwrap();
    let mut changes = Vec::new();
    watcher.changes(Instant::now(), &mut changes).unwrap();
    let job = group.child("job");
    watcher.changes(Instant::now(), &mut changes).unwrap();
    let appeared = changes.iter().find_map(|change| match change {
        Change::Appeared { path, id } if path.as_bytes() == b"/job" => Some(*id),
        _ => None,
    });
    let mut await_event = || {
        for _ in 0..200 {
            changes.clear();
            watcher.changes(Instant::now(), &mut changes).unwrap();
            let is_it =
                |change: &Change| matches!(change, Change::EventsChanged { id } if Some(*id) == appeared);
            if changes.iter().any(is_it) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    };
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(group.folder().join("job/cgroup.procs"), child.id().to_string()).unwrap();
    assert!(await_event(), "it fills");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(await_event(), "it empties");
    drop(job);
}
