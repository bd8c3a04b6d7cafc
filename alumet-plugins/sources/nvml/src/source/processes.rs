//! What processes have and use of a GPU.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::source::Accumulator;
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Series, Timestamp};
use hashbrown::HashMap;

use crate::device::{Process, Readings};
use crate::metrics;

use super::resource_of;

/// The driver has a sample of a process that uses the GPU every sixth of a second to every second. One without any for so long
/// uses nothing.
const IDLE_AFTER: Duration = Duration::from_secs(2);

/// A process that is not listed and of which no use is told for so long has gone.
const GONE_AFTER: Duration = Duration::from_secs(10);

/// By so much the time of a sample can differ from that of the poll.
const OLDEST: Duration = Duration::from_secs(60);

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
    /// When a use was told the last time.
    told_at: Monotonic,
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

    /// Pushes what was read. Uses have the times of the driver.
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

    fn push_uses(&mut self, readings: &Readings, at: Timestamp, out: &mut Accumulator<'_>) {
        let now = out.tick().monotonic;
        for one in &readings.uses {
            let used = self.used(one.pid, out);
            used.told_at = now;
            let percents = [one.sm, one.memory, one.encoder, one.decoder].map(u64::from);
            let time = time_of(one.at, at);
            for (series, percent) in used.series.iter().zip(percents) {
                out.push_at(series, time, percent);
            }
        }
        for (process, _) in &readings.processes {
            let used = self.used(process.pid, out);
            if now.since(used.told_at) >= IDLE_AFTER {
                used.series.iter().for_each(|series| out.push_at(series, at, 0));
            }
        }
        let is_listed = |pid: u32| readings.processes.iter().any(|(process, _)| process.pid == pid);
        self.uses
            .retain(|pid, used| is_listed(*pid) || now.since(used.told_at) < GONE_AFTER);
    }

    fn used(&mut self, pid: u32, out: &Accumulator<'_>) -> &mut Used {
        self.uses.entry(pid).or_insert_with(|| Used {
            series: self.use_metrics.map(|metric| {
                let (resource, consumer) = (resource_of(&self.bus_id, None), Consumer::Process { pid });
                out.catalog().series(metric, resource, consumer).register()
            }),
            told_at: out.tick().monotonic,
        })
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        self.uses.clear();
    }
}

/// The time of a use, unless it cannot be: then that of the poll.
fn time_of(micros: u64, at: Timestamp) -> Timestamp {
    let nanos = i64::try_from(micros)
        .ok()
        .and_then(|micros| micros.checked_mul(1000));
    let time = nanos.map_or(at, Timestamp::from_nanos);
    let is_plausible = at.saturating_sub(OLDEST) <= time && time <= at.saturating_add(Duration::from_secs(1));
    if is_plausible { time } else { at }
}
