//! What a process is billed.

use std::time::Duration;

use alumet_core::testkit::{Bench, ManualClock, assert_lines};
use alumet_plugin_procfs::{Config, ProcfsPlugin};

use crate::machine::{BASE, Fake, Machine, TICK_NS, cpu_ns, of, put, root};

#[test]
fn a_process_that_was_there_first_gets_a_baseline_and_then_what_it_uses() {
    let root = root();
    put(&root, Fake { user: 900, ..BASE });
    let mut machine = Machine::start(root, "");
    assert_lines(
        machine.poll("processes"),
        [
            "cpu_time_delta local_machine process:77 {kind=user, name=app} = 0",
            "cpu_time_delta local_machine process:77 {kind=system, name=app} = 0",
            "cpu_time_delta local_machine process:77 {kind=guest, name=app} = 0",
            "memory_usage local_machine process:77 {kind=resident, name=app} = 40960",
            "memory_usage local_machine process:77 {kind=shared, name=app} = 20480",
            "memory_usage local_machine process:77 {kind=virtual, name=app} = 409600",
        ],
    );
    machine.put(Fake {
        user: 930,
        system: 10,
        ..BASE
    });
    let samples = machine.poll("processes");
    assert_eq!(cpu_ns(&samples, 77), Some(40 * TICK_NS));
    // 400 ms of two seconds on four CPUs.
    assert_eq!(
        of(&samples, "cpu_percent").last().unwrap(),
        "77 {kind=total, name=app} = 5"
    );
    assert_eq!(samples.len(), 9);
    // It did not run: everything is told nevertheless.
    let samples = machine.poll("processes");
    assert_eq!((samples.len(), cpu_ns(&samples, 77)), (9, Some(0)));
}

#[test]
fn a_process_born_since_the_last_scan_is_billed_from_its_birth() {
    let mut machine = Machine::start(root(), "");
    machine.poll("processes");
    machine.put(Fake { user: 50, ..BASE });
    let samples = machine.poll("processes");
    assert_eq!(cpu_ns(&samples, 77), Some(50 * TICK_NS));
    assert_eq!(
        of(&samples, "cpu_percent").last().unwrap(),
        "77 {kind=total, name=app} = 6.25"
    );
}

#[test]
fn series_of_a_process_begin_with_a_0_at_its_birth() {
    let mut machine = Machine::start(root(), "groups = [{ io = true, metrics = ['cpu_time'] }]");
    machine.poll("processes");
    machine.put(Fake { user: 50, ..BASE });
    machine
        .root
        .write("proc/77/io", "read_bytes: 64\nwrite_bytes: 0\n");
    let samples = machine.poll("processes");
    let of = |kind: &str| -> Vec<(i64, f64)> {
        let of_kind = samples
            .iter()
            .filter(|sample| sample.series.attributes().to_string().contains(kind));
        let first = samples[0].timestamp;
        of_kind
            .map(|sample| {
                let after = sample.timestamp.checked_since(first).unwrap();
                (after.as_secs() as i64, sample.value.as_f64())
            })
            .collect()
    };
    // Nobody had seen it at the scan two seconds ago.
    assert_eq!(of("user"), [(0, 0.0), (2, (50 * TICK_NS) as f64)]);
    assert_eq!(of("read"), [(0, 0.0), (2, 64.0)]);
}

#[test]
fn a_process_that_has_ended_has_no_memory_instead_of_one_of_0_bytes() {
    let root = root();
    put(&root, BASE);
    let mut machine = Machine::start(root, "groups = [{ metrics = ['memory'] }]");
    assert_eq!(machine.poll("processes").len(), 3);
    machine.put(Fake { user: 1, ..BASE });
    let stat = machine.root.path().join("proc/77/stat");
    let ended = std::fs::read_to_string(&stat).unwrap().replace(") S", ") Z");
    std::fs::write(stat, ended).unwrap();
    machine.root.write("proc/77/statm", "0 0 0 0 0 0 0\n");
    assert!(machine.poll("processes").is_empty());
}

#[test]
fn a_percentage_can_be_relative_to_one_cpu() {
    let mut machine = Machine::start(root(), "cpu_percent_base = 'core'");
    machine.poll("processes");
    machine.put(Fake { user: 50, ..BASE });
    let samples = machine.poll("processes");
    assert_eq!(
        of(&samples, "cpu_percent").last().unwrap(),
        "77 {kind=total, name=app} = 25"
    );
    machine.put(Fake { user: 5000, ..BASE });
    let samples = machine.poll("processes");
    assert_eq!(
        of(&samples, "cpu_percent").last().unwrap(),
        "77 {kind=total, name=app} = 400"
    );
}

#[test]
fn a_number_that_is_given_to_another_process_is_another_process() {
    let root = root();
    put(&root, Fake { user: 900, ..BASE });
    let mut machine = Machine::start(root, "");
    machine.poll("processes");
    machine.put(Fake {
        start: 20,
        user: 903,
        ..BASE
    });
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), None);
    // Born after the last reading of its predecessor: all of it is billed, over the time since then.
    let samples = machine.poll("processes");
    assert_eq!(cpu_ns(&samples, 77), Some(903 * TICK_NS));
}

#[test]
fn a_pause_is_not_billed_to_old_or_new_processes() {
    let root = root();
    put(&root, BASE);
    let mut machine = Machine::start(root, "refresh_interval = '1h'");
    machine.poll("processes");
    machine.bench.reset("processes");
    machine.put(Fake { user: 500, ..BASE });
    machine.put(Fake {
        pid: 78,
        user: 500,
        ..BASE
    });
    let samples = machine.poll("processes");
    // The series begin again.
    assert_eq!((cpu_ns(&samples, 77), cpu_ns(&samples, 78)), (Some(0), Some(0)));
    assert_eq!(of(&samples, "memory_usage").len(), 6);
    machine.put(Fake { user: 501, ..BASE });
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(TICK_NS));
}

#[test]
fn a_wall_clock_set_back_changes_only_timestamps() {
    let root = root();
    put(&root, BASE);
    let mut machine = Machine::start(root, "");
    machine.poll("processes");
    machine.put(Fake { user: 40, ..BASE });
    let wall = ManualClock::START.saturating_sub(Duration::from_secs(3600));
    machine.bench.clock().set_wall(wall);
    let samples = machine.poll("processes");
    assert_eq!(
        of(&samples, "cpu_percent").last().unwrap(),
        "77 {kind=total, name=app} = 5"
    );
    assert!(samples.iter().all(|sample| sample.timestamp == wall));
}

#[test]
fn io_is_billed_and_given_up_where_it_is_refused() {
    let root = root();
    let io =
        |read: u32, written: u32| format!("rchar: 1\nwchar: 2\nread_bytes: {read}\nwrite_bytes: {written}\n");
    put(&root, BASE);
    put(&root, Fake { pid: 78, ..BASE });
    root.write("proc/77/io", io(100, 200));
    let mut machine = Machine::start(root, "groups = [{ io = true, metrics = [] }]");
    let begin = |direction| {
        format!("process_io_bytes local_machine process:77 {{direction={direction}, name=app}} = 0")
    };
    assert_lines(machine.poll("processes"), [begin("read"), begin("write")]);
    assert_eq!(
        machine.bench.catalog().live_series() - machine_series(&machine),
        2
    );
    machine.root.write("proc/77/io", io(164, 200));
    assert_lines(
        machine.poll("processes"),
        [
            "process_io_bytes local_machine process:77 {direction=read, name=app} = 64",
            "process_io_bytes local_machine process:77 {direction=write, name=app} = 0",
        ],
    );
}

/// The series of a machine without processes: those of `kernel` and `processes` on the same root.
fn machine_series(machine: &Machine) -> usize {
    let config: Config = toml::from_str("processes.enabled = false").unwrap();
    let bench = Bench::start::<ProcfsPlugin>(config, machine.root.path()).unwrap();
    bench.catalog().live_series()
}

#[test]
fn the_proportional_size_is_read_when_accuracy_is_asked_for() {
    let root = root();
    put(&root, BASE);
    put(&root, Fake { pid: 78, ..BASE });
    root.write(
        "proc/77/smaps_rollup",
        "5-7 ---p 0 00:00 0 [rollup]\nRss: 44 kB\nPss: 30 kB\n",
    )
    .write("proc/78/smaps_rollup", "");
    let groups = "groups = [{ memory_mode = 'slow_but_accurate', metrics = ['memory'], pid = 77 }]";
    let mut machine = Machine::start(root, groups);
    assert_lines(
        machine.poll("processes"),
        [
            "memory_usage local_machine process:77 {kind=proportional, name=app} = 30720",
            "memory_usage local_machine process:77 {kind=resident, name=app} = 45056",
            "memory_usage local_machine process:77 {kind=shared, name=app} = 20480",
            "memory_usage local_machine process:77 {kind=virtual, name=app} = 409600",
        ],
    );
}

#[test]
fn time_of_a_guest_is_told_apart() {
    let root = root();
    put(&root, BASE);
    let mut machine = Machine::start(root, "");
    machine.poll("processes");
    machine.put(Fake {
        user: 8,
        guest: 6,
        ..BASE
    });
    let samples = machine.poll("processes");
    assert_eq!(
        of(&samples, "cpu_time_delta"),
        [
            format!("77 {{kind=user, name=app}} = {}", 8 * TICK_NS),
            "77 {kind=system, name=app} = 0".to_owned(),
            format!("77 {{kind=guest, name=app}} = {}", 6 * TICK_NS),
        ]
    );
}
