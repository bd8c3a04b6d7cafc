//! Machines: the files in which a kernel shows processors and their counters.

use std::fs::{File, create_dir_all};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::plugin::{Finding, Host, Plugin, StartContext};
use alumet_core::testkit::{Bench, FakeRoot, ManualClock};
use alumet_plugin_rapl::{Config, RaplPlugin};

/// What `max_energy_range_uj` says where the unit is 61 µJ.
pub(crate) const RANGE: u64 = 262_143_328_850;

/// A machine that is measured.
pub(crate) struct Machine {
    pub(crate) root: FakeRoot,
}

impl Machine {
    /// CPUs of a vendor, family and model, one for each (package, die, core).
    pub(crate) fn new(vendor: &str, family: u32, model: u32, cpus: &[(u32, u32, u32)]) -> Self {
        let root = FakeRoot::new();
        root.write(
            "proc/cpuinfo",
            format!(
                "processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nflags\t\t: fpu vme\n\n"
            ),
        );
        root.write("sys/devices/system/cpu/online", format!("0-{}\n", cpus.len() - 1));
        for (cpu, (package, die, core)) in cpus.iter().enumerate() {
            for (file, value) in [
                ("physical_package_id", package),
                ("die_id", die),
                ("core_id", core),
            ] {
                let path = format!("sys/devices/system/cpu/cpu{cpu}/topology/{file}");
                root.write(path, format!("{value}\n"));
            }
        }
        Self { root }
    }

    /// A zone of powercap, in its folder among the devices and with a link in the class.
    pub(crate) fn zone(&self, zone: &str, name: &str, joules: u64) {
        let folder = folder_of(zone);
        self.root
            .write(format!("{folder}/name"), format!("{name}\n"))
            .write(format!("{folder}/max_energy_range_uj"), format!("{RANGE}\n"));
        self.set(zone, joules * 1_000_000);
        self.root
            .link(format!("sys/class/powercap/{zone}"), format!("../../../{folder}"));
    }

    /// Lets the counter of a zone show so many microjoules.
    pub(crate) fn set(&self, zone: &str, microjoules: u64) {
        self.root.write(
            format!("{}/energy_uj", folder_of(zone)),
            format!("{microjoules}\n"),
        );
    }

    /// Lets a register of a CPU show a value.
    pub(crate) fn msr(&self, cpu: u32, register: u64, value: u64) {
        let path = self.root.at(format!("dev/cpu/{cpu}/msr"));
        create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .unwrap();
        file.write_all_at(&value.to_le_bytes(), register).unwrap();
    }

    pub(crate) fn start(&self, config: &str) -> Measuring {
        let config: Config = toml::from_str(config).unwrap();
        Measuring(Bench::start::<RaplPlugin>(config, self.root.path()).unwrap())
    }

    /// What `doctor` would show.
    pub(crate) fn findings(&self, config: &str) -> Vec<Finding> {
        let host = Host::trial(std::sync::Arc::new(ManualClock::new()), self.root.path());
        let mut context = StartContext::new(&host);
        RaplPlugin::start(toml::from_str(config).unwrap(), &mut context).unwrap();
        context.findings().to_vec()
    }

    /// A desktop: cores, graphics, platform, and the same package by memory-mapped registers.
    pub(crate) fn client() -> Self {
        let machine = Self::new("GenuineIntel", 6, 151, &[(0, 0, 0), (0, 0, 1)]);
        machine.zone("intel-rapl:0", "package-0", 100);
        machine.zone("intel-rapl:0:0", "core", 60);
        machine.zone("intel-rapl:0:1", "uncore", 10);
        machine.zone("intel-rapl:1", "psys", 300);
        machine.zone("intel-rapl-mmio:0", "package-0", 100);
        machine
    }

    /// Two packages with memory.
    pub(crate) fn server() -> Self {
        let machine = Self::new(
            "GenuineIntel",
            6,
            85,
            &[(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)],
        );
        for package in 0..2 {
            machine.zone(
                &format!("intel-rapl:{package}"),
                &format!("package-{package}"),
                500,
            );
            machine.zone(&format!("intel-rapl:{package}:0"), "dram", 50);
        }
        machine
    }
}

/// The plugin at work on a machine.
pub(crate) struct Measuring(pub(crate) Bench);

impl Measuring {
    /// The samples of a poll.
    pub(crate) fn poll(&mut self) -> Vec<RecordedSample> {
        self.0.poll("rapl").unwrap()
    }

    /// The energies of a poll one second later, without what is the same on all.
    pub(crate) fn next(&mut self) -> Vec<String> {
        self.0.advance(Duration::from_secs(1));
        energies(&self.poll())
    }

    /// The refused intervals of a poll one second later.
    pub(crate) fn next_refused(&mut self) -> Vec<String> {
        self.0.advance(Duration::from_secs(1));
        let samples = self.poll();
        let refused = samples.iter().map(RecordedSample::to_string);
        let refused =
            refused.filter_map(|text| Some(text.strip_prefix("rapl_refused_intervals ")?.to_owned()));
        refused
            .map(|text| text.replace("local_machine local_machine ", ""))
            .collect()
    }
}

/// `cpu_package:0 {domain=package} = 7` of each sample of energy.
pub(crate) fn energies(samples: &[RecordedSample]) -> Vec<String> {
    let texts = samples.iter().map(RecordedSample::to_string);
    let energies = texts.filter_map(|text| Some(text.strip_prefix("rapl_consumed_energy ")?.to_owned()));
    energies
        .map(|text| text.replacen(" local_machine {", " {", 1))
        .collect()
}

fn folder_of(zone: &str) -> String {
    let mut folder = "sys/devices/virtual/powercap".to_owned();
    let ends = zone.match_indices(':').map(|(at, _)| at).chain([zone.len()]);
    for end in ends {
        folder = format!("{folder}/{}", &zone[..end]);
    }
    folder
}
