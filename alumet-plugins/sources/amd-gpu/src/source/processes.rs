//! Which metric has what of what processes use.

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_shared_gpu_processes::{Describe, Described, Part};

use crate::metrics;

/// The metrics of processes, registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessMetrics {
    gfx: MetricHandle<u64>,
    encode: MetricHandle<u64>,
    other: MetricHandle<u64>,
    memory: MetricHandle<u64>,
    vram: MetricHandle<u64>,
    gtt: MetricHandle<u64>,
    cpu: MetricHandle<u64>,
}

impl ProcessMetrics {
    pub(crate) fn register(catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            gfx: catalog.metric(&metrics::AMD_GPU_PROCESS_ENGINE_GFX)?,
            encode: catalog.metric(&metrics::AMD_GPU_PROCESS_ENGINE_USAGE_ENCODE)?,
            other: catalog.metric(&metrics::AMD_GPU_PROCESS_ENGINE_TIME)?,
            memory: catalog.metric(&metrics::AMD_GPU_PROCESS_MEMORY_USAGE)?,
            vram: catalog.metric(&metrics::AMD_GPU_PROCESS_MEMORY_USAGE_VRAM)?,
            gtt: catalog.metric(&metrics::AMD_GPU_PROCESS_MEMORY_USAGE_GTT)?,
            cpu: catalog.metric(&metrics::AMD_GPU_PROCESS_MEMORY_USAGE_CPU)?,
        })
    }
}

impl Describe for ProcessMetrics {
    /// Engines and regions are named in `amdgpu_fdinfo.c` of Linux.
    fn describe<'n>(&self, part: Part<'n>) -> Option<Described<'n>> {
        let (metric, attribute) = match part {
            Part::Engine("gfx") => (self.gfx, None),
            Part::Engine("enc") => (self.encode, None),
            Part::Engine(other) => (self.other, Some(("engine", other))),
            Part::Memory("vram") => (self.vram, None),
            Part::Memory("gtt") => (self.gtt, None),
            Part::Memory("cpu") => (self.cpu, None),
            Part::Memory(_) => return None,
            Part::AllMemory => (self.memory, None),
        };
        Some(Described { metric, attribute })
    }
}
