//! From the configuration to the sources.

use std::collections::BTreeMap;

use alumet_core::catalog::Catalog;
use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_reader_drm::SystemRoot;
use alumet_shared_energy_counter::Refusals;
use alumet_shared_gpu_processes::{ProcessSource, refused};
use alumet_shared_sensor_source::{Claim, SensorSource};

use crate::config::Config;
use crate::device::kfd::Kfd;
use crate::device::{DRIVERS, Energy, Gpu};
use crate::metrics;
use crate::source::{ComputeSource, Metrics, ProcessMetrics};

const SUBJECT: &str = "AMD graphics processors";

/// Measures graphics processors and their processes.
#[derive(Debug)]
pub struct AmdGpuPlugin;

impl Plugin for AmdGpuPlugin {
    const ID: &'static str = "amd-gpu";
    const SUMMARY: &'static str = "Measures the energy, power, use, memory and clocks of AMD graphics processors, and which \
                                   processes use them.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let root = alumet.root().to_path_buf();
        let mut energies = BTreeMap::new();
        let gpus = Gpu::list(&root, &mut energies)?;
        if gpus.is_empty() {
            let reason = "no card in `/sys/class/drm` is bound to the driver `amdgpu`";
            tracing::info!("{SUBJECT}: {reason}");
            alumet.note(Finding::absent(SUBJECT, reason));
            return Ok(Self);
        }
        for gpu in &gpus {
            let finding = found(gpu);
            if gpu.shown.is_empty() && !config.skip_failed_devices {
                return Err(StartError::new(format!(
                    "{}; set `skip_failed_devices = true` to measure without it",
                    finding.detail
                )));
            }
            alumet.note(finding);
        }

        let metrics = Metrics::register(alumet.catalog())?;
        let refusals = Refusals::register(alumet.catalog(), alumet.metric(&metrics::AMD_GPU_REFUSED_VALUES)?);
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
            let gpus = Gpu::list(&of_root, &mut energies)?;
            claim.set(gpus.iter().filter_map(|gpu| gpu.card.hwmon.as_ref()));
            Ok(metrics.sensors(&gpus, catalog))
        };
        alumet
            .source("amd-gpu", SensorSource::new(list, refusals))
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval)
            .blocking();
        if config.processes {
            let metrics = ProcessMetrics::register(alumet.catalog())?;
            let source =
                ProcessSource::new(SystemRoot::at(&root), DRIVERS, *config.refresh_interval, metrics);
            alumet
                .source("amd-gpu-processes", source)
                .every(*config.poll_interval)
                .flush_every(*config.flush_interval)
                .blocking();
            if let Some(kfd) = Kfd::find(&root) {
                let occupancy = alumet.metric(&metrics::AMD_GPU_PROCESS_COMPUTE_UNIT_OCCUPANCY)?;
                let source =
                    ComputeSource::new(kfd, SystemRoot::at(&root), *config.refresh_interval, occupancy);
                alumet
                    .source("amd-gpu-compute", source)
                    .every(*config.poll_interval)
                    .flush_every(*config.flush_interval)
                    .blocking();
            }
        }
        Ok(Self)
    }
}

/// What is known of a graphics processor.
fn found(gpu: &Gpu) -> Finding {
    let bus_id = &gpu.card.bus_id;
    if gpu.shown.is_empty() {
        let remedy = "update the kernel, or look for messages of `amdgpu` in its log";
        return Finding::limited(SUBJECT, format!("the driver shows nothing of {bus_id}"), remedy);
    }
    let energy = match gpu.energy {
        Energy::Counted(_) => "energy by its counter",
        Energy::FromPower => "energy by its power",
        Energy::OfPackage => "no energy, for its power is that of the whole processor, which `rapl` measures",
    };
    Finding::works(
        SUBJECT,
        format!("{bus_id}: {} sensors, {energy}", gpu.shown.len()),
    )
}
