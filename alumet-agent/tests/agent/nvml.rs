//! GPUs: the energy of a simulated one, given to the process that uses it.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use nix::sys::signal::Signal;

use crate::csv::lines_of;
use crate::program::Folder;

/// The control groups of the README of the plugin.
fn bridge() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alumet-plugins/sources/nvml/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let mut blocks = readme.split("```toml\n");
    let example = blocks
        .find(|block| block.contains("process-to-cgroup-bridge"))
        .unwrap();
    example.split("```").next().unwrap().to_owned()
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
         [plugins.nvml]\nlibrary = '{}'\npoll_interval = '200ms'\nflush_interval = '200ms'\n\
         [plugins.energy-attribution]\n{}",
        folder.path("libnvidia-ml.so.1").display(),
        bridge(),
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
    let process = joules("attributed_gpu_energy", "process");
    let group = joules("attributed_gpu_energy", "cgroup");
    assert!(board > 300.0, "{board} J in four seconds");
    assert!((process / board - 0.4).abs() < 0.05, "{process} J of {board} J");
    assert!(
        (group - process).abs() < 1e-6 * process,
        "{group} J of the group, {process} J of its process"
    );
}

#[test]
fn exec_tells_the_energy_of_gpus_that_the_processes_of_the_program_used() {
    let folder = Folder::new();
    build(&folder);
    let config = format!(
        "[plugins.csv]\noutput_path = 'out.csv'\n[plugins.nvml]\nlibrary = '{}'\npoll_interval = '200ms'\n",
        folder.path("libnvidia-ml.so.1").display(),
    );
    folder.write("alumet-config.toml", config);
    // A board of 100 W, of which a child of the program uses two fifths and this process one, and one that nobody uses.
    let other = std::process::id();
    let program = format!(
        "begin=$(date +%s%N); end=$((begin + 4000000000)); now=$begin\n\
         while [ $now -lt $end ]; do\n\
           now=$(date +%s%N); millijoules=$(( (now - begin) / 10000 + 1000 ))\n\
           micros=$((now / 1000))\n\
           printf '%s\\n' 'count 2' \"0.field.83 $millijoules\" \"1.field.83 $millijoules\" \\\n\
             \"0.compute $$:1048576,{other}:1048576\" \"0.uses $$:$micros:40:10:0:0,{other}:$micros:20:5:0:0\" > script.new\n\
           mv script.new script; sleep 0.05\n\
         done"
    );
    folder.write("program", program);
    folder.write(
        "script",
        "count 2\n0.field.83 1000\n1.field.83 1000\n0.compute \n0.uses \n",
    );
    let ended = folder.run(&[
        "exec",
        "--summary-json",
        "summary",
        "--",
        "sh",
        "-c",
        "sh program; true",
    ]);
    ended.expect_code(0);
    let summary: serde_json::Value = serde_json::from_str(&folder.read("summary")).unwrap();
    let gpus = summary["energy"]["gpus"].as_array().unwrap();
    assert_eq!(gpus.len(), 1, "{summary}");
    assert_eq!(gpus[0]["quality"], "modelled");
    let told = gpus[0]["joules"].as_f64().unwrap();
    let lines = lines_of(&folder.path("out.csv"));
    let joules = |metric: &str, kind: &str| {
        let found = lines.iter().filter(|line| {
            line.metric.starts_with(metric) && line.consumer.0 == kind && line.text.contains(":01:00.0")
        });
        found.map(|line| line.value).sum::<f64>()
    };
    let rows = joules("attributed_gpu_energy", "process");
    assert!(
        (rows - told).abs() < 1e-6 * told,
        "{rows} J in rows, {told} J told"
    );
    let board = joules("nvml_energy_consumption", "local_machine") / 1000.0;
    assert!(board > 300.0, "{board} J in four seconds");
    assert!((told / board - 0.4).abs() < 0.4 * 0.05, "{told} J of {board} J");
    let others = joules("attributed_gpu_energy", "local_machine");
    assert!(
        others > 0.3 * board && others < 0.5 * board,
        "{others} J of nobody"
    );
}
