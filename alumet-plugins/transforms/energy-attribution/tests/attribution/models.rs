//! The built-in models, by hand.

use alumet_core::series::SeriesHandle;
use alumet_core::testkit::assert_lines;
use alumet_core::{Consumer, Resource};
use alumet_plugin_energy_attribution::Config;

use crate::stage::{self, ESTIMATED, INSTRUCTIONS, RAPL, Stage, process};

/// A tenth of a CPU second, in nanoseconds.
const TENTH: f64 = 1e8;
/// A model whose rest does not matter.
const SHARE: &str = r#"
    [models.joules]
    model = "share"
    energy = [{ metric = "rapl_consumed_energy", domain = ["package", "dram"] }]
    usage = [{ metric = "cpu_time_delta", kind = ["user", "system", "total"] }]
    machine = [{ metric = "kernel_cpu_time", cpu_state = "user" }]
"#;

#[test]
fn energy_is_shared_by_cpu_time_and_what_nobody_used_is_told_apart() {
    let mut stage = Stage::new(Config::default());
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let (one, two) = (stage.process(1), stage.process(2));
    let begin = [(&package, 0.0), (&busy, 0.0), (&one, 0.0), (&two, 0.0)];
    stage.samples("all", 0, begin);
    assert_lines(stage.lines(), [] as [&str; 0]);
    // A second of one CPU was used, of which two processes tell.
    let used = [(&busy, 1000.0), (&one, 2.0 * TENTH), (&two, 5.0 * TENTH)];
    stage.samples("all", 1000, used.into_iter().chain([(&package, 30.0)]));
    assert_lines(
        stage.lines(),
        [
            "1000: attributed_energy local_machine {consumers=process, part=unattributed} 9",
            "1000: attributed_energy process:1 {} 6",
            "1000: attributed_energy process:2 {} 15",
        ],
    );
    assert_eq!(stage::all().len(), 14);
}

#[test]
fn the_program_of_exec_has_its_part_of_the_machine() {
    let mut stage = Stage::new(Config::default());
    let (package, dram, busy) = (stage.package(0), stage.dram(0), stage.kernel("system"));
    let tree = |stage: &Stage, kind| {
        let (machine, process) = (Resource::LocalMachine, process(7));
        stage.series(&stage::TREE_TIME, &machine, &process, &[("kind", kind)])
    };
    let (user, system) = (tree(&stage, "user"), tree(&stage, "system"));
    for at in [0, 1000] {
        let part = at as f64 / 1000.0;
        let usage = [
            (&busy, 2000.0 * part),
            (&user, 4.0 * TENTH * part),
            (&system, TENTH * part),
        ];
        let energy = [(&package, 30.0 * part), (&dram, 10.0 * part)];
        stage.samples("all", at, usage.into_iter().chain(energy));
    }
    assert_lines(
        stage.lines(),
        [
            "1000: process_tree_energy local_machine {consumers=process, part=unattributed} 30",
            "1000: process_tree_energy process:7 {} 10",
        ],
    );
}

#[test]
fn a_group_has_what_those_below_it_used_and_only_the_outermost_count() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let groups = ["/a", "/a/b", "/ab", "/c/d"].map(|path| stage.group(path));
    let process = stage.process(1);
    for (at, energy) in [(0, 0.0), (1000, 100.0)] {
        let used = groups
            .iter()
            .zip([4.0, 3.0, 1.0, 2.0])
            .map(|(group, used)| (group, used * TENTH));
        let others = [(&process, 5.0 * TENTH), (&busy, 1000.0), (&package, energy)];
        stage.samples("all", at, used.chain(others));
    }
    assert_lines(
        stage.lines(),
        [
            "1000: joules cgroup:/a {} 40",
            "1000: joules cgroup:/a/b {} 30",
            "1000: joules cgroup:/ab {} 10",
            "1000: joules cgroup:/c/d {} 20",
            // Both kinds of consumers share all of it.
            "1000: joules local_machine {consumers=cgroup, part=unattributed} 30",
            "1000: joules local_machine {consumers=process, part=unattributed} 50",
            "1000: joules process:1 {} 50",
        ],
    );
    // With the inner one left, it is the outermost.
    let [_, inner, ..] = &groups;
    stage.samples(
        "all",
        2000,
        [(inner, 3.0 * TENTH), (&busy, 1000.0), (&package, 100.0)],
    );
    assert!(
        stage
            .lines()
            .contains(&"2000: joules cgroup:/a/b {} 30".to_owned())
    );
}

#[test]
fn a_process_that_has_moved_to_another_group_has_the_joules_of_each_under_its_path() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let within = |stage: &Stage, group: &str| {
        let attributes = [("kind", "user"), ("cgroup", group)];
        stage.series(
            &stage::CPU_TIME,
            &Resource::LocalMachine,
            &process(1),
            &attributes,
        )
    };
    let before = within(&stage, "/a");
    for (at, energy) in [(0, 0.0), (1000, 10.0)] {
        let samples = [(&before, 5.0 * TENTH), (&busy, 500.0), (&package, energy)];
        stage.samples("all", at, samples);
    }
    // As `procfs` says it: the last use of the one, from when on the other counts, and then no handle of the one any more.
    let after = within(&stage, "/b");
    let samples = [(&before, 5.0 * TENTH), (&after, 0.0), (&busy, 500.0)];
    stage.samples("all", 2000, samples);
    drop(before);
    stage.tick();
    stage.samples(
        "all",
        3000,
        [(&after, 5.0 * TENTH), (&busy, 500.0), (&package, 20.0)],
    );
    assert_lines(
        stage.lines(),
        [
            "1000: joules process:1 {cgroup=/a} 10",
            "3000: joules process:1 {cgroup=/b} 20",
        ],
    );
}

#[test]
fn consumers_never_get_more_than_there_is() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let (one, two) = (stage.process(1), stage.process(2));
    // The kernel counts the time of the machine in ticks.
    for (at, energy) in [(0, 0.0), (1000, 30.0)] {
        stage.samples(
            "all",
            at,
            [(&package, energy), (&busy, 10.0), (&one, 1e7), (&two, 2e7)],
        );
    }
    assert_lines(
        stage.lines(),
        ["1000: joules process:1 {} 10", "1000: joules process:2 {} 20"],
    );
}

#[test]
fn who_ended_within_the_interval_gets_its_part_though_its_series_is_gone() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let (stays, ends) = (stage.process(1), stage.process(2));
    stage.samples("energy", 0, [(&package, 0.0)]);
    stage.samples("usage", 0, [(&busy, 0.0), (&stays, 0.0), (&ends, 0.0)]);
    stage.samples("usage", 250, [(&busy, 250.0), (&stays, TENTH), (&ends, TENTH)]);
    drop(ends);
    for at in [500, 750, 1000] {
        stage.samples("usage", at, [(&busy, 250.0), (&stays, TENTH)]);
    }
    stage.samples("energy", 1000, [(&package, 100.0)]);
    let parts = [
        "1000: joules local_machine {consumers=process, part=unattributed} 50",
        "1000: joules process:1 {} 40",
        "1000: joules process:2 {} 10",
    ];
    assert_lines(stage.lines(), parts);
    for at in [2000, 3000, 4000] {
        stage.samples("usage", at, [(&busy, 1000.0), (&stays, 10.0 * TENTH)]);
        stage.samples("energy", at, [(&package, 100.0)]);
    }
    assert_lines(
        stage.lines(),
        [2000, 3000, 4000].map(|at| format!("{at}: joules process:1 {{}} 100")),
    );
    // Energy, the machine, one process, and two results.
    assert_eq!(stage.bench.catalog().live_series(), 5);
}

#[test]
fn energy_waits_for_the_usage_of_its_time() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy, one) = (stage.package(0), stage.kernel("user"), stage.process(1));
    stage.samples("energy", 0, [(&package, 0.0)]);
    stage.samples("usage", 0, [(&busy, 0.0), (&one, 0.0)]);
    stage.samples("energy", 1000, [(&package, 10.0)]);
    stage.samples("energy", 2000, [(&package, 20.0)]);
    stage.samples("usage", 900, [(&busy, 900.0), (&one, 9.0 * TENTH)]);
    assert_lines(stage.lines(), [] as [&str; 0]);
    // Spread evenly, half of it was used before the end of the first interval.
    stage.samples("usage", 1100, [(&busy, 200.0), (&one, TENTH)]);
    assert_lines(
        stage.lines(),
        [
            "1000: joules local_machine {consumers=process, part=unattributed} 0.5",
            "1000: joules process:1 {} 9.5",
        ],
    );
    stage.finish();
    let rest = "2000: joules local_machine {consumers=process, part=unattributed} 10";
    assert_lines(stage.lines(), [rest, "2000: joules process:1 {} 10"]);
}

#[test]
fn energy_waits_no_longer_than_twice_the_time_between_batches_and_what_comes_later_counts_later() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy, one) = (stage.package(0), stage.kernel("user"), stage.process(1));
    stage.samples("energy", 0, [(&package, 0.0)]);
    // A source is not known in its first seconds.
    for at in (0..=20_000).step_by(2000) {
        stage.samples("usage", at, [(&busy, 0.0), (&one, 0.0)]);
    }
    stage.at(23_000);
    stage.samples("energy", 23_000, [(&package, 10.0)]);
    stage.at(26_999);
    stage.tick();
    assert_lines(stage.lines(), [] as [&str; 0]);
    stage.at(27_000);
    stage.tick();
    assert_lines(
        stage.lines(),
        ["23000: joules local_machine {consumers=process, part=unattributed} 10"],
    );
    assert_eq!(stage.bench.wake_at(), None);
    // The stream is not waited for again, until it comes again.
    stage.samples("energy", 24_000, [(&package, 10.0)]);
    assert_eq!(stage.lines().len(), 1);
    stage.samples("usage", 24_000, [(&busy, 2000.0), (&one, 20.0 * TENTH)]);
    stage.samples("energy", 25_000, [(&package, 10.0)]);
    assert_lines(stage.lines(), [] as [&str; 0]);
    stage.samples("usage", 25_000, [(&busy, 1000.0), (&one, 10.0 * TENTH)]);
    assert_lines(stage.lines(), ["25000: joules process:1 {} 10"]);
    assert!(stage.explain(&process(1)).contains("came too late"));
}

#[test]
fn energy_that_is_read_just_after_its_tick_does_not_wait_for_the_next() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy, one) = (stage.package(0), stage.kernel("user"), stage.process(1));
    for (at, part) in [(0, 0.0), (1_000_000_000, 1.0), (2_000_000_000, 1.0)] {
        let usage = [(&busy, at, 1000.0 * part), (&one, at, 5.0 * TENTH * part)];
        // The registers are read for 100 µs.
        stage.batch(
            "",
            "all",
            at,
            usage.into_iter().chain([(&package, at + 50_000, 10.0 * part)]),
        );
    }
    let lines = stage.lines();
    let of_one: Vec<_> = lines.iter().filter(|line| line.contains("process:1")).collect();
    assert_eq!(
        of_one,
        ["1000: joules process:1 {} 5", "2000: joules process:1 {} 5"]
    );
}

#[test]
fn what_is_estimated_is_shared_only_where_nothing_is_measured() {
    let mut stage = Stage::new(Config::default());
    let (machine, all) = (Resource::LocalMachine, Consumer::LocalMachine);
    let estimated = stage.series(&ESTIMATED, &machine, &all, &[]);
    let (busy, one) = (stage.kernel("user"), stage.process(1));
    let mut at = 0;
    let mut second = |stage: &mut Stage, energy: &[(&SeriesHandle, f64)]| {
        let usage = [(&busy, 1000.0), (&one, 10.0 * TENTH)];
        stage.samples("all", at, usage.into_iter().chain(energy.iter().copied()));
        at += 1000;
        stage.lines()
    };
    second(&mut stage, &[(&estimated, 0.0)]);
    assert_lines(
        second(&mut stage, &[(&estimated, 7.0)]),
        ["1000: attributed_energy process:1 {} 7, estimated"],
    );
    let package = stage.package(0);
    second(&mut stage, &[(&estimated, 7.0), (&package, 0.0)]);
    let measured = second(&mut stage, &[(&estimated, 7.0), (&package, 20.0)]);
    assert_lines(measured, ["3000: attributed_energy process:1 {} 20"]);
    drop(package);
    second(&mut stage, &[]);
    assert_lines(
        second(&mut stage, &[(&estimated, 7.0)]),
        ["5000: attributed_energy process:1 {} 7, estimated"],
    );
}

#[test]
fn domains_that_contain_others_and_totals_are_not_added() {
    let mut stage = Stage::new(Config::default());
    let all = Consumer::LocalMachine;
    let domain = |resource, domain| stage.series(&RAPL, &resource, &all, &[("domain", domain)]);
    let package = |name| domain(Resource::CpuPackage { id: 0 }, name);
    let machine = |name| domain(Resource::LocalMachine, name);
    let parts = [package("package"), domain(Resource::Dram { package: 0 }, "dram")];
    let others = [
        package("pp0"),
        package("pp1"),
        domain(Resource::CpuCore { id: 0 }, "core"),
        machine("platform"),
        machine("package_total"),
        machine("dram_total"),
    ];
    let (busy, one) = (stage.kernel("user"), stage.process(1));
    for (at, energy) in [(0, 0.0), (1000, 3.0)] {
        let energies = parts.iter().chain(&others).map(|series| (series, energy));
        stage.samples("all", at, energies.chain([(&busy, 1000.0), (&one, 10.0 * TENTH)]));
    }
    assert_lines(stage.lines(), ["1000: attributed_energy process:1 {} 6"]);
}

#[test]
fn each_domain_can_be_shared_on_its_own() {
    let mut stage = Stage::new(Stage::config(&format!("{SHARE}\nper_domain = true")));
    let (package, dram, busy) = (stage.package(1), stage.dram(1), stage.kernel("user"));
    let one = stage.process(1);
    for (at, part) in [(0, 0.0), (1000, 1.0)] {
        let usage = [(&busy, 1000.0), (&one, 5.0 * TENTH)];
        stage.samples(
            "all",
            at,
            usage
                .into_iter()
                .chain([(&package, 30.0 * part), (&dram, 4.0 * part)]),
        );
    }
    let rest = "local_machine {consumers=process, domain";
    assert_lines(
        stage.lines(),
        [
            format!("1000: joules cpu_package:1 {rest}=package, part=unattributed}} 15"),
            "1000: joules cpu_package:1 process:1 {domain=package} 15".to_owned(),
            format!("1000: joules dram:1 {rest}=dram, part=unattributed}} 2"),
            "1000: joules dram:1 process:1 {domain=dram} 2".to_owned(),
        ],
    );
}

#[test]
fn without_the_time_of_the_machine_nobody_is_made_to_pay_for_others() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, one) = (stage.package(0), stage.process(1));
    for (at, energy) in [(0, 0.0), (1000, 10.0)] {
        stage.samples("all", at, [(&package, energy), (&one, TENTH)]);
    }
    assert_lines(
        stage.lines(),
        ["1000: joules local_machine {consumers=process, part=unattributed} 10"],
    );
    let text = stage.explain(&process(1));
    assert!(
        text.contains("no series of `models.joules.machine` has come yet"),
        "{text}"
    );
    // Unless it is known that the consumers are all.
    let mut stage = Stage::new(Stage::config(&SHARE.replace("machine =", "machine = [] #")));
    let (package, one) = (stage.package(0), stage.process(1));
    for (at, energy) in [(0, 0.0), (1000, 10.0)] {
        stage.samples("all", at, [(&package, energy), (&one, TENTH)]);
    }
    assert_lines(stage.lines(), ["1000: joules process:1 {} 10"]);
}

#[test]
fn results_say_who_the_consumer_is_and_begin_with_a_0() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let named = |stage: &Stage, kind, name| {
        let (machine, process) = (Resource::LocalMachine, process(1));
        stage.series(
            &stage::CPU_TIME,
            &machine,
            &process,
            &[("kind", kind), ("name", name)],
        )
    };
    let (user, system) = (named(&stage, "user", "sh"), named(&stage, "system", "sh"));
    stage.samples(
        "all",
        0,
        [(&package, 0.0), (&busy, 0.0), (&user, 0.0), (&system, 0.0)],
    );
    stage.samples(
        "all",
        1000,
        [(&package, 10.0), (&busy, 100.0), (&user, TENTH), (&system, 0.0)],
    );
    let of_process: Vec<_> = stage
        .emitted
        .iter()
        .filter(|sample| *sample.series.consumer() == process(1))
        .collect();
    let lines = of_process
        .iter()
        .map(|sample| format!("{}: {sample}", stage::millis(sample.timestamp)));
    assert_lines(
        lines,
        [
            "0: joules local_machine process:1 {name=sh} = 0",
            "1000: joules local_machine process:1 {name=sh} = 10",
        ],
    );
    // It runs another program.
    drop((user, system));
    let user = named(&stage, "user", "make");
    stage.samples("all", 2000, [(&package, 10.0), (&busy, 0.0), (&user, 0.0)]);
    stage.lines();
    stage.samples("all", 3000, [(&package, 10.0), (&busy, 100.0), (&user, TENTH)]);
    assert_lines(stage.lines(), ["3000: joules process:1 {name=make} 10"]);
}

#[test]
fn a_wall_clock_that_is_set_changes_nothing() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy, one) = (stage.package(0), stage.kernel("user"), stage.process(1));
    let mut shares = Vec::new();
    for second in 0..8 {
        stage.set_forth = [0, 0, 0, -90_000, -90_000, 3_600_000, 3_600_000, 0][second];
        let energy = if second == 0 { 0.0 } else { 10.0 };
        for quarter in 0..4 {
            let at = second as u64 * 1000 + quarter * 250;
            stage.samples("usage", at, [(&busy, 250.0), (&one, TENTH)]);
            if quarter == 0 {
                stage.samples("energy", at, [(&package, energy)]);
            }
        }
        let lines = stage.lines();
        shares.extend(lines.into_iter().filter(|line| line.contains("process:1")));
    }
    assert_eq!(shares.len(), 7);
    assert!(
        shares.iter().all(|line| line.ends_with("process:1 {} 4")),
        "{shares:?}"
    );
}

#[test]
fn who_is_measured_here_shares_the_energy_of_this_machine_even_if_the_name_of_the_node_is_told() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let machine = Resource::LocalMachine;
    let attributes = [("kind", "user"), ("node", "n1")];
    let pod = stage.series(&stage::CPU_TIME, &machine, &process(1), &attributes);
    stage.samples("all", 0, [(&package, 0.0), (&busy, 0.0), (&pod, 0.0)]);
    stage.samples("all", 1000, [(&package, 10.0), (&busy, 100.0), (&pod, TENTH)]);
    assert!(
        stage
            .lines()
            .contains(&"1000: joules process:1 {node=n1} 10".to_owned()),
        "nothing is shared"
    );
}

#[test]
fn two_nodes_never_mix_and_one_of_them_may_start_anew() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let all = Consumer::LocalMachine;
    let of_node = |node: &'static str| {
        let package = Resource::CpuPackage { id: 0 };
        let machine = Resource::LocalMachine;
        [
            stage.series(&RAPL, &package, &all, &[("domain", "package"), ("node", node)]),
            stage.series(
                &stage::KERNEL_TIME,
                &machine,
                &all,
                &[("cpu_state", "user"), ("node", node)],
            ),
            stage.series(
                &stage::CPU_TIME,
                &machine,
                &process(1),
                &[("kind", "user"), ("node", node)],
            ),
        ]
    };
    let (a, b) = (of_node("a"), of_node("b"));
    // Their clocks began at other times.
    let hour = 3_600_000_000_000;
    stage.reboot("a", 0);
    stage.reboot("b", hour);
    let second = |stage: &mut Stage, at: u64, a_reads, joules: f64| {
        for (node, [package, busy, one], energy, used) in
            [("a", &a, joules, 2.0), ("b", &b, 2.0 * joules, 5.0)]
        {
            let at = hour + at * 1_000_000_000;
            if node == "b" || a_reads {
                stage.batch(node, "usage", at, [(busy, at, 1000.0), (one, at, used * TENTH)]);
                stage.batch(node, "energy", at, [(package, at, energy)]);
            }
        }
        let lines = stage.lines().into_iter().filter(|line| line.contains("process"));
        lines
            .map(|line| line.split_once(": ").unwrap().1.to_owned())
            .filter(|line| !line.contains("part="))
            .collect::<Vec<_>>()
    };
    let shares = |a: Option<&str>, b: &str| {
        let a = a.map(|joules| format!("joules process:1 {{node=a}} {joules}"));
        let lines = a.into_iter().chain([format!("joules process:1 {{node=b}} {b}")]);
        lines.collect::<Vec<_>>()
    };
    second(&mut stage, 0, true, 0.0);
    assert_eq!(second(&mut stage, 1, true, 10.0), shares(Some("2"), "10"));
    assert_eq!(second(&mut stage, 2, false, 20.0), shares(None, "20"));
    // The clock of `a` begins anew, and its energy with a 0.
    stage.reboot("a", hour + 2_500_000_000);
    second(&mut stage, 3, true, 0.0);
    assert_eq!(second(&mut stage, 4, true, 30.0), shares(Some("6"), "30"));
    let text = stage.explain(&process(1));
    assert!(text.contains("{node=a}") && text.contains("{node=b}"), "{text}");
}

#[test]
fn counters_tell_whose_cpu_time_was_expensive() {
    let mut stage = Stage::new(Stage::config(
        r#"
        [models.joules]
        model = "counters"
        energy = [{ metric = "rapl_consumed_energy" }]
        usage = [{ metric = "cpu_time_delta", kind = ["user", "total"] }]
        machine = [{ metric = "kernel_cpu_time", cpu_state = "user" }]
        counters = [{ metric = "perf_INSTRUCTIONS" }]
        "#,
    ));
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let instructions = |pid| stage.series(&INSTRUCTIONS, &Resource::LocalMachine, &process(pid), &[]);
    let counters = [instructions(1), instructions(2)];
    let times = [stage.process(1), stage.process(2)];
    let mut costs = [0.0; 2];
    for second in 0..100_u64 {
        // CPU seconds, and instructions per CPU second: the first process computes, the second one waits for memory.
        let cpu = [0.2 + 0.1 * (second % 7) as f64, 0.3 + 0.1 * (second % 5) as f64];
        let counted = [cpu[0] * 4e9, cpu[1] * 5e8];
        costs = [0, 1].map(|process| 8.0 * cpu[process] + 5e-9 * counted[process]);
        let joules = if second == 0 {
            0.0
        } else {
            15.0 + costs.iter().sum::<f64>()
        };
        let of_processes = (0..2).flat_map(|index| {
            [
                (&times[index], cpu[index] * 1e9),
                (&counters[index], counted[index]),
            ]
        });
        let of_machine = [(&busy, ((cpu[0] + cpu[1]) * 1000.0).round()), (&package, joules)];
        let begun = if second == 0 { 0.0 } else { 1.0 };
        let samples: Vec<_> = of_processes
            .chain(of_machine)
            .map(|(series, value)| (series, value * begun))
            .collect();
        stage.samples("all", second * 1000, samples);
        let text = stage.explain(&process(1));
        assert_eq!(
            text.contains("by CPU time and not by counters"),
            (1..31).contains(&second),
            "{second}: {text}"
        );
        if second == 1 {
            assert!(text.contains("too few intervals"), "{text}");
        }
        let measured: f64 = stage.emitted.iter().map(|sample| sample.value.as_f64()).sum();
        assert!((measured - joules).abs() < 1e-9, "{measured} of {joules}");
        if second < 99 {
            stage.emitted.clear();
        }
    }
    let of = |pid| {
        let samples = stage.emitted.iter();
        samples
            .filter(|sample| *sample.series.consumer() == process(pid))
            .map(|sample| sample.value.as_f64())
            .sum::<f64>()
    };
    let expected = costs[0] / costs[1];
    assert!(
        (of(1) / of(2) - expected).abs() < 1e-6 * expected,
        "{} and {} of {costs:?}",
        of(1),
        of(2)
    );
    // One comes whose counter nobody reads.
    let other = stage.process(3);
    for at in [100_000, 101_000] {
        stage.samples("all", at, [(&other, 0.0), (&busy, 0.0), (&package, 1.0)]);
    }
    let text = stage.explain(&process(1));
    assert!(text.contains("a consumer has no such counter"), "{text}");
}

#[test]
fn a_source_that_hands_on_its_samples_later_is_waited_for_by_those_who_need_it() {
    let both = format!(
        "{SHARE}\n{}",
        SHARE
            .replace("models.joules", "models.slow")
            .replace("cpu_time_delta", "process_tree_cpu_time")
    );
    let mut stage = Stage::new(Stage::config(
        &both.replace("\"user\", \"system\", \"total\"", "\"user\""),
    ));
    let (package, busy, fast) = (stage.package(0), stage.kernel("user"), stage.process(1));
    let slow = stage.series(
        &stage::TREE_TIME,
        &Resource::LocalMachine,
        &process(2),
        &[("kind", "user")],
    );
    stage.samples("slow", 0, [(&slow, 0.0)]);
    stage.samples("fast", 0, [(&busy, 0.0), (&fast, 0.0), (&package, 0.0)]);
    for at in [1000, 2000, 3000] {
        stage.samples(
            "fast",
            at,
            [(&busy, 1000.0), (&fast, 10.0 * TENTH), (&package, 10.0)],
        );
        assert_lines(stage.lines(), [format!("{at}: joules process:1 {{}} 10")]);
    }
    let seconds = [1, 2, 3].map(|second| (&slow, second * 1_000_000_000, second as f64 * TENTH));
    stage.batch("", "slow", 3_000_000_000, seconds);
    let lines = stage.lines();
    let of_slow: Vec<_> = lines.iter().filter(|line| line.contains("process:2")).collect();
    assert_eq!(
        of_slow,
        [1, 2, 3]
            .map(|second| format!("{second}000: slow process:2 {{}} {second}"))
            .iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn energy_that_was_held_up_is_shared_by_the_usage_of_its_own_time() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy, one) = (stage.package(0), stage.kernel("user"), stage.process(1));
    stage.samples("energy", 0, [(&package, 0.0)]);
    for second in 0..30 {
        let share = if second < 2 { 5.0 } else { 1.0 };
        stage.samples("usage", second * 1000, [(&busy, 1000.0), (&one, share * TENTH)]);
    }
    for second in 1..30 {
        stage.samples("energy", second * 1000, [(&package, 10.0)]);
    }
    let lines = stage.lines();
    let of_one: Vec<_> = lines.iter().filter(|line| line.contains("process:1")).collect();
    assert_eq!(of_one.len(), 29);
    assert!(
        of_one
            .iter()
            .all(|line| line.ends_with(" 1") || **line == "1000: joules process:1 {} 5"),
        "{of_one:?}"
    );
}

#[test]
fn a_source_that_is_read_rarely_is_waited_for_from_the_first_tick_on() {
    let mut stage = Stage::new(Stage::config(SHARE));
    let (package, busy, one) = (stage.package(0), stage.kernel("user"), stage.process(1));
    // At the start, all sources are read at once, and again.
    stage.samples("rare", 0, [(&busy, 0.0)]);
    stage.samples("rare", 0, []);
    for at in (0..=5000).step_by(1000) {
        stage.at(at);
        stage.tick();
        let part = if at == 0 { 0.0 } else { 1.0 };
        stage.samples("often", at, [(&package, 10.0 * part), (&one, TENTH * part)]);
    }
    assert_lines(stage.lines(), [] as [&str; 0]);
    stage.samples("rare", 5000, [(&busy, 1000.0)]);
    let lines = stage.lines();
    let of_one: Vec<_> = lines.iter().filter(|line| line.contains("process:1")).collect();
    assert_eq!(
        of_one,
        [1, 2, 3, 4, 5]
            .map(|second| format!("{second}000: joules process:1 {{}} 5"))
            .iter()
            .collect::<Vec<_>>()
    );
}
