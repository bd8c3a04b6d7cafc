//! Which group has a process, and when it is looked at.

use std::time::Duration;

use crate::machine::{BASE, Fake, Machine, TICK_NS, cpu_ns, of, put, root};

#[test]
fn the_first_group_that_matches_has_the_process() {
    let groups = "groups = [
        { exe_regex = '^/usr/bin/first$' },
        { ppid = 5, poll_interval = '1s' },
        { cmdline_regex = '--flag', metrics = ['cpu_time'] },
        { pid = 90 },
    ]";
    let root = root();
    root.link("proc/70/exe", "/usr/bin/first (deleted)");
    put(
        &root,
        Fake {
            pid: 70,
            parent: 5,
            ..BASE
        },
    );
    put(
        &root,
        Fake {
            pid: 71,
            parent: 5,
            ..BASE
        },
    );
    put(&root, Fake { pid: 72, ..BASE });
    put(&root, Fake { pid: 90, ..BASE });
    root.write("proc/90/cmdline", "");
    put(&root, Fake { pid: 91, ..BASE });
    root.write("proc/91/cmdline", "");
    let mut machine = Machine::start(root, groups);
    let sources = [
        "processes",
        "processes-2",
        "processes-3",
        "processes-4",
        "processes-announced",
    ];
    assert_eq!(
        machine.bench.sources()[machine.bench.sources().len() - 5..],
        sources
    );
    assert_eq!(
        machine.bench.schedule("processes-2").interval,
        Some(Duration::from_secs(1))
    );
    for source in sources {
        machine.poll(source);
    }
    let found = sources.map(|source| {
        let mut pids: Vec<String> = machine
            .poll(source)
            .iter()
            .map(|sample| sample.series.consumer().id().into_owned())
            .collect();
        pids.dedup();
        pids.join(",")
    });
    assert_eq!(found, ["70", "71", "72", "90", ""]);
    let metrics = machine.poll("processes-3");
    assert!(
        metrics
            .iter()
            .all(|sample| sample.series.metric.name == "cpu_time_delta")
    );
}

#[test]
fn a_process_without_executable_is_found_by_the_empty_expression_only() {
    for (groups, found) in [
        ("groups = [{ exe_regex = '' }]", 3),
        ("groups = [{ exe_regex = '.' }]", 0),
    ] {
        let root = root();
        put(
            &root,
            Fake {
                comm: "kthreadd",
                ..BASE
            },
        );
        let mut machine = Machine::start(root, groups);
        assert_eq!(machine.poll("processes").len(), found);
    }
}

#[test]
fn a_process_that_runs_another_program_is_compared_again() {
    let root = root();
    put(
        &root,
        Fake {
            comm: "sh",
            user: 5,
            ..BASE
        },
    );
    let mut machine = Machine::start(root, "groups = [{ cmdline_regex = '^worker' }]");
    assert!(machine.poll("processes").is_empty());
    machine.put(Fake {
        comm: "worker",
        user: 7,
        ..BASE
    });
    assert_eq!(machine.poll("processes").len(), 3);
    machine.put(Fake {
        comm: "worker",
        user: 9,
        ..BASE
    });
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(2 * TICK_NS));
}

#[test]
fn scans_are_no_more_frequent_than_asked_for() {
    let mut machine = Machine::start(root(), "refresh_interval = '6s'");
    machine.put(BASE);
    assert!(machine.poll("processes").is_empty());
    assert!(machine.poll("processes").is_empty());
    assert!(machine.poll("processes").is_empty());
    assert!(!machine.poll("processes").is_empty());
}

#[test]
fn attributes_tell_what_the_process_runs_now() {
    let root = root();
    put(&root, Fake { comm: "sh", ..BASE });
    let mut machine = Machine::start(
        root,
        "groups = [{ attributes = ['name', 'cmdline'], metrics = ['cpu_time'] }]",
    );
    machine.poll("processes");
    machine.put(Fake {
        comm: "app",
        user: 1,
        ..BASE
    });
    let before = of(&machine.poll("processes"), "cpu_time_delta");
    assert_eq!(
        before[0],
        format!("77 {{cmdline=sh --flag, kind=user, name=sh}} = {TICK_NS}")
    );
    let after = of(&machine.poll("processes"), "cpu_time_delta");
    assert_eq!(after[0], "77 {cmdline=app --flag, kind=user, name=app} = 0");
}
