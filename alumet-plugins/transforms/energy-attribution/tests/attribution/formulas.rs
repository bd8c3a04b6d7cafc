//! Formulas, as earlier configurations have them.

use alumet_core::plugin::Plugin;
use alumet_core::series::SeriesHandle;
use alumet_core::testkit::assert_lines;
use alumet_core::{Consumer, Resource};
use alumet_plugin_energy_attribution::{Config, EnergyAttributionPlugin};

use crate::stage::{CPU_PERCENT, GPU_ENERGY, GPU_UTILIZATION, RAPL, Stage, process};

/// The example of the documentation of the original.
const OF_CPU: &str = r#"
    [formulas.attributed_energy]
    expr = "cpu_energy * cpu_usage / 100.0"
    ref = "cpu_energy"
    retention_time = "1s"

    [formulas.attributed_energy.per_resource]
    cpu_energy = { metric = "rapl_consumed_energy", resource_kind = "local_machine", domain = "package_total" }

    [formulas.attributed_energy.per_consumer]
    cpu_usage = { metric = "cpu_percent", kind = "total" }
"#;

fn total(stage: &Stage, domain: &str) -> SeriesHandle {
    let (machine, all) = (Resource::LocalMachine, Consumer::LocalMachine);
    stage.series(&RAPL, &machine, &all, &[("domain", domain)])
}

fn percent(stage: &Stage, pid: u32, kind: &str) -> SeriesHandle {
    stage.series(
        &CPU_PERCENT,
        &Resource::LocalMachine,
        &process(pid),
        &[("kind", kind)],
    )
}

#[test]
fn the_example_of_the_original_gives_joules() {
    let mut stage = Stage::new(Stage::config(OF_CPU));
    let (energy, other) = (total(&stage, "package_total"), total(&stage, "dram_total"));
    let (one, two, user) = (
        percent(&stage, 1, "total"),
        percent(&stage, 2, "total"),
        percent(&stage, 1, "user"),
    );
    for at in [0, 1000, 2000] {
        let joules = if at == 0 { 0.0 } else { 40.0 };
        let usage = [(&one, 50.0), (&two, 12.5), (&user, 49.0)];
        stage.samples(
            "all",
            at,
            usage.into_iter().chain([(&energy, joules), (&other, joules)]),
        );
    }
    let attributes = "{domain=package_total, kind=total}";
    assert_lines(
        stage.lines(),
        [
            format!("1000: attributed_energy process:1 {attributes} 20"),
            format!("1000: attributed_energy process:2 {attributes} 5"),
            format!("2000: attributed_energy process:1 {attributes} 20"),
            format!("2000: attributed_energy process:2 {attributes} 5"),
        ],
    );
    let text = stage.explain(&process(2));
    assert!(
        text.contains("cpu_energy * cpu_usage / 100.0\n  with cpu_energy = 40, cpu_usage = 12.5"),
        "{text}"
    );
}

#[test]
fn the_energy_of_a_gpu_is_that_of_its_own_processes() {
    let mut stage = Stage::new(Stage::config(
        r#"
        [formulas.gpu_joules]
        expr = "(gpu_energy / 1000) * (gpu_usage / 100.0)"
        ref = "gpu_energy"
        per_resource.gpu_energy = { metric = "nvml_energy_consumption", resource_kind = "gpu" }
        per_consumer.gpu_usage = { metric = "nvml_sm_utilization" }
        "#,
    ));
    let gpu = |id: &str| Resource::Gpu { bus_id: id.into() };
    let energies = ["a", "b"].map(|id| stage.series(&GPU_ENERGY, &gpu(id), &Consumer::LocalMachine, &[]));
    let one = stage.series(&GPU_UTILIZATION, &gpu("a"), &process(1), &[]);
    // This one uses both.
    let two = ["a", "b"].map(|id| stage.series(&GPU_UTILIZATION, &gpu(id), &process(2), &[]));
    for (at, energy) in [(0, 0.0), (1000, 7999.0)] {
        stage.samples("gpu", at, [(&energies[0], energy), (&energies[1], 2.0 * energy)]);
        stage.samples("usage", at, [(&one, 33.0), (&two[0], 10.0), (&two[1], 20.0)]);
    }
    // 7.999 J are not 7 J, though all are whole numbers.
    assert_lines(
        stage.lines(),
        [
            "1000: gpu_joules gpu:a process:1 {} 2.63967",
            "1000: gpu_joules gpu:a process:2 {} 0.7999",
            "1000: gpu_joules gpu:b process:2 {} 3.1996",
        ],
    );
}

#[test]
fn several_energies_are_joined_on_the_resource_of_the_ref() {
    let formula = |reference, resource| {
        format!(
            r#"
            [formulas.joules]
            expr = "(cpu + memory) * usage / 100"
            ref = "{reference}"
            per_resource.cpu = {{ metric = "rapl_consumed_energy", domain = "{resource}", keep_attributes = false }}
            per_resource.memory = {{ metric = "rapl_consumed_energy", domain = "dram" }}
            per_consumer.usage = {{ metric = "cpu_percent", keep_attributes = false }}
            "#
        )
    };
    let run = |config: &str| {
        let mut stage = Stage::new(Stage::config(config));
        let (packages, drams) = (
            [stage.package(0), stage.package(1)],
            [stage.dram(0), stage.dram(1)],
        );
        let (machine, usage) = (total(&stage, "package_total"), percent(&stage, 1, "total"));
        for (at, part) in [(0, 0.0), (1000, 1.0)] {
            let energies = [
                (&packages[0], 10.0),
                (&packages[1], 20.0),
                (&machine, 30.0),
                (&drams[0], 1.0),
                (&drams[1], 2.0),
            ];
            let energies = energies.map(|(series, joules)| (series, joules * part));
            stage.samples("all", at, energies.into_iter().chain([(&usage, 50.0)]));
        }
        stage.lines()
    };
    // Both memories are part of the machine.
    assert_lines(
        run(&formula("cpu", "package_total")),
        ["1000: joules process:1 {} 16.5"],
    );
    // Each memory is attached to its package, and the usage is that of the whole machine.
    let by_package = [
        "1000: joules cpu_package:0 process:1 {} 5.5",
        "1000: joules cpu_package:1 process:1 {} 11",
    ];
    assert_lines(run(&formula("cpu", "package")), by_package);
    // The other way round.
    let by_memory = [
        "1000: joules dram:0 process:1 {domain=dram} 15.5",
        "1000: joules dram:1 process:1 {domain=dram} 16",
    ];
    assert_lines(run(&formula("memory", "package_total")), by_memory);
    // A package has nothing in common with the memory of another.
    let text = {
        let config = formula("cpu", "package");
        let mut stage = Stage::new(Stage::config(&config));
        let (package, dram, usage) = (stage.package(0), stage.dram(1), percent(&stage, 1, "total"));
        for at in [0, 1000] {
            stage.samples("all", at, [(&package, at as f64), (&dram, 0.0), (&usage, 50.0)]);
        }
        assert!(stage.lines().is_empty());
        stage.explain(&process(1))
    };
    assert!(
        text.contains("`formulas.joules.per_resource.memory` have no value for cpu_package:0"),
        "{text}"
    );
}

#[test]
fn what_is_read_at_other_times_is_aligned_with_the_ref() {
    let mut stage = Stage::new(Stage::config(OF_CPU));
    let (energy, one, two) = (
        total(&stage, "package_total"),
        percent(&stage, 1, "total"),
        percent(&stage, 2, "total"),
    );
    stage.samples("energy", 0, [(&energy, 0.0)]);
    stage.samples("energy", 1000, [(&energy, 10.0)]);
    stage.samples("usage", 900, [(&one, 20.0), (&two, 20.0)]);
    // It has ended: nobody knows what it would have shown at 1000 ms.
    drop(two);
    assert_lines(stage.lines(), [] as [&str; 0]);
    stage.samples("usage", 1400, [(&one, 70.0)]);
    // 30 % at 1000 ms.
    assert_lines(
        stage.lines(),
        ["1000: attributed_energy process:1 {domain=package_total, kind=total} 3"],
    );
}

#[test]
fn an_amount_is_that_of_the_interval_of_the_ref() {
    let mut stage = Stage::new(Stage::config(
        r#"
        [formulas.joules]
        expr = "power * seconds / 1000000000"
        ref = "power"
        per_resource.power = { metric = "rapl_consumed_energy" }
        per_consumer.seconds = { metric = "cpu_time_delta", keep_attributes = false }
        "#,
    ));
    let (energy, one) = (stage.package(0), stage.process(1));
    stage.samples("energy", 0, [(&energy, 0.0)]);
    stage.samples("usage", 0, [(&one, 0.0)]);
    stage.samples("energy", 1000, [(&energy, 3.0)]);
    stage.samples("usage", 800, [(&one, 4e8)]);
    // Half of it before the end.
    stage.samples("usage", 1200, [(&one, 2e8)]);
    assert_lines(
        stage.lines(),
        ["1000: joules cpu_package:0 process:1 {domain=package} 1.5"],
    );
}

#[test]
fn what_cannot_be_computed_for_one_consumer_is_computed_for_others() {
    let mut stage = Stage::new(Stage::config(&OF_CPU.replace("/ 100.0", "/ (cpu_usage - 50)")));
    let (energy, one, two) = (
        total(&stage, "package_total"),
        percent(&stage, 1, "total"),
        percent(&stage, 2, "total"),
    );
    for at in [0, 1000, 2000] {
        stage.samples(
            "all",
            at,
            [(&energy, at as f64 / 1000.0), (&one, 50.0), (&two, 75.0)],
        );
    }
    let attributes = "{domain=package_total, kind=total}";
    let of_two =
        [1000, 2000].map(|at| format!("{at}: attributed_energy process:2 {attributes} {}", 3 * at / 1000));
    assert_lines(stage.lines(), of_two);
    let text = stage.explain(&process(1));
    assert!(
        text.contains("no result: the result is no finite number"),
        "{text}"
    );
}

#[test]
fn a_formula_that_yields_nothing_says_why() {
    let mut stage = Stage::new(Stage::config(OF_CPU));
    let lacks = |stage: &Stage, key: &str| {
        let (text, expected) = (
            stage.explain(&process(1)),
            format!("no series of `formulas.attributed_energy.{key}` has come"),
        );
        assert!(text.contains(&expected), "{text}");
    };
    lacks(&stage, "per_resource.cpu_energy");
    let energy = total(&stage, "package_total");
    stage.samples("all", 0, [(&energy, 0.0)]);
    lacks(&stage, "per_consumer.cpu_usage");
    let one = percent(&stage, 1, "total");
    stage.samples("all", 500, [(&one, 0.0)]);
    let text = stage.explain(&process(1));
    assert!(
        text.contains("no whole interval of energy has been shared yet"),
        "{text}"
    );
    stage.samples("all", 1000, [(&one, 50.0), (&energy, 1.0)]);
    assert!(stage.explain(&process(1)).contains("cpu_usage = 50"));
    assert_eq!(
        stage.explain(&process(2)),
        "",
        "others have results, and this one is not known"
    );
}

#[test]
fn what_is_wrong_with_a_formula_is_said_at_its_place() {
    let faults = |old: &str, new: &str| {
        let text = OF_CPU.replace(old, new);
        assert_ne!(text, OF_CPU, "{old}");
        EnergyAttributionPlugin::check(&Stage::config(&text)).unwrap_err()
    };
    let faulty = |old, new, key: &str, message: &str| {
        let faults = faults(old, new);
        assert!(
            faults
                .keys()
                .contains(&format!("formulas.attributed_energy.{key}")),
            "{faults}"
        );
        assert!(faults.to_string().contains(message), "{faults}");
    };
    faulty(
        "cpu_usage /",
        "cpu_usag /",
        "expr",
        "\n  cpu_energy * cpu_usag / 100.0\n               ^^^^^^^^",
    );
    faulty(
        "ref = \"cpu_energy\"",
        "ref = \"energy\"",
        "ref",
        "there are `cpu_energy`",
    );
    faulty(
        "cpu_usage = {",
        "cpu_energy = {",
        "per_consumer.cpu_energy",
        "another name",
    );
    faulty(
        "kind = \"total\"",
        "kind = \"[\"",
        "per_consumer.cpu_usage.kind",
        "cannot be understood",
    );
    let both = format!("{OF_CPU}\n[models.attributed_energy]\nmodel = \"share\"\nenergy = []\nusage = []");
    let faults = EnergyAttributionPlugin::check(&Stage::config(&both)).unwrap_err();
    let of_model = ["", ".energy", ".usage"].map(|key| format!("models.attributed_energy{key}"));
    assert_eq!(faults.keys(), of_model);
    let counters =
        "[models.x]\nmodel = \"counters\"\nenergy = [{ metric = \"e\" }]\nusage = [{ metric = \"u\" }]";
    let faults = EnergyAttributionPlugin::check(&Stage::config(counters)).unwrap_err();
    assert_eq!(faults.keys(), ["models.x.counters"]);
    assert_eq!(EnergyAttributionPlugin::check(&Config::default()), Ok(()));
}

#[test]
fn the_examples_are_right() {
    for name in ["rapl", "tdp"] {
        let path = format!(
            "{}/../../../examples/attribution/{name}.toml",
            env!("CARGO_MANIFEST_DIR")
        );
        let file: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let config: Config = file["plugins"]["energy-attribution"].clone().try_into().unwrap();
        assert_eq!(EnergyAttributionPlugin::check(&config), Ok(()));
        assert_eq!(config.formulas.len(), 1);
    }
}
