//! The energy of graphics processors.

use alumet_core::testkit::assert_lines;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};
use alumet_plugin_energy_attribution::Config;

use crate::stage::{self, GPU_ENERGY, GPU_TIME, Stage, process};

alumet_core::metrics! {
    ALL_MEMORY = Gauge<u64> {
        name: "nvml_gpu_memory_info", unit: Unit::BYTE, description: "For this test.",
    };
    MEMORY = Gauge<u64> {
        name: "nvml_used_gpu_memory", unit: Unit::BYTE, description: "For this test.",
    };
}

/// A tenth of a second, in nanoseconds.
const TENTH: f64 = 1e8;

#[test]
fn the_energy_of_each_gpu_is_shared_by_the_time_in_which_it_worked_for_whom() {
    let mut stage = Stage::new(Stage::config(
        r#"
        [models.gpu_joules]
        model = "share"
        energy = [{ metric = "nvml_energy_consumption" }]
        usage = [{ metric = "amd_gpu_process_engine_gfx" }]
        per_domain = true
        "#,
    ));
    let gpus = ["a", "b", "idle"].map(|id| Resource::Gpu { bus_id: id.into() });
    let energy = |gpu| stage.series(&GPU_ENERGY, gpu, &Consumer::LocalMachine, &[]);
    let energies = gpus.each_ref().map(energy);
    let time = |gpu: usize, pid| stage.series(&GPU_TIME, &gpus[gpu], &process(pid), &[]);
    let used = [
        (time(0, 1), TENTH),
        (time(0, 2), 3.0 * TENTH),
        (time(1, 2), TENTH),
    ];
    for at in [0, 1000] {
        let part = at as f64 / 1000.0;
        let times = used.iter().map(|(series, used)| (series, part * used));
        let energies = energies.iter().zip([8000.0, 50_000.0, 9000.0]);
        let energies = energies.map(|(series, energy)| (series, part * energy));
        stage.samples("all", at, times.chain(energies));
    }
    assert_lines(
        stage.lines(),
        [
            "1000: gpu_joules gpu:a process:1 {} 2",
            "1000: gpu_joules gpu:a process:2 {} 6",
            "1000: gpu_joules gpu:b process:2 {} 50",
            "1000: gpu_joules gpu:idle local_machine {consumers=process, part=unattributed} 9",
        ],
    );
}

#[test]
fn without_configuration_a_gpu_has_a_capacity_and_each_its_own_quality() {
    let mut stage = Stage::new(Config::default());
    let gpus = ["a", "b", "c"].map(|id| Resource::Gpu { bus_id: id.into() });
    let machine = Consumer::LocalMachine;
    let energies = [
        stage.series(&GPU_ENERGY, &gpus[0], &machine, &[]),
        stage.series(&stage::GPU_MODELLED, &gpus[1], &machine, &[]),
        stage.series(&stage::GPU_CARD, &gpus[2], &machine, &[("domain", "card")]),
        // The card contains it.
        stage.series(&stage::GPU_CARD, &gpus[2], &machine, &[("domain", "package")]),
    ];
    let engine = |name| stage.series(&stage::GPU_ENGINE, &gpus[2], &process(2), &[("engine", name)]);
    let used = [
        (
            stage.series(&stage::GPU_SM_TIME, &gpus[0], &process(1), &[]),
            TENTH,
        ),
        (
            stage.series(&stage::GPU_SM_TIME, &gpus[0], &stage::group("/a"), &[]),
            TENTH,
        ),
        (
            stage.series(&stage::GPU_SM_TIME, &gpus[1], &process(1), &[]),
            10.0 * TENTH,
        ),
        // Two engines at one time.
        (engine("render"), 10.0 * TENTH),
        (engine("copy"), 10.0 * TENTH),
    ];
    for at in [0, 1000] {
        let part = at as f64 / 1000.0;
        let times = used.iter().map(|(series, used)| (series, part * used));
        let joules = energies.iter().zip([8000.0, 50_000.0, 7.0, 5.0]);
        let joules = joules.map(|(series, energy)| (series, part * energy));
        stage.samples("all", at, times.chain(joules));
    }
    assert_lines(
        stage.lines(),
        [
            "1000: attributed_gpu_energy gpu:a cgroup:/a {} 0.8",
            "1000: attributed_gpu_energy gpu:a local_machine {consumers=cgroup, part=unattributed} 7.2",
            "1000: attributed_gpu_energy gpu:a local_machine {consumers=process, part=unattributed} 7.2",
            "1000: attributed_gpu_energy gpu:a process:1 {} 0.8",
            "1000: attributed_gpu_energy gpu:b local_machine {consumers=cgroup, part=unattributed} 50",
            "1000: attributed_gpu_energy gpu:b process:1 {} 50",
            "1000: attributed_gpu_energy gpu:c local_machine {consumers=cgroup, domain=card, part=unattributed} 7",
            "1000: attributed_gpu_energy gpu:c process:2 {domain=card} 7",
        ],
    );
    // Whichever was shared last.
    let told = stage.explain(&process(2));
    assert!(
        told.starts_with("attributed_gpu_energy: 7 J of gpu:c in the 1 s"),
        "{told}"
    );
    assert!(told.contains("used: 2, of 1 on gpu:c and 2 of all"), "{told}");
    let told = stage.explain(&stage::group("/a"));
    assert!(
        told.contains("0.8 J of gpu:a") && told.contains("used: 0.1, of 1 on gpu:a and 0.1 of all"),
        "{told}"
    );
}

#[test]
fn who_has_no_gpu_is_not_told_why_nobody_has_its_energy() {
    let mut stage = Stage::new(Config::default());
    let told = stage.explain(&process(1));
    assert!(
        told.contains("attributed_gpu_energy: nobody has a result"),
        "{told}"
    );
    let (package, process_1) = (stage.package(0), stage.process(1));
    stage.samples("all", 0, [(&package, 0.0), (&process_1, 0.0)]);
    let told = stage.explain(&process(1));
    assert!(told.contains("attributed_energy: "), "{told}");
    assert!(!told.contains("gpu"), "{told}");
}

#[test]
fn a_partitioned_gpu_can_be_shared_by_memory_as_the_plugin_of_nvidia_says() {
    let readme = include_str!("../../../../sources/nvml/README.md");
    let mut blocks = readme
        .split("```toml\n")
        .filter_map(|block| block.split("```").next());
    let example = blocks.find(|block| block.contains("all_memory")).unwrap();
    let mut stage = Stage::new(Stage::config(
        &example.replace("[plugins.energy-attribution.", "["),
    ));
    let gpu = Resource::Gpu { bus_id: "a".into() };
    let part = |partition| Resource::GpuPartition {
        parent: "a".into(),
        partition,
    };
    let machine = Consumer::LocalMachine;
    let energy = stage.series(&GPU_ENERGY, &gpu, &machine, &[]);
    let all = stage.series(&ALL_MEMORY, &gpu, &machine, &[("kind", "total")]);
    let free = stage.series(&ALL_MEMORY, &gpu, &machine, &[("kind", "free")]);
    // A partition has memory of its own, which is a part of the whole.
    let of_part = stage.series(&ALL_MEMORY, &part(1), &machine, &[("kind", "total")]);
    let context = &[("context", "compute"), ("compute_instance_id", "0")];
    let one = stage.series(&MEMORY, &part(1), &process(1), context);
    let two = stage.series(&MEMORY, &part(2), &process(2), context);
    for at in [0, 1000] {
        let joules = at as f64 * 100.0;
        let memory = [
            (&all, 80.0),
            (&free, 20.0),
            (&of_part, 40.0),
            (&one, 40.0),
            (&two, 20.0),
        ];
        stage.samples("all", at, memory.into_iter().chain([(&energy, joules)]));
    }
    assert_lines(
        stage.lines(),
        [
            "1000: attributed_nvml_energy gpu:a process:1 {} 50",
            "1000: attributed_nvml_energy gpu:a process:2 {} 25",
        ],
    );
}
