//! From the configuration to the sources.

use alumet_core::catalog::Catalog;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_reader_drm::SystemRoot;
use alumet_shared_energy_counter::Refusals;
use alumet_shared_gpu_processes::{ProcessSource, refused};
use alumet_shared_sensor_source::{Claim, SensorSource};

use crate::config::Config;
use crate::device::{DRIVERS, Gpu, Quantity};
use crate::metrics;
use crate::source::{Metrics, ProcessMetrics};

const SUBJECT: &str = "Intel graphics processors";

/// Measures graphics processors and their processes.
#[derive(Debug)]
pub struct IntelGpuPlugin;

impl Plugin for IntelGpuPlugin {
    const ID: &'static str = "intel-gpu";
    const SUMMARY: &'static str = "Measures the energy, power, use and clocks of Intel graphics processors, and which processes use them.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let root = alumet.root().to_path_buf();
        let gpus = Gpu::list(&root)?;
        if gpus.is_empty() {
            let reason = "no card in `/sys/class/drm` is bound to the driver `i915` or `xe`";
            tracing::info!("{SUBJECT}: {reason}");
            alumet.note(Finding::absent(SUBJECT, reason));
            return Ok(Self);
        }
        gpus.iter().map(found).for_each(|finding| alumet.note(finding));

        let metrics = Metrics::register(alumet.catalog())?;
        let refusals = Refusals::register(
            alumet.catalog(),
            alumet.metric(&metrics::INTEL_GPU_REFUSED_VALUES)?,
        );
        if alumet.is_trial() {
            let sensors = metrics.sensors(&gpus, alumet.catalog()).refused(SUBJECT);
            let processes = refused(&SystemRoot::at(&root), SUBJECT).filter(|_| config.processes);
            sensors
                .into_iter()
                .chain(processes)
                .for_each(|finding| alumet.note(finding));
        }
        let claim = Claim::new(Self::ID, alumet.services());
        claim.set(gpus.iter().filter_map(|gpu| gpu.card.hwmon.as_ref()));
        let of_root = root.clone();
        let list = move |catalog: &Catalog| {
            let gpus = Gpu::list(&of_root)?;
            claim.set(gpus.iter().filter_map(|gpu| gpu.card.hwmon.as_ref()));
            Ok(metrics.sensors(&gpus, catalog))
        };
        alumet
            .source("intel-gpu", SensorSource::new(list, refusals))
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval)
            .blocking();
        if config.processes {
            let metrics = ProcessMetrics::register(alumet.catalog())?;
            let source =
                ProcessSource::new(SystemRoot::at(&root), DRIVERS, *config.refresh_interval, metrics);
            alumet
                .source("intel-gpu-processes", source)
                .every(*config.poll_interval)
                .flush_every(*config.flush_interval)
                .blocking();
        }
        Ok(Self)
    }
}

/// What is known of a graphics processor.
fn found(gpu: &Gpu) -> Finding {
    let energy = match gpu.has(Quantity::Energy) {
        true => "energy by its counter",
        false => "no energy; that of an integrated one is a part of the processor's, which `rapl` measures",
    };
    let (bus_id, driver, sensors) = (&gpu.card.bus_id, &gpu.card.driver, gpu.shown.len());
    Finding::works(
        SUBJECT,
        format!("{bus_id} ({driver}): {sensors} sensors, {energy}"),
    )
}
