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
        ("groups = [{ exe_regex = '' }]", 6),
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
fn a_process_whose_first_thread_has_ended_is_found_by_its_executable() {
    let root = root();
    put(&root, BASE);
    root.link("proc/77/task/78/exe", "/usr/bin/app")
        .write("proc/77/task/77/stat", "");
    let mut machine = Machine::start(
        root,
        "groups = [{ exe_regex = 'bin/app$', metrics = ['memory'] }]",
    );
    assert_eq!(machine.poll("processes").len(), 3);
}

#[test]
fn a_process_whose_command_line_cannot_be_read_yet_is_compared_again() {
    let root = root();
    root.write("proc/77/cmdline/x", "");
    let stat = "77 (app) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 10 4096 1\n";
    root.write("proc/77/stat", stat);
    let mut machine = Machine::start(root, "groups = [{ cmdline_regex = '^app' }]");
    assert!(machine.poll("processes").is_empty());
    machine.root.remove("proc/77/cmdline");
    machine.put(BASE);
    assert!(!machine.poll("processes").is_empty());
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
    assert_eq!(machine.poll("processes").len(), 6);
    machine.put(Fake {
        comm: "worker",
        user: 9,
        ..BASE
    });
    assert_eq!(cpu_ns(&machine.poll("processes"), 77), Some(2 * TICK_NS));
}

#[test]
fn a_process_that_runs_another_program_of_the_same_name_is_compared_again() {
    let root = root();
    put(&root, BASE);
    root.write("proc/77/cmdline", "python3\0first.py\0");
    let mut machine = Machine::start(root, "groups = [{ cmdline_regex = 'second' }]");
    assert!(machine.poll("processes").is_empty());
    machine.put(Fake {
        stack: BASE.stack + 16,
        ..BASE
    });
    machine.root.write("proc/77/cmdline", "python3\0second.py\0");
    assert!(!machine.poll("processes").is_empty());
}

#[test]
fn many_groups_keep_no_more_files_open_than_a_few() {
    let root = root();
    for pid in 1000..2200 {
        put(
            &root,
            Fake {
                pid,
                parent: pid / 300,
                ..BASE
            },
        );
    }
    let groups: Vec<String> = (3..8)
        .map(|parent| format!("{{ ppid = {parent}, metrics = ['memory'] }}"))
        .collect();
    let mut machine = Machine::start(root, &format!("groups = [{}]", groups.join(", ")));
    let mut measured = 0;
    for source in 1..=5 {
        let source = match source {
            1 => "processes".to_owned(),
            other => format!("processes-{other}"),
        };
        measured += machine.poll(&source).len();
    }
    assert_eq!(measured, 1200 * 3);
    let folder = machine.root.path().join("proc");
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|file| file.starts_with(&folder)));
    assert!(open.count() <= 700);
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
fn a_process_is_found_by_its_group_from_its_next_program_on() {
    let root = root();
    put(&root, Fake { comm: "runc", ..BASE });
    root.write("proc/77/cgroup", "0::/system.slice/containerd.service\n");
    let mut machine = Machine::start(root, "groups = [{ metrics = ['cpu_time'] }]");
    machine.poll("processes");
    machine.put(Fake {
        comm: "app",
        user: 1,
        ..BASE
    });
    machine
        .root
        .write("proc/77/cgroup", "0::/kubepods.slice/pod.slice\n");
    let before = of(&machine.poll("processes"), "cpu_time_delta");
    let group = "/system.slice/containerd.service";
    assert_eq!(
        before[0],
        format!("77 {{cgroup={group}, kind=user, name=runc}} = {TICK_NS}")
    );
    let after = of(&machine.poll("processes"), "cpu_time_delta");
    assert_eq!(
        after[0],
        "77 {cgroup=/kubepods.slice/pod.slice, kind=user, name=app} = 0"
    );
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
    // Another program of the same name.
    machine.put(Fake {
        comm: "app",
        user: 2,
        stack: BASE.stack + 16,
        ..BASE
    });
    machine.root.write("proc/77/cmdline", "app\0--other\0");
    machine.poll("processes");
    let after = of(&machine.poll("processes"), "cpu_time_delta");
    assert_eq!(after[0], "77 {cmdline=app --other, kind=user, name=app} = 0");
}
