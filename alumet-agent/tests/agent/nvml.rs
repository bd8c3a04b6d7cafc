//! GPUs: the energy of a simulated one, given to the process that uses it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use nix::sys::signal::Signal;

use crate::csv::lines_of;
use crate::program::Folder;

/// The attribution of the README of the plugin.
fn attribution() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alumet-plugins/sources/nvml/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let example = readme
        .split("```toml\n")
        .find(|block| block.contains("gpu_usage"))
        .unwrap();
    example.split("```").next().unwrap().replace("[plugins.nvml]", "")
}

/// Builds the simulated library of the driver.
fn build(folder: &Folder) {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../alumet-plugins/sources/nvml/tests/simulated/nvml.c");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .arg(folder.path("libnvidia-ml.so.1"))
        .arg(source)
        .arg("-ldl")
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "a C compiler is needed"
    );
}

#[test]
fn the_energy_of_a_gpu_goes_to_the_process_that_uses_it_and_to_its_control_group() {
    let folder = Folder::new();
    build(&folder);
    let config = format!(
        "[plugins.csv]\noutput_path = 'out.csv'\n\
         [plugins.nvml]\nlibrary = '{}'\npoll_interval = '200ms'\nflush_interval = '200ms'\n{}",
        folder.path("libnvidia-ml.so.1").display(),
        attribution(),
    );
    folder.write("alumet-config.toml", config);
    // A board of 100 W, of which this process uses two fifths.
    let (begin, pid) = (Instant::now(), std::process::id());
    let show = || {
        let millijoules = begin.elapsed().as_millis() * 100;
        #[expect(
            clippy::disallowed_methods,
            reason = "the driver has the clock of the machine"
        )]
        let micros = std::time::SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_micros();
        let script = format!(
            "0.field.83 {millijoules}\n0.field.186 100000\n0.compute {pid}:1048576\n0.uses {pid}:{micros}:40:10:0:0\n"
        );
        folder.write("script.new", script);
        std::fs::rename(folder.path("script.new"), folder.path("script")).unwrap();
    };
    show();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                show();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut agent = folder.start(&["run"]);
        agent.wait_until_measuring();
        std::thread::sleep(Duration::from_secs(4));
        let ended = agent.stop(Signal::SIGINT);
        is_over.store(true, Ordering::Relaxed);
        ended.expect_code(0);
    });
    let lines = lines_of(&folder.path("out.csv"));
    let joules = |metric: &str, kind: &str| {
        let found = lines
            .iter()
            .filter(|line| line.metric.starts_with(metric) && line.consumer.0 == kind);
        found.map(|line| line.value).sum::<f64>()
    };
    let board = joules("nvml_energy_consumption", "local_machine") / 1000.0;
    let process = joules("attributed_nvml_energy", "process");
    let group = joules("attributed_nvml_energy", "cgroup");
    assert!(board > 300.0, "{board} J in four seconds");
    assert!((process / board - 0.4).abs() < 0.05, "{process} J of {board} J");
    assert!(
        (group - process).abs() < 1e-6 * process,
        "{group} J of the group, {process} J of its process"
    );
}
