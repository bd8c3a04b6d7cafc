//! The source of processes that compute.

use std::collections::BTreeMap;
use std::time::Duration;

use alumet_core::catalog::MetricHandle;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_drm::SystemRoot;
use alumet_shared_gpu_processes::attributes_of;

use crate::device::kfd::Kfd;

/// Makes samples of the compute units that work for processes.
#[derive(Debug)]
pub(crate) struct ComputeSource {
    kfd: Kfd,
    root: SystemRoot,
    refresh: Duration,
    scanned: Option<Monotonic>,
    occupancy: MetricHandle<f64>,
    series: BTreeMap<(u32, String), Series<f64>>,
}

impl ComputeSource {
    /// A source that looks for new processes after each `refresh`.
    pub(crate) const fn new(
        kfd: Kfd,
        root: SystemRoot,
        refresh: Duration,
        occupancy: MetricHandle<f64>,
    ) -> Self {
        Self {
            kfd,
            root,
            refresh,
            scanned: None,
            occupancy,
            series: BTreeMap::new(),
        }
    }
}

impl Source for ComputeSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        if self
            .scanned
            .is_none_or(|scanned| now.since(scanned) >= self.refresh)
        {
            self.kfd.scan()?;
            self.scanned = Some(now);
        }
        let mut earlier = std::mem::take(&mut self.series);
        self.kfd.read(|pid, node, percent| {
            let key = (pid, node.bus_id.clone());
            let series = earlier.remove(&key).unwrap_or_else(|| {
                let resource = Resource::Gpu {
                    bus_id: node.bus_id.as_str().into(),
                };
                let series = out
                    .catalog()
                    .series(self.occupancy, resource, Consumer::Process { pid });
                series.attributes(&attributes_of(&self.root, pid)).register()
            });
            out.push(&series, percent);
            self.series.insert(key, series);
        });
        Ok(())
    }
}
