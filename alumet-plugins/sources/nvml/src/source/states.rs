//! What is known of a GPU and its partitions beyond energy, but for processes.

use std::sync::Arc;

use alumet_core::catalog::{Catalog, IncompatibleMetric};
use alumet_core::counter::{Counter, CounterRange, DeltaSeries};
use alumet_core::metric::MetricDef;
use alumet_core::source::Accumulator;
use alumet_core::value::Number;
use alumet_core::{Series, Timestamp};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::device::{Count, Gauge, GpmMetric, Identity, Readings};
use crate::metrics;

use super::of_gpu;

/// More bytes per second than any link carries.
const MAX_BYTES: f64 = 1e13;

/// More errors per second than can be.
const MAX_ERRORS: f64 = 1e9;

/// The bits of `nvmlClocksThrottleReasons` (nvml.h), from the lowest.
const CLOCK_REASONS: [&str; 9] = [
    "gpu_idle",
    "applications_clocks_setting",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
    "display_clock_setting",
];

const STATES: [&str; 3] = ["quiet", "allocated_idle", "busy"];

/// The series of a GPU, each registered when there is something to tell.
pub(super) struct States {
    bus_id: Arc<str>,
    /// What the GPU is, and the series that tells it.
    info: Option<(Identity, Option<Series<u64>>)>,
    gauges: HashMap<(Option<u32>, Gauge), Series<u64>>,
    gpm: HashMap<(Option<u32>, GpmMetric), Series<f64>>,
    counts: HashMap<Count, DeltaSeries>,
    xids: HashMap<u64, Series<u64>>,
    clock_reasons: Vec<Series<u64>>,
    states: Vec<Series<u64>>,
    /// The time of the sample before.
    previous: Option<Timestamp>,
}

impl States {
    pub(super) fn new(bus_id: &Arc<str>) -> Self {
        Self {
            bus_id: Arc::clone(bus_id),
            info: None,
            gauges: HashMap::new(),
            gpm: HashMap::new(),
            counts: HashMap::new(),
            xids: HashMap::new(),
            clock_reasons: Vec::new(),
            states: Vec::new(),
            previous: None,
        }
    }

    /// Says what the GPU is.
    pub(super) fn name(&mut self, identity: &Identity) {
        self.info = Some((identity.clone(), None));
    }

    /// Pushes what was read.
    ///
    /// # Errors
    /// When another plugin has a metric of the same name.
    pub(super) fn push(
        &mut self,
        readings: &Readings,
        at: Timestamp,
        out: &mut Accumulator<'_>,
    ) -> Result<(), IncompatibleMetric> {
        self.push_info(at, out)?;
        let of_gpu = readings
            .gauges
            .iter()
            .map(|(gauge, value)| (None, *gauge, *value));
        let of_partitions = readings.partition_gauges.iter();
        let of_partitions = of_partitions.map(|(instance, gauge, value)| (Some(*instance), *gauge, *value));
        for (instance, gauge, value) in of_gpu.chain(of_partitions) {
            let series = match self.gauges.entry((instance, gauge)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let (metric, attribute) = definition(gauge);
                    entry.insert(register(
                        out.catalog(),
                        &metric,
                        &self.bus_id,
                        instance,
                        attribute,
                    )?)
                }
            };
            out.push_at(series, at, value);
        }
        for &(instance, metric, value) in &readings.gpm {
            let series = match self.gpm.entry((instance, metric)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let attribute = Some(("gpm_metric", metric.as_str()));
                    let metric = match metric.is_throughput() {
                        true => metrics::NVML_GPM_THROUGHPUT,
                        false => metrics::NVML_GPM_UTILIZATION,
                    };
                    entry.insert(register(
                        out.catalog(),
                        &metric,
                        &self.bus_id,
                        instance,
                        attribute,
                    )?)
                }
            };
            // NVML gives mebibytes per second.
            let scale = if metric.is_throughput() { 1_048_576.0 } else { 1.0 };
            out.push_at(series, at, value * scale);
        }
        self.push_counts(readings, out)?;
        self.push_xids(readings, at, out)?;
        self.push_clock_reasons(readings, at, out)?;
        self.push_state(readings, at, out)?;
        self.previous = Some(at);
        Ok(())
    }

    fn push_info(&mut self, at: Timestamp, out: &mut Accumulator<'_>) -> Result<(), IncompatibleMetric> {
        let Some((identity, series)) = &mut self.info else {
            return Ok(());
        };
        let series = match series {
            Some(series) => series,
            none => none.insert(
                of_gpu(out.catalog(), &metrics::NVML_DEVICE_INFO, &self.bus_id, None)?
                    .attribute("uuid", identity.uuid.as_str())
                    .attribute("model", identity.model.as_str())
                    .attribute("index", u64::from(identity.index))
                    .attribute("driver", identity.driver.as_str())
                    .register(),
            ),
        };
        out.push_at(series, at, 1);
        Ok(())
    }

    fn push_counts(
        &mut self,
        readings: &Readings,
        out: &mut Accumulator<'_>,
    ) -> Result<(), IncompatibleMetric> {
        for counted in &readings.counts {
            let series = match self.counts.entry(counted.count) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let (metric, attribute) = definition_of_count(counted.count);
                    let series = register(out.catalog(), &metric, &self.bus_id, None, attribute)?;
                    let range = match counted.is_short {
                        true => CounterRange::Bits32,
                        false => CounterRange::Unknown,
                    };
                    let max_rate = if counted.count.is_error() {
                        MAX_ERRORS
                    } else {
                        MAX_BYTES
                    };
                    entry.insert(DeltaSeries::new(
                        series,
                        Counter::new(range).with_max_rate(max_rate),
                    ))
                }
            };
            series.push(out, counted.value);
        }
        Ok(())
    }

    /// The first error of a number is preceded by the 0 of the time when there was none yet.
    fn push_xids(
        &mut self,
        readings: &Readings,
        at: Timestamp,
        out: &mut Accumulator<'_>,
    ) -> Result<(), IncompatibleMetric> {
        for (index, xid) in readings.xids.iter().enumerate() {
            if readings.xids[..index].contains(xid) {
                continue;
            }
            let count = readings.xids.iter().filter(|one| *one == xid).count();
            let series = match self.xids.entry(*xid) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let series = of_gpu(out.catalog(), &metrics::NVML_XID_ERRORS, &self.bus_id, None)?;
                    let series = entry.insert(series.attribute("xid", *xid).register());
                    out.push_at(series, self.previous.unwrap_or(at), 0);
                    series
                }
            };
            out.push_at(series, at, count as u64);
            tracing::warn!(gpu = %self.bus_id, xid, "the driver tells of a critical error");
        }
        Ok(())
    }

    fn push_clock_reasons(
        &mut self,
        readings: &Readings,
        at: Timestamp,
        out: &mut Accumulator<'_>,
    ) -> Result<(), IncompatibleMetric> {
        let Some(bits) = readings.clock_reasons else {
            return Ok(());
        };
        if self.clock_reasons.is_empty() {
            let (catalog, metric) = (out.catalog(), &metrics::NVML_THROTTLE_REASON);
            let series = |reason| register(catalog, metric, &self.bus_id, None, Some(("reason", reason)));
            self.clock_reasons = CLOCK_REASONS.into_iter().map(series).collect::<Result<_, _>>()?;
        }
        for (bit, series) in self.clock_reasons.iter().enumerate() {
            out.push_at(series, at, bits >> bit & 1);
        }
        Ok(())
    }

    /// Nothing is told of what is not known, as the use of a GPU that is partitioned.
    fn push_state(
        &mut self,
        readings: &Readings,
        at: Timestamp,
        out: &mut Accumulator<'_>,
    ) -> Result<(), IncompatibleMetric> {
        let processes = readings.gauge(Gauge::ComputeProcesses);
        let (Some(use_of_gpu), Some(computing)) = (readings.gauge(Gauge::GpuUtilization), processes) else {
            return Ok(());
        };
        let drawing = readings.gauge(Gauge::GraphicProcesses).unwrap_or(0);
        let state = match (use_of_gpu, computing + drawing) {
            (0, 0) => "quiet",
            (0, _) => "allocated_idle",
            _ => "busy",
        };
        if self.states.is_empty() {
            let (catalog, metric) = (out.catalog(), &metrics::NVML_STATE);
            let series = |state| register(catalog, metric, &self.bus_id, None, Some(("state", state)));
            self.states = STATES.into_iter().map(series).collect::<Result<_, _>>()?;
        }
        for (one, series) in STATES.iter().zip(&self.states) {
            out.push_at(series, at, u64::from(*one == state));
        }
        Ok(())
    }

    /// Forgets series of partitions that are there no more.
    pub(super) fn clear(&mut self) {
        self.gauges.clear();
        self.gpm.clear();
    }

    /// Lets deltas begin anew.
    pub(super) fn reset(&mut self) {
        self.clear();
        self.counts.values_mut().for_each(DeltaSeries::reset);
        self.xids.clear();
        self.previous = None;
    }
}

fn register<T: Number>(
    catalog: &Catalog,
    metric: &MetricDef<T>,
    bus_id: &Arc<str>,
    instance: Option<u32>,
    attribute: Option<(&'static str, &'static str)>,
) -> Result<Series<T>, IncompatibleMetric> {
    let series = of_gpu(catalog, metric, bus_id, instance)?;
    Ok(match attribute {
        Some((key, value)) => series.attribute(key, value).register(),
        None => series.register(),
    })
}

type Definition = (MetricDef<u64>, Option<(&'static str, &'static str)>);

fn definition(gauge: Gauge) -> Definition {
    match gauge {
        Gauge::InstantPower => (metrics::NVML_INSTANT_POWER, None),
        Gauge::AveragePower => (metrics::NVML_AVERAGE_POWER, None),
        Gauge::PowerLimit => (metrics::NVML_POWER_LIMIT, None),
        Gauge::GpuTemperature => (metrics::NVML_TEMPERATURE_GPU, None),
        Gauge::MemoryTemperature => (metrics::NVML_TEMPERATURE_MEMORY, None),
        Gauge::GpuUtilization => (metrics::NVML_GPU_UTILIZATION, None),
        Gauge::MemoryUtilization => (metrics::NVML_MEMORY_UTILIZATION, None),
        Gauge::MemoryTotal => (metrics::NVML_GPU_MEMORY_INFO, Some(("kind", "total"))),
        Gauge::MemoryReserved => (metrics::NVML_GPU_MEMORY_INFO, Some(("kind", "reserved"))),
        Gauge::MemoryFree => (metrics::NVML_GPU_MEMORY_INFO, Some(("kind", "free"))),
        Gauge::MemoryUsed => (metrics::NVML_GPU_MEMORY_INFO, Some(("kind", "used"))),
        Gauge::EncoderUtilization => (metrics::NVML_ENCODER_UTILIZATION, None),
        Gauge::EncoderPeriod => (metrics::NVML_ENCODER_SAMPLING_PERIOD, None),
        Gauge::DecoderUtilization => (metrics::NVML_DECODER_UTILIZATION, None),
        Gauge::DecoderPeriod => (metrics::NVML_DECODER_SAMPLING_PERIOD, None),
        Gauge::GraphicsClock => (metrics::NVML_CLOCK_INFO, Some(("clock_type", "Graphics"))),
        Gauge::SmClock => (metrics::NVML_CLOCK_INFO, Some(("clock_type", "SM"))),
        Gauge::MemoryClock => (metrics::NVML_CLOCK_INFO, Some(("clock_type", "Memory"))),
        Gauge::VideoClock => (metrics::NVML_CLOCK_INFO, Some(("clock_type", "Video"))),
        Gauge::FanSpeed => (metrics::NVML_FAN_SPEED, None),
        Gauge::ComputeProcesses => (metrics::NVML_N_COMPUTE_PROCESSES, None),
        Gauge::GraphicProcesses => (metrics::NVML_N_GRAPHIC_PROCESSES, None),
        Gauge::CorrectableRows => (metrics::NVML_REMAPPED_ROWS, Some(("kind", "corrected"))),
        Gauge::UncorrectableRows => (metrics::NVML_REMAPPED_ROWS, Some(("kind", "uncorrected"))),
        Gauge::RowFailure => (metrics::NVML_ROW_REMAP_FAILURE, None),
    }
}

fn definition_of_count(count: Count) -> Definition {
    match count {
        Count::CorrectedErrors => (metrics::NVML_ECC_ERRORS, Some(("kind", "corrected"))),
        Count::UncorrectedErrors => (metrics::NVML_ECC_ERRORS, Some(("kind", "uncorrected"))),
        Count::PcieReplays => (metrics::NVML_PCIE_REPLAYS, None),
        Count::PcieSent => (metrics::NVML_PCIE_BYTES, Some(("direction", "transmit"))),
        Count::PcieReceived => (metrics::NVML_PCIE_BYTES, Some(("direction", "receive"))),
        Count::NvlinkSent => (metrics::NVML_NVLINK_BYTES, Some(("direction", "transmit"))),
        Count::NvlinkReceived => (metrics::NVML_NVLINK_BYTES, Some(("direction", "receive"))),
    }
}
