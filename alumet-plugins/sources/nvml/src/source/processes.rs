//! What processes have and use of a GPU.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::{Catalog, IncompatibleMetric, MetricHandle};
use alumet_core::source::Accumulator;
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Series, Timestamp};
use alumet_reader_procfs::SystemRoot;
use alumet_shared_energy_counter::ReadAt;
use alumet_shared_gpu_processes::attributes_of;
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
    /// Where processes tell who they are.
    root: SystemRoot,
    memory_metric: MetricHandle<u64>,
    /// SM, memory, encoder, decoder.
    use_metrics: [MetricHandle<u64>; 4],
    time_metric: MetricHandle<u64>,
    /// When uses were read the last time, on both clocks.
    read_at: Option<(Monotonic, Timestamp)>,
    memory: HashMap<Process, Series<u64>>,
    uses: HashMap<u32, Used>,
}

struct Used {
    series: [Series<u64>; 4],
    sm_time: Series<u64>,
    has_begun: bool,
    /// What was told last, in percent.
    latest: [u64; 4],
    /// When that was.
    told_at: Monotonic,
    /// The sum of what was told since the poll before, and how often that was.
    sum: [u64; 4],
    told: u64,
}

impl Processes {
    pub(super) fn new(bus_id: &Arc<str>, root: &Path, catalog: &Catalog) -> Result<Self, IncompatibleMetric> {
        Ok(Self {
            bus_id: Arc::clone(bus_id),
            root: SystemRoot::at(root),
            memory_metric: catalog.metric(&metrics::NVML_USED_GPU_MEMORY)?,
            use_metrics: [
                catalog.metric(&metrics::NVML_SM_UTILIZATION)?,
                catalog.metric(&metrics::NVML_MEMORY_UTILIZATION)?,
                catalog.metric(&metrics::NVML_ENCODER_UTILIZATION)?,
                catalog.metric(&metrics::NVML_DECODER_UTILIZATION)?,
            ],
            time_metric: catalog.metric(&metrics::NVML_PROCESS_SM_TIME)?,
            read_at: None,
            memory: HashMap::new(),
            uses: HashMap::new(),
        })
    }

    /// Pushes what was read.
    pub(super) fn push(&mut self, readings: &Readings, at: ReadAt, out: &mut Accumulator<'_>) {
        self.push_memory(readings, at.timestamp, out);
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
                let series = series.attributes(&attributes_of(&self.root, process.pid));
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
    /// The time that it used is its share for as long, so that the energy of the same time can be shared by it.
    fn push_uses(&mut self, readings: &Readings, at: ReadAt, out: &mut Accumulator<'_>) {
        let (now, at) = (at.before.monotonic, at.timestamp);
        // What begins now has used the GPU since the poll before.
        let previous = self.read_at.replace((now, at));
        let elapsed = previous.map(|(then, _)| now.since(then));
        let since = previous.map_or(at, |(_, then)| then);
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
            let told = std::mem::take(&mut used.told);
            match told {
                // One that is not listed has ended.
                0 if !is_listed(*pid) && (are_listed || is_idle) => return false,
                0 if is_idle => used.latest = [0; 4],
                0 => {}
                _ => (used.latest, used.told_at) = (sum.map(|sum| (sum + told / 2) / told), now),
            }
            for (series, percent) in used.series.iter().zip(used.latest) {
                out.push_at(series, at, percent);
            }
            if !std::mem::replace(&mut used.has_begun, true) {
                out.push_at(&used.sm_time, since, 0);
            }
            if let Some(elapsed) = elapsed {
                // No sample of the driver stands for longer than that.
                let known = elapsed.min(IDLE_AFTER * told.clamp(1, 1 << 20) as u32);
                out.push_at(&used.sm_time, at, known.as_nanos() as u64 / 100 * used.latest[0]);
            }
            true
        });
    }

    fn used(&mut self, pid: u32, out: &Accumulator<'_>) -> &mut Used {
        self.uses.entry(pid).or_insert_with(|| {
            let attributes = attributes_of(&self.root, pid);
            let series = |metric| {
                let (resource, consumer) = (resource_of(&self.bus_id, None), Consumer::Process { pid });
                let series = out.catalog().series(metric, resource, consumer);
                series.attributes(&attributes).register()
            };
            Used {
                series: self.use_metrics.map(series),
                sm_time: series(self.time_metric),
                has_begun: false,
                latest: [0; 4],
                told_at: out.tick().monotonic,
                sum: [0; 4],
                told: 0,
            }
        })
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        self.uses.clear();
        self.read_at = None;
    }
}
