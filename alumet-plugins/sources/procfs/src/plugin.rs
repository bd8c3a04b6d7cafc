//! From the configuration to the sources.

use std::sync::Arc;

use alumet_core::duration::HumanDuration;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::source::Source;
use alumet_reader_procfs::SystemRoot;
use parking_lot::Mutex;

use crate::config::{Config, PlanConfig, ProcessesConfig, Strategy, TableConfig};
use crate::error::TableError;
use crate::metrics;
use crate::notes::{absent, broken, note, processes};
use crate::source::cpu_frequency::{self, CpuFrequencySource};
use crate::source::disks::{self, DisksSource};
use crate::source::kernel::{self, KernelSource};
use crate::source::load::{self, LoadSource};
use crate::source::memory::{self, MemorySource};
use crate::source::network::{self, NetworkSource};
use crate::source::pressure::{self, PressureSource};
use crate::source::processes::ProcessesSource;
use crate::source::temperatures::{self, TemperaturesSource};
use crate::watch::{Matcher, Watcher};

/// Measures what Linux counts about the machine and its processes.
#[derive(Debug)]
pub struct ProcfsPlugin;

impl Plugin for ProcfsPlugin {
    const ID: &'static str = "procfs";
    const SUMMARY: &'static str = "Measures CPU time, memory, network, disks, pressure, temperatures and processes as Linux counts them.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let root = &SystemRoot::at(alumet.root());
        let mut tables = Tables {
            alumet,
            started: 0,
            refused: None,
        };
        let Config {
            kernel,
            memory,
            network,
            disks,
            load,
            pressure,
            cpu_frequency,
            temperatures,
            processes,
        } = config;

        tables.add(kernel::TABLE, &kernel.table, |alumet| {
            KernelSource::start(kernel.iowait, root, alumet)
        });
        tables.add(memory::TABLE, &memory.table, |alumet| {
            MemorySource::start(&memory.metrics, root, alumet)
        });
        tables.add(network::TABLE, &network, |alumet| {
            NetworkSource::start(root, alumet)
        });
        tables.add(disks::TABLE, &disks.table, |alumet| {
            DisksSource::start(disks.partitions, root, alumet)
        });
        tables.add(load::TABLE, &load, |alumet| LoadSource::start(root, alumet));
        tables.add(pressure::TABLE, &pressure, |alumet| {
            PressureSource::start(root, alumet)
        });
        tables.add(cpu_frequency::TABLE, &cpu_frequency, |alumet| {
            CpuFrequencySource::start(root, alumet)
        });
        tables.add(temperatures::TABLE, &temperatures, |alumet| {
            TemperaturesSource::start(root, alumet)
        });
        if processes.enabled {
            tables.add_processes(&processes, root);
        }
        match tables.refused {
            Some(error) if tables.started == 0 => Err(error),
            _ => Ok(Self),
        }
    }
}

/// The tables that are enabled, and what became of them: one that this machine does not offer must not take the others
/// away.
struct Tables<'t, 'a> {
    alumet: &'t mut StartContext<'a>,
    /// Those without which nothing is measured: a machine may well have no sensors.
    started: usize,
    refused: Option<StartError>,
}

/// Sources that can take long to poll, and that a machine can be without.
const SENSORS: [&str; 2] = ["cpu-frequency", "temperatures"];

/// Sources that a machine can be without.
const OPTIONAL: [&str; 3] = ["network", "disks", "pressure"];

impl<'a> Tables<'_, 'a> {
    fn add<S: Source>(
        &mut self,
        (name, subject): (&'static str, &'static str),
        config: &TableConfig,
        start: impl FnOnce(&mut StartContext<'a>) -> Result<Option<S>, TableError>,
    ) {
        if !config.enabled {
            return;
        }
        match start(self.alumet) {
            Ok(None) => {}
            Ok(Some(source)) => {
                let is_sensor = SENSORS.contains(&name);
                self.started += usize::from(!is_sensor);
                let spec = self.alumet.source(name, source).every(*config.poll_interval);
                if is_sensor {
                    spec.blocking();
                }
            }
            Err(error) => {
                if let TableError::Read(error) = &error {
                    let sort = if OPTIONAL.contains(&name) { absent } else { broken };
                    note(self.alumet, sort(subject, name, error));
                }
                self.refused.get_or_insert(error.into());
            }
        }
    }

    fn add_processes(&mut self, config: &ProcessesConfig, root: &SystemRoot) {
        for finding in processes::findings(config, root) {
            note(self.alumet, finding);
        }
        match self.add_process_sources(config, root) {
            Ok(()) => self.started += 1,
            Err(error) => {
                self.refused.get_or_insert(error);
            }
        }
    }

    /// One source for each group, and one for announced processes where there can be some in no group.
    fn add_process_sources(&mut self, config: &ProcessesConfig, root: &SystemRoot) -> Result<(), StartError> {
        let alumet = &mut *self.alumet;
        let groups = match config.strategy {
            Strategy::Watcher => config.groups.as_slice(),
            Strategy::Event => &[],
        };
        let matchers = groups.iter().map(Matcher::of).collect::<Result<Vec<_>, _>>()?;
        let all_are_in_a_group = matchers.iter().any(Matcher::has_all);
        let mut plans: Vec<(String, HumanDuration, &PlanConfig)> = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let name = match index {
                0 => "processes".to_owned(),
                _ => format!("processes-{}", index + 1),
            };
            plans.push((name, group.poll_interval, &group.plan));
        }
        if !all_are_in_a_group {
            let name = match groups.is_empty() {
                true => "processes",
                false => "processes-announced",
            };
            plans.push((name.to_owned(), config.events.poll_interval, &config.events.plan));
        }

        let watcher = Watcher::start(
            root,
            matchers,
            alumet.events().subscribe(),
            *config.refresh_interval,
            alumet.clock().now().monotonic,
        )?;
        let watcher = Arc::new(Mutex::new(watcher));
        let sources = plans.len();
        for (index, (name, interval, plan)) in plans.into_iter().enumerate() {
            let watcher = Arc::clone(&watcher);
            let inbox = (index, sources);
            let source = ProcessesSource::start(watcher, inbox, plan, config.cpu_percent_base, root, alumet)?;
            let spec = alumet.source(name, source).every(*interval);
            spec.flush_every(*plan.flush_interval);
        }
        Ok(())
    }
}
