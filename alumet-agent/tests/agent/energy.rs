//! Energy: what `exec` tells of it, what is in the file, and the attributions among the examples.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::csv::{Line, lines_of};
use crate::program::{Ended, Folder, procfs_with, wait_until};

/// The range of the counters, in microjoules.
const RANGE: u64 = 262_143_328_850;

/// A machine that has the processes of this one, and a package and memory that draw 20 W and 5 W.
struct Machine {
    folder: Folder,
    stop: Arc<AtomicBool>,
    counting: Option<JoinHandle<()>>,
}

impl Machine {
    fn without_sensor() -> Self {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("root/sys/devices")).unwrap();
        symlink("/proc", folder.path("root/proc")).unwrap();
        symlink("/sys/devices/system", folder.path("root/sys/devices/system")).unwrap();
        Self {
            folder,
            stop: Arc::default(),
            counting: None,
        }
    }

    /// Its package passes the end of the range in the first second.
    fn with_rapl() -> Self {
        Self::with_package_of(20)
    }

    fn with_package_of(watts: u64) -> Self {
        let mut machine = Self::without_sensor();
        let zone = |path: &str, name: &str| {
            let zone = machine
                .folder
                .path(&format!("root/sys/devices/virtual/powercap/intel-rapl/{path}"));
            fs::create_dir_all(&zone).unwrap();
            fs::write(zone.join("name"), format!("{name}\n")).unwrap();
            fs::write(zone.join("max_energy_range_uj"), format!("{RANGE}\n")).unwrap();
            let counter = File::create(zone.join("energy_uj")).unwrap();
            show(&counter, 0);
            counter
        };
        let package = zone("intel-rapl:0", "package-0");
        let memory = zone("intel-rapl:0/intel-rapl:0:0", "dram");
        let stop = Arc::clone(&machine.stop);
        let begin = Instant::now();
        let count = move || {
            let micros = begin.elapsed().as_micros() as u64;
            show(&package, RANGE - 10_000_000 + watts * micros);
            show(&memory, 5 * micros);
        };
        count();
        machine.counting = Some(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                count();
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
        machine
    }

    /// Measures a busy program with a configuration that names as few plugins as possible.
    fn exec(&self) -> (Ended, Vec<Line>) {
        let procfs = procfs_with("kernel.poll_interval = '1s'");
        self.folder.write(
            "alumet-config.toml",
            format!("system_root = 'root'\n[plugins.energy-to-carbon]\n[plugins.csv]\noutput_path = 'out.csv'\n{procfs}"),
        );
        let busy = "i=0; while [ $i -lt 600000 ]; do i=$((i+1)); done";
        let ended = self.folder.run(&["exec", "--", "sh", "-c", busy]);
        ended.expect_code(0);
        let lines = lines_of(&self.folder.path("out.csv"));
        (ended, lines)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(counting) = self.counting.take() {
            let _ = counting.join();
        }
    }
}

/// In one write of always the same length, so that no reader sees a part.
fn show(counter: &File, micros: u64) {
    let text = format!("{:012}\n", micros % (RANGE + 1));
    counter.write_all_at(text.as_bytes(), 0).unwrap();
}

/// Whether a line has the attribute, in a column of its own or not.
fn has(line: &Line, key: &str, value: &str) -> bool {
    let late = line.text.rsplit(';').next().unwrap();
    late.split(',').any(|pair| pair == format!("{key}={value}")) || line.text.contains(&format!(";{value};"))
}

fn sum<'a>(lines: impl Iterator<Item = &'a Line>) -> f64 {
    lines.map(|line| line.value).sum()
}

/// The two quantities in joules in the row `energy` of the summary: of the program, and of the machine.
fn energy_told(ended: &Ended) -> [f64; 2] {
    let row = ended
        .stderr
        .lines()
        .find(|line| line.trim().starts_with("energy "));
    let row = row.unwrap_or_else(|| panic!("no energy in:\n{}", ended.stderr));
    let number = |text: &str| text.split_whitespace().next().unwrap().parse().unwrap();
    let program = row.trim().strip_prefix("energy").unwrap();
    let machine = row
        .split("the machine's ")
        .nth(1)
        .unwrap_or_else(|| panic!("{row}"));
    [number(program), number(machine)]
}

/// Three digits are told.
#[track_caller]
fn assert_told(told: f64, exact: f64) {
    assert!(
        (told - exact).abs() <= 0.006 * exact + 1e-4,
        "{told} instead of {exact}"
    );
}

/// The energy of each instant by the lines that `are_meant`.
fn per_instant(lines: &[Line], are_meant: impl Fn(&Line) -> bool) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in lines.iter().filter(|line| are_meant(line)) {
        *sums.entry(line.timestamp.clone()).or_default() += line.value;
    }
    sums
}

/// What a program used is the sum of its lines, and all that is shared at an instant is what was measured there. Gives the sum of
/// both.
#[track_caller]
fn assert_conserved(lines: &[Line], is_measured: impl Fn(&Line) -> bool) -> [f64; 2] {
    let is_of_tree = |line: &Line| line.metric == "process_tree_energy_J";
    let measured = per_instant(lines, is_measured);
    let shared = per_instant(lines, is_of_tree);
    // Both begin with a 0, at the instant from which they count.
    for (instant, shared) in shared.iter().skip(1) {
        let measured = measured[instant];
        assert!(
            (shared - measured).abs() <= 1e-6 * measured,
            "{shared} of {measured} J at {instant}"
        );
    }
    let of_program = sum(lines
        .iter()
        .filter(|line| is_of_tree(line) && line.consumer.0 == "process"));
    let shared = shared.values().sum();
    assert!(
        of_program > 0.0 && of_program < shared,
        "{of_program} of {shared}"
    );
    [of_program, shared]
}

#[test]
fn the_energy_of_a_program_is_the_sum_of_its_lines_and_part_of_what_was_measured() {
    let machine = Machine::with_rapl();
    let (ended, lines) = machine.exec();
    let told = energy_told(&ended);
    let [of_program, shared] = assert_conserved(&lines, |line| {
        line.metric == "rapl_consumed_energy_J"
            && ["package", "dram"]
                .iter()
                .any(|domain| has(line, "domain", domain))
    });
    assert_told(told[0], of_program);
    assert_told(told[1], shared);
    let domain = "machine: rapl consumed energy package_total";
    ended.expect_stderr(&["modelled)", domain, "measured)"]);
    assert!(!ended.stderr.contains("estimated"), "{}", ended.stderr);
    assert!(shared > 15.0 * 0.2, "25 W for a while: {shared} J");
}

#[test]
fn a_machine_without_a_sensor_answers_too_and_says_that_it_estimates() {
    let machine = Machine::without_sensor();
    let (ended, lines) = machine.exec();
    let told = energy_told(&ended);
    let [of_program, shared] = assert_conserved(&lines, |line| line.metric == "estimated_consumed_energy_J");
    assert_told(told[0], of_program);
    assert_told(told[1], shared);
    ended.expect_stderr(&["on average, estimated), "]);
    // The mean of the world, 475 g/kWh, of what attribution gives to the program.
    let emissions = lines
        .iter()
        .filter(|line| line.metric.starts_with("carbon_emission"));
    let of_tree = emissions.filter(|line| line.consumer.0 == "process");
    assert!((sum(of_tree) / (of_program / 3.6e6 * 475.0) - 1.0).abs() < 1e-6);
    assert!(
        ended.stderr.lines().any(|line| line.trim().starts_with("CO2 ")),
        "{}",
        ended.stderr
    );
    let mut of_tree = lines.iter().filter(|line| line.metric == "process_tree_energy_J");
    assert!(of_tree.all(|line| line.text.contains(";estimated;")));
}

/// A process that uses a CPU until it is dropped.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let mut shell = Command::new("sh");
        Self(shell.args(["-c", "while :; do :; done"]).spawn().unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs one of the examples beside a busy process and gives what it writes.
fn example(machine: &Machine, name: &str) -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/attribution");
    let config = folder.join(name).display().to_string();
    let busy = Busy::start();
    let mut agent = machine.folder.start(&[
        "--config",
        &config,
        "--config-override",
        "system_root = 'root'",
        "--config-override",
        "plugins.csv.force_flush = true",
    ]);
    agent.wait_until_measuring();
    let path = machine.folder.path("attributed.csv");
    wait_until("the energy of three intervals", || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let process = format!(";process;{};", busy.0.id());
        let of_process = |line: &&str| line.starts_with("attributed_energy_cpu") && line.contains(&process);
        (text.lines().filter(of_process).count() >= 3).then_some(())
    });
    agent.stop(Signal::SIGTERM).expect_code(0);
    lines_of(&path)
        .into_iter()
        .filter(|line| line.consumer.0 != "process" || line.consumer.1 == busy.0.id().to_string())
        .collect()
}

/// Each joule that a process has is the product of what the two series say at that instant, from the second sample on.
#[track_caller]
fn assert_products(lines: &[Line], is_energy: impl Fn(&Line) -> bool) {
    let energies = per_instant(lines, is_energy);
    let usages = per_instant(lines, |line| {
        line.metric.starts_with("cpu_percent") && has(line, "kind", "total")
    });
    let is_result =
        |line: &Line| line.metric.starts_with("attributed_energy_cpu") && line.consumer.0 == "process";
    let results = per_instant(lines, is_result);
    let mut compared = 0;
    for (instant, result) in results.iter().skip(1) {
        // A percentage is taken at that instant between two of its own, whose clock may be slewed meanwhile.
        if let (Some(energy), Some(usage)) = (energies.get(instant), usages.get(instant)) {
            let expected = energy * usage / 100.0;
            assert!(
                (result - expected).abs() <= 1e-3 * expected,
                "{result} instead of {expected}"
            );
            compared += usize::from(expected > 0.0);
        }
    }
    assert!(compared >= 2, "{compared} of {} were compared", results.len());
}

#[test]
fn the_example_for_rapl_gives_a_process_the_energy_times_its_part_of_the_machine() {
    let lines = example(&Machine::with_rapl(), "rapl.toml");
    assert_products(&lines, |line| {
        line.metric == "rapl_consumed_energy_J" && has(line, "domain", "package_total")
    });
}

#[test]
fn the_example_without_a_sensor_does_so_with_what_is_estimated() {
    let lines = example(&Machine::without_sensor(), "tdp.toml");
    assert_products(&lines, |line| line.metric == "estimated_consumed_energy_J");
}

#[test]
fn a_server_shares_the_energy_of_each_node_over_the_processes_of_that_node() {
    let folder = Folder::new();
    let relay = "[plugins.relay-server]\naddress = '127.0.0.1:0'\n[plugins.energy-attribution]\n";
    folder.write(
        "server.toml",
        format!("{relay}[plugins.csv]\noutput_path = 'server.csv'\n"),
    );
    let mut server = folder.start(&["--config", "server.toml"]);
    server.wait_for_log("listening for agents");
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("listening for agents"))
        .unwrap();
    let address = line
        .split("address=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let machines = [("n1", Machine::with_rapl()), ("n2", Machine::with_package_of(70))];
    let agents = machines.each_ref().map(|(node, machine)| {
        let processes = "kernel.poll_interval = '200ms'\n[plugins.procfs.processes]\n\
                         [[plugins.procfs.processes.groups]]\nexe_regex = ''\npoll_interval = '200ms'\nflush_interval = '200ms'\n";
        let config = format!(
            "system_root = 'root'\n[plugins.rapl]\npoll_interval = '200ms'\nflush_interval = '200ms'\n\
             [plugins.relay-client]\nclient_name = '{node}'\nrelay_server = '{address}'\n{}",
            procfs_with(processes)
        );
        machine.folder.write("agent.toml", config);
        machine.folder.start(&["--config", "agent.toml"])
    });
    let of = |lines: &[Line], node: &str, metric: &str| -> Vec<Line> {
        let lines = lines
            .iter()
            .filter(|line| line.metric == metric && has(line, "node", node));
        lines.cloned().collect()
    };
    let path = folder.path("server.csv");
    wait_until("shares of both nodes", || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let idle = |node: &str| {
            let lines = text
                .lines()
                .filter(|line| line.starts_with("attributed_energy_J") && line.contains("idle"));
            lines.filter(|line| line.contains(node)).count()
        };
        (idle("n1") > 5 && idle("n2") > 5).then_some(())
    });
    for agent in agents {
        agent.stop(Signal::SIGTERM).expect_code(0);
    }
    server.stop(Signal::SIGTERM).expect_code(0);
    let lines = lines_of(&path);
    for (node, _) in &machines {
        let rapl = of(&lines, node, "rapl_consumed_energy_J");
        let measured = per_instant(&rapl, |line| {
            has(line, "domain", "package") || has(line, "domain", "dram")
        });
        let attributed = of(&lines, node, "attributed_energy_J");
        assert!(
            attributed
                .iter()
                .any(|line| line.consumer.0 == "process" && line.value > 0.0),
            "{node}"
        );
        let shared = per_instant(&attributed, |_| true);
        assert!(shared.len() > 5);
        for (instant, shared) in shared.iter().skip(1) {
            let measured = measured[instant];
            assert!(
                (shared - measured).abs() <= 1e-6 * measured,
                "{node}: {shared} of {measured} J at {instant}"
            );
        }
    }
}
