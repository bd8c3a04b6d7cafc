//! From the configuration to the sources.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::duration::HumanDuration;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::source::Source;
use alumet_reader_procfs::SystemRoot;
use parking_lot::Mutex;

use crate::config::{Config, PlanConfig, ProcessesConfig, Strategy, TableConfig};
use crate::metrics;
use crate::notes::{note, processes, refused};
use crate::source::processes::ProcessesSource;
use crate::source::{
    Late, Opened, cpu_frequency, disks, kernel, load, memory, network, pressure, temperatures,
};
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
        let is_trial = alumet.is_trial();
        let mut tables = Tables {
            root: SystemRoot::at(alumet.root()),
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

        tables.add("kernel", kernel::SUBJECT, &kernel.table, move |root, catalog| {
            kernel::open(kernel.iowait, root, catalog)
        });
        tables.add("memory", memory::SUBJECT, &memory.table, move |root, catalog| {
            memory::open(&memory.metrics, root, catalog)
        });
        tables.add("network", network::SUBJECT, &network, network::open);
        tables.add("disks", disks::SUBJECT, &disks.table, move |root, catalog| {
            disks::open(disks.partitions, root, catalog)
        });
        tables.add("load", load::SUBJECT, &load, load::open);
        tables.add("pressure", pressure::SUBJECT, &pressure, pressure::open);
        tables.add(
            "cpu-frequency",
            cpu_frequency::SUBJECT,
            &cpu_frequency,
            move |root, catalog| cpu_frequency::open(is_trial, root, catalog),
        );
        tables.add(
            "temperatures",
            temperatures::SUBJECT,
            &temperatures,
            move |root, catalog| temperatures::open(is_trial, root, catalog),
        );
        if processes.enabled {
            tables.add_processes(&processes);
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
    root: SystemRoot,
    alumet: &'t mut StartContext<'a>,
    /// Those without which nothing is measured: a machine may well have no sensors.
    started: usize,
    refused: Option<StartError>,
}

/// The kernel counts most of what it tells of the machine in ticks, of at most 10 ms.
const TICK: Duration = Duration::from_millis(10);

/// Sources that can take long to poll, and that a machine can be without.
const SENSORS: [&str; 2] = ["cpu-frequency", "temperatures"];

/// Sources that a machine can be without.
const OPTIONAL: [&str; 3] = ["network", "disks", "pressure"];

impl Tables<'_, '_> {
    fn add<S: Source>(
        &mut self,
        name: &'static str,
        subject: &str,
        config: &TableConfig,
        open: impl Fn(&SystemRoot, &Catalog) -> Opened<S> + Send + 'static,
    ) {
        if !config.enabled {
            return;
        }
        let root = self.root.clone();
        let open = move |catalog: &Catalog| open(&root, catalog);
        let source = match open(self.alumet.catalog()) {
            Ok((None, finding)) => return note(self.alumet, finding),
            Ok((source, finding)) => {
                note(self.alumet, finding);
                source
            }
            Err(error) => {
                note(
                    self.alumet,
                    refused(subject, name, OPTIONAL.contains(&name), &error),
                );
                if !error.is_for_now() {
                    self.refused.get_or_insert(error.into());
                    return;
                }
                None
            }
        };
        let is_sensor = SENSORS.contains(&name);
        self.started += usize::from(!is_sensor);
        let spec = self.alumet.source(name, Late { source, open });
        spec.every(*config.poll_interval).finest(TICK);
        if is_sensor {
            spec.blocking();
        }
    }

    fn add_processes(&mut self, config: &ProcessesConfig) {
        for finding in processes::findings(config, &self.root) {
            note(self.alumet, finding);
        }
        match self.add_process_sources(config) {
            Ok(()) => self.started += 1,
            Err(error) => {
                self.refused.get_or_insert(error);
            }
        }
    }

    /// One source for each group, and one for announced processes where there can be some in no group.
    fn add_process_sources(&mut self, config: &ProcessesConfig) -> Result<(), StartError> {
        let (alumet, root) = (&mut *self.alumet, &self.root);
        let groups = match config.strategy {
            Strategy::Watcher => config.groups.as_slice(),
            Strategy::Event => &[],
        };
        let matchers = groups.iter().map(Matcher::of).collect::<Result<Vec<_>, _>>()?;
        let numbered = groups.iter().enumerate();
        let mut plans: Vec<(String, HumanDuration, &PlanConfig)> = numbered
            .map(|(index, group)| {
                (
                    format!("processes-{}", index + 1),
                    group.poll_interval,
                    &group.plan,
                )
            })
            .collect();
        if !matchers.iter().any(Matcher::has_all) {
            let events = &config.events;
            plans.push((
                "processes-announced".to_owned(),
                events.poll_interval,
                &events.plan,
            ));
        }
        plans[0].0 = "processes".to_owned();

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
