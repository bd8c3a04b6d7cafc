//! Processes that work, end, hide and lend their numbers.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::fs;
use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alumet_reader_procfs::process::{ProcessStat, Processes};
use alumet_reader_procfs::{ReadError, SystemRoot};
use nix::time::{ClockId, clock_gettime};

const KEPT_FILES: [usize; 2] = [0, 8];

fn sleeper() -> Child {
    Command::new("sleep")
        .arg("60")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn is_gone<T: std::fmt::Debug>(result: Result<T, ReadError>, pid: u32) -> bool {
    matches!(result, Err(ReadError::Gone { path, .. }) if path.ends_with(pid.to_string()))
}

fn work(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        black_box((0..1_000_u64).map(black_box).sum::<u64>());
    }
}

#[test]
fn a_process_that_ends_between_two_reads_is_gone_for_every_file() {
    for kept in KEPT_FILES {
        let mut processes = Processes::open(&SystemRoot::default(), kept).unwrap();
        let child = sleeper();
        let pid = child.id();
        let mut followed = processes.follow(pid).unwrap();
        followed.split_cpu_time(&mut processes).unwrap();
        followed.statm(&mut processes).unwrap();
        end(child);

        assert!(is_gone(followed.cpu_ns(&mut processes), pid));
        assert!(is_gone(followed.split_cpu_time(&mut processes), pid));
        assert!(is_gone(followed.stat(&mut processes), pid));
        assert!(is_gone(followed.statm(&mut processes), pid));
        assert!(is_gone(processes.stat(pid, &mut ProcessStat::default()), pid));
        assert!(is_gone(processes.smaps_rollup(pid), pid));
        assert!(is_gone(processes.io(pid), pid));
        assert!(is_gone(processes.cmdline(pid), pid));
        assert!(is_gone(processes.exe(pid), pid));
        assert!(is_gone(processes.follow(pid), pid));
    }
}

#[test]
fn an_ended_process_that_was_not_waited_for_still_has_its_time_and_no_memory() {
    let mut processes = Processes::open(&SystemRoot::default(), 256).unwrap();
    let mut child = sleeper();
    let mut followed = processes.follow(child.id()).unwrap();
    let before = followed.cpu_ns(&mut processes).unwrap();
    child.kill().unwrap();
    while followed.stat(&mut processes).unwrap().state != b'Z' {
        std::thread::yield_now();
    }
    assert!(followed.cpu_ns(&mut processes).unwrap() >= before);
    assert_eq!(processes.smaps_rollup(child.id()).unwrap(), None);
    assert_eq!(processes.exe(child.id()).unwrap(), None);
    child.wait().unwrap();
}

#[test]
fn cpu_time_agrees_with_the_own_clock_and_the_parts_add_up() {
    let mut processes = Processes::open(&SystemRoot::default(), 256).unwrap();
    assert!(processes.has_clocks());
    let mut me = processes.follow(std::process::id()).unwrap();
    let own_clock = || {
        let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
        time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
    };
    for _ in 0..3 {
        let before = own_clock();
        let read = me.cpu_ns(&mut processes).unwrap();
        assert!(before <= read && read <= own_clock());
        work(Duration::from_millis(5));
    }
    let after = own_clock();

    let split = me.split_cpu_time(&mut processes).unwrap();
    assert!(split.total_ns() >= after);
    let ticks = me.last_stat().user_ticks + me.last_stat().system_ticks;
    let tick_ns = 1_000_000_000 / processes.ticks_per_second();
    assert!((ticks * tick_ns).abs_diff(split.total_ns()) < 100_000_000);
}

#[test]
fn a_kernel_thread_has_neither_executable_nor_memory_nor_command_line() {
    let mut processes = Processes::open(&SystemRoot::default(), 256).unwrap();
    let mut stat = ProcessStat::default();
    // In a container there are no kernel threads to look at.
    if processes.stat(2, &mut stat).is_err() || stat.comm != *"kthreadd" {
        return;
    }
    assert!(processes.cmdline(2).unwrap().is_empty());
    assert_eq!(processes.exe(2).unwrap(), None);
    assert!(matches!(
        processes.smaps_rollup(2),
        Ok(None) | Err(ReadError::PermissionDenied { .. })
    ));
    let mut thread = processes.follow(2).unwrap();
    assert_eq!(thread.statm(&mut processes).unwrap().resident, Some(0));
}

fn captured(start: u64, user: u64) -> String {
    format!("77 (app) S 1 1 1 0 -1 0 0 0 0 0 {user} 10 0 0 20 0 1 0 {start} 4096 1\n")
}

#[test]
fn a_number_that_was_given_to_another_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("proc/77")).unwrap();
    let file = folder.path().join("proc/77/stat");
    fs::write(&file, captured(500, 30)).unwrap();
    for kept in KEPT_FILES {
        fs::write(&file, captured(500, 30)).unwrap();
        let mut processes = Processes::open(&SystemRoot::at(folder.path()), kept).unwrap();
        assert!(!processes.has_clocks());
        let mut process = processes.follow(77).unwrap();
        assert_eq!(process.start_ticks(), 500);
        assert_eq!(process.cpu_ns(&mut processes).unwrap(), 400_000_000);
        let split = process.split_cpu_time(&mut processes).unwrap();
        assert_eq!((split.user_ns, split.system_ns), (300_000_000, 100_000_000));
        fs::write(&file, captured(501, 90)).unwrap();
        assert!(is_gone(process.cpu_ns(&mut processes), 77));
        assert!(is_gone(process.split_cpu_time(&mut processes), 77));
    }
}

#[test]
fn memory_is_the_same_whether_its_file_stays_open_or_not() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("proc/77")).unwrap();
    fs::write(folder.path().join("proc/77/stat"), captured(500, 30)).unwrap();
    for kept in KEPT_FILES {
        let mut processes = Processes::open(&SystemRoot::at(folder.path()), kept).unwrap();
        let mut process = processes.follow(77).unwrap();
        for pages in [3, 7] {
            fs::write(
                folder.path().join("proc/77/statm"),
                format!("9 {pages} 2 1 0 1 0\n"),
            )
            .unwrap();
            let memory = process.statm(&mut processes).unwrap();
            assert_eq!(memory.resident, Some(pages * alumet_reader_procfs::page_size()));
        }
    }
}

#[test]
fn without_clocks_cpu_time_never_goes_backwards() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("proc/77")).unwrap();
    let file = folder.path().join("proc/77/stat");
    fs::write(&file, captured(500, 30)).unwrap();
    let mut processes = Processes::open(&SystemRoot::at(folder.path()), 0).unwrap();
    let mut process = processes.follow(77).unwrap();
    let before = process.split_cpu_time(&mut processes).unwrap();
    fs::write(&file, captured(500, 20)).unwrap();
    assert_eq!(process.cpu_ns(&mut processes).unwrap(), before.total_ns());
    assert_eq!(process.split_cpu_time(&mut processes).unwrap(), before);
}

#[test]
fn kept_files_are_bounded_and_given_back() {
    let open_files = || {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .filter(|target| target.to_string_lossy().ends_with("/stat") && target.starts_with("/proc/1/"))
            .count()
    };
    let mut processes = Processes::open(&SystemRoot::default(), 2).unwrap();
    let followed: Vec<_> = (0..5).map(|_| processes.follow(1).unwrap()).collect();
    assert_eq!(open_files(), 2);
    drop(followed);
    assert_eq!(open_files(), 0);
}

#[test]
fn a_process_without_io_accounting_is_not_mistaken_for_an_ended_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("proc/77")).unwrap();
    let mut processes = Processes::open(&SystemRoot::at(folder.path()), 256).unwrap();
    assert!(matches!(processes.io(77), Err(ReadError::NotSupported { .. })));
    assert!(is_gone(processes.io(78), 78));
}

#[test]
fn what_this_user_may_not_see_is_refused_but_not_fatal() {
    let refused =
        fs::read("/proc/1/io").is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    // Root may see everything.
    if !refused {
        return;
    }
    let mut processes = Processes::open(&SystemRoot::default(), 256).unwrap();
    assert!(matches!(processes.io(1), Err(ReadError::PermissionDenied { .. })));
    assert!(matches!(
        processes.smaps_rollup(1),
        Err(ReadError::PermissionDenied { .. })
    ));
    assert_eq!(processes.exe(1).unwrap(), None);
    processes
        .follow(1)
        .unwrap()
        .split_cpu_time(&mut processes)
        .unwrap();
}
