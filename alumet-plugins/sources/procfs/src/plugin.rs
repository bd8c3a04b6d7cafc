//! From the configuration to the sources.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{ConfigFault, Finding, Host, Plugin, StartContext, StartError};
use alumet_reader_procfs::SystemRoot;
use parking_lot::Mutex;

use crate::config::{Config, PlanConfig, ProcessesConfig, Strategy};
use crate::diagnose::diagnose;
use crate::metrics;
use crate::source::cpu_frequency::CpuFrequencySource;
use crate::source::disks::DisksSource;
use crate::source::kernel::KernelSource;
use crate::source::load::LoadSource;
use crate::source::memory::MemorySource;
use crate::source::network::NetworkSource;
use crate::source::pressure::PressureSource;
use crate::source::processes::ProcessesSource;
use crate::source::temperatures::TemperaturesSource;
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

    fn check(config: &Config) -> Result<(), ConfigFault> {
        config.check()
    }

    fn diagnose(config: &Config, host: &Host) -> Vec<Finding> {
        diagnose(config, &SystemRoot::at(&host.root))
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let root = SystemRoot::at(alumet.root());
        let mut tables = Tables::default();

        if config.kernel.enabled {
            let source = KernelSource::start(&config.kernel, &root, alumet);
            if let Some(source) = tables.keep("kernel", source) {
                alumet
                    .source("kernel", source)
                    .every(*config.kernel.poll_interval);
            }
        }
        if config.memory.enabled {
            let source = MemorySource::start(&config.memory, &root, alumet);
            if let Some(source) = tables.keep("memory", source) {
                alumet
                    .source("memory", source)
                    .every(*config.memory.poll_interval);
            }
        }
        if config.network.enabled {
            let source = NetworkSource::start(&root, alumet);
            if let Some(source) = tables.keep("network", source) {
                alumet
                    .source("network", source)
                    .every(*config.network.poll_interval);
            }
        }
        if config.disks.enabled {
            let source = DisksSource::start(&config.disks, &root, alumet);
            if let Some(source) = tables.keep("disks", source) {
                alumet.source("disks", source).every(*config.disks.poll_interval);
            }
        }
        if config.load.enabled {
            let source = LoadSource::start(&root, alumet);
            if let Some(source) = tables.keep("load", source) {
                alumet.source("load", source).every(*config.load.poll_interval);
            }
        }
        if config.pressure.enabled {
            let source = PressureSource::start(&root, alumet);
            if let Some(source) = tables.keep("pressure", source) {
                alumet
                    .source("pressure", source)
                    .every(*config.pressure.poll_interval);
            }
        }
        if config.cpu_frequency.enabled {
            match tables.keep("cpu-frequency", CpuFrequencySource::start(&root, alumet)) {
                Some(Some(source)) => {
                    let spec = alumet.source("cpu-frequency", source);
                    spec.every(*config.cpu_frequency.poll_interval).blocking();
                }
                Some(None) => tracing::debug!("no CPU shows its frequency"),
                None => {}
            }
        }
        if config.temperatures.enabled {
            let source = TemperaturesSource::start(&root, alumet);
            if let Some(source) = tables.keep("temperatures", source) {
                let spec = alumet.source("temperatures", source);
                spec.every(*config.temperatures.poll_interval).blocking();
            }
        }
        if config.processes.enabled {
            let sources = process_sources(&config.processes, &root, alumet);
            for (name, interval, source) in tables.keep("processes", sources).unwrap_or_default() {
                let flush = *source.plan().flush_interval;
                alumet.source(name, source).every(interval).flush_every(flush);
            }
        }
        tables.finish()
    }
}

/// What became of the tables that are enabled.
#[derive(Default)]
struct Tables {
    /// Those without which nothing is measured: a machine may well have no sensors.
    started: usize,
    refused: Option<StartError>,
}

impl Tables {
    /// One table that this machine does not offer must not take the others away.
    fn keep<T>(&mut self, source: &'static str, result: Result<T, StartError>) -> Option<T> {
        match result {
            Ok(started) => {
                self.started += usize::from(!matches!(source, "cpu-frequency" | "temperatures"));
                Some(started)
            }
            Err(error) => {
                tracing::warn!(%error, source, "not measured; set `enabled = false` in its table to silence this");
                self.refused.get_or_insert(error);
                None
            }
        }
    }

    fn finish(self) -> Result<ProcfsPlugin, StartError> {
        match self.refused {
            Some(error) if self.started == 0 => Err(error),
            _ => Ok(ProcfsPlugin),
        }
    }
}

/// One source for each group, and one for announced processes where there can be some in no group.
fn process_sources(
    config: &ProcessesConfig,
    root: &SystemRoot,
    alumet: &StartContext<'_>,
) -> Result<Vec<(String, Duration, ProcessesSource)>, StartError> {
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
    let start = |(index, (name, interval, plan)): (usize, (String, HumanDuration, &PlanConfig))| {
        let watcher = Arc::clone(&watcher);
        let source = ProcessesSource::start(
            watcher,
            (index, sources),
            plan.clone(),
            config.cpu_percent_base,
            root,
            alumet,
        )?;
        Ok((name, *interval, source))
    };
    plans.into_iter().enumerate().map(start).collect()
}
