//! Processes that other plugins announce.

use crate::machine::{BASE, Fake, LATE, Machine, TICK_NS, cpu_ns, put, root};

#[test]
fn an_announced_process_is_measured_at_the_next_poll_and_until_it_ends() {
    for (config, source) in [
        ("strategy = 'event'", "processes"),
        ("refresh_interval = '1h'", "processes"),
        (
            "refresh_interval = '1h'\ngroups = [{ pid = 5 }]",
            "processes-announced",
        ),
        ("groups = []", "processes"),
    ] {
        let mut machine = Machine::start(root(), config);
        machine.put(Fake {
            start: LATE,
            user: 3,
            ..BASE
        });
        machine.put(Fake { pid: 78, ..BASE });
        assert!(machine.poll(source).is_empty(), "{config}");
        machine.started(77);
        let samples = machine.poll(source);
        assert_eq!(cpu_ns(&samples, 77), Some(3 * TICK_NS), "{config}");
        assert_eq!(cpu_ns(&samples, 78), None);
        // Announced again: still one process.
        machine.started(77);
        machine.put(Fake {
            start: LATE,
            user: 4,
            ..BASE
        });
        assert_eq!(cpu_ns(&machine.poll(source), 77), Some(TICK_NS));
        machine.put(Fake {
            start: LATE,
            user: 9,
            ..BASE
        });
        machine.ended(77);
        assert_eq!(
            cpu_ns(&machine.poll(source), 77),
            Some(5 * TICK_NS),
            "the last reading, {config}"
        );
        assert!(machine.poll(source).is_empty(), "{config}");
    }
}

#[test]
fn a_process_that_was_announced_to_have_ended_is_not_found_again_by_a_scan() {
    let root = root();
    put(&root, BASE);
    let mut machine = Machine::start(root, "");
    assert!(!machine.poll("processes").is_empty());
    machine.ended(77);
    assert!(!machine.poll("processes").is_empty());
    assert!(machine.poll("processes").is_empty());
    // Another one with its number is found.
    machine.put(Fake { start: 20, ..BASE });
    assert!(!machine.poll("processes").is_empty());
}

#[test]
fn an_announced_process_that_is_older_than_the_plugin_gets_a_baseline() {
    let mut machine = Machine::start(root(), "strategy = 'event'");
    machine.put(Fake { user: 3, ..BASE });
    machine.started(77);
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(0));
    machine.put(Fake { user: 4, ..BASE });
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(TICK_NS));
}

#[test]
fn an_announced_process_that_cannot_be_read_yet_is_tried_again() {
    let mut machine = Machine::start(root(), "strategy = 'event'");
    machine.root.write("proc/77/stat", "torn");
    machine.started(77);
    assert!(machine.poll("processes").is_empty());
    machine.put(Fake {
        start: LATE,
        user: 3,
        ..BASE
    });
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(3 * TICK_NS));
}

#[test]
fn an_announced_number_that_was_reused_is_the_new_process() {
    let mut machine = Machine::start(root(), "strategy = 'event'");
    machine.put(Fake {
        start: LATE,
        user: 3,
        ..BASE
    });
    machine.started(77);
    machine.poll("processes");
    machine.put(Fake {
        start: LATE + 1,
        user: 1,
        ..BASE
    });
    machine.started(77);
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(TICK_NS));
    machine.put(Fake {
        start: LATE + 1,
        user: 2,
        ..BASE
    });
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(TICK_NS));
}

#[test]
fn lost_announcements_make_the_watcher_scan() {
    let mut machine = Machine::start(root(), "refresh_interval = '1h'");
    machine.poll("processes");
    machine.put(BASE);
    for _ in 0..3000 {
        machine.started(4711);
    }
    assert!(!machine.poll("processes").is_empty());
}
