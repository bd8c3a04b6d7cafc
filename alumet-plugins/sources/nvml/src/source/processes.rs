//! What processes have and use of a GPU.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::source::Accumulator;
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Series, Timestamp};
use hashbrown::HashMap;

use crate::device::{Gauge, Process, Readings};
use crate::metrics;

use super::resource_of;

/// The driver has a sample of a process that uses the GPU every sixth of a second to every second. One without any for so long
/// uses nothing.
const IDLE_AFTER: Duration = Duration::from_secs(2);

/// The series of processes on one GPU.
pub(super) struct Processes {
    bus_id: Arc<str>,
    memory_metric: MetricHandle<u64>,
    /// SM, memory, encoder, decoder.
    use_metrics: [MetricHandle<u64>; 4],
    memory: HashMap<Process, Series<u64>>,
    uses: HashMap<u32, Used>,
}

struct Used {
    series: [Series<u64>; 4],
    /// What was told last, in percent.
    latest: [u64; 4],
    /// When that was.
    told_at: Monotonic,
    /// The sum of what was told since the poll before, and how often that was.
    sum: [u64; 4],
    told: u64,
}

impl Processes {
    pub(super) fn new(bus_id: &Arc<str>, catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            bus_id: Arc::clone(bus_id),
            memory_metric: catalog.metric(&metrics::NVML_USED_GPU_MEMORY)?,
            use_metrics: [
                catalog.metric(&metrics::NVML_SM_UTILIZATION)?,
                catalog.metric(&metrics::NVML_MEMORY_UTILIZATION)?,
                catalog.metric(&metrics::NVML_ENCODER_UTILIZATION)?,
                catalog.metric(&metrics::NVML_DECODER_UTILIZATION)?,
            ],
            memory: HashMap::new(),
            uses: HashMap::new(),
        })
    }

    /// Pushes what was read.
    pub(super) fn push(&mut self, readings: &Readings, at: Timestamp, out: &mut Accumulator<'_>) {
        self.push_memory(readings, at, out);
        if readings.knows_uses {
            self.push_uses(readings, at, out);
        }
    }

    fn push_memory(&mut self, readings: &Readings, at: Timestamp, out: &mut Accumulator<'_>) {
        let listed = |process: &Process| readings.processes.iter().any(|(one, _)| one == process);
        self.memory.retain(|process, _| listed(process));
        for (process, bytes) in &readings.processes {
            let Some(bytes) = bytes else { continue };
            let series = self.memory.entry(*process).or_insert_with(|| {
                let resource = resource_of(&self.bus_id, process.gpu_instance);
                let consumer = Consumer::Process { pid: process.pid };
                let context = if process.is_compute { "compute" } else { "graphics" };
                let series = out.catalog().series(self.memory_metric, resource, consumer);
                let series = series.attribute("context", context);
                match process.compute_instance {
                    Some(id) => series.attribute("compute_instance_id", u64::from(id)).register(),
                    None => series.register(),
                }
            });
            out.push_at(series, at, *bytes);
        }
    }

    /// The use of a process at the time of the poll is the mean of what the driver saw since the poll before, or else what it
    /// saw last: so each interval of energy has a use at its end, and uses of several processes can be added up.
    fn push_uses(&mut self, readings: &Readings, at: Timestamp, out: &mut Accumulator<'_>) {
        let now = out.tick().monotonic;
        for (process, _) in &readings.processes {
            self.used(process.pid, out);
        }
        for one in &readings.uses {
            let used = self.used(one.pid, out);
            let percents = [one.sm, one.memory, one.encoder, one.decoder];
            for (sum, percent) in used.sum.iter_mut().zip(percents) {
                *sum += u64::from(percent);
            }
            used.told += 1;
        }
        let is_listed = |pid: u32| readings.processes.iter().any(|(process, _)| process.pid == pid);
        let are_listed = readings.gauge(Gauge::ComputeProcesses).is_some();
        self.uses.retain(|pid, used| {
            let sum = std::mem::take(&mut used.sum);
            let is_idle = now.since(used.told_at) >= IDLE_AFTER;
            match std::mem::take(&mut used.told) {
                // One that is not listed has ended.
                0 if !is_listed(*pid) && (are_listed || is_idle) => return false,
                0 if is_idle => used.latest = [0; 4],
                0 => {}
                told => (used.latest, used.told_at) = (sum.map(|sum| (sum + told / 2) / told), now),
            }
            for (series, percent) in used.series.iter().zip(used.latest) {
                out.push_at(series, at, percent);
            }
            true
        });
    }

    fn used(&mut self, pid: u32, out: &Accumulator<'_>) -> &mut Used {
        self.uses.entry(pid).or_insert_with(|| Used {
            series: self.use_metrics.map(|metric| {
                let (resource, consumer) = (resource_of(&self.bus_id, None), Consumer::Process { pid });
                out.catalog().series(metric, resource, consumer).register()
            }),
            latest: [0; 4],
            told_at: out.tick().monotonic,
            sum: [0; 4],
            told: 0,
        })
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        self.uses.clear();
    }
}
