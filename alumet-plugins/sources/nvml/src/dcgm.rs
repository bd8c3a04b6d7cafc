//! The names and units of `dcgm-exporter`, of its default list of counters
//! (<https://github.com/NVIDIA/dcgm-exporter/blob/main/etc/default-counters.csv>). Everything there is a number without a unit,
//! so that no output renames or converts it.

use std::path::Path;

use alumet_core::catalog::{Catalog, IncompatibleMetric};
use alumet_core::metric::MetricDef;
use alumet_core::source::Accumulator;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Series, Timestamp};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::device::{Count, Gauge, Identity, Readings};
use crate::source::resource_of;

macro_rules! dcgm_metrics {
    ($($constant:ident = $name:literal $description:literal,)+) => {
        alumet_core::metrics! {
            $(pub $constant = Gauge<f64> {
                name: $name,
                unit: Unit::ONE,
                description: $description,
                resources: ["gpu", "gpu_partition"],
                attributes: ["gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "GPU_I_ID"],
            };)+
        }
    };
}

dcgm_metrics! {
    SM_CLOCK = "DCGM_FI_DEV_SM_CLOCK" "Clock of the multiprocessors in MHz.",
    MEM_CLOCK = "DCGM_FI_DEV_MEM_CLOCK" "Clock of the memory in MHz.",
    MEMORY_TEMP = "DCGM_FI_DEV_MEMORY_TEMP" "Temperature of the memory in °C.",
    GPU_TEMP = "DCGM_FI_DEV_GPU_TEMP" "Temperature of the chip in °C.",
    POWER_USAGE = "DCGM_FI_DEV_POWER_USAGE" "Power in watts: the mean of the last second, or that of the moment where there is no mean.",
    TOTAL_ENERGY_CONSUMPTION = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION" "Energy since the driver was loaded in mJ.",
    PCIE_REPLAY_COUNTER = "DCGM_FI_DEV_PCIE_REPLAY_COUNTER" "What had to be sent again over PCIe since the driver was loaded.",
    GPU_UTIL = "DCGM_FI_DEV_GPU_UTIL" "Use of the GPU in percent.",
    MEM_COPY_UTIL = "DCGM_FI_DEV_MEM_COPY_UTIL" "Use of the bandwidth of the memory in percent.",
    ENC_UTIL = "DCGM_FI_DEV_ENC_UTIL" "Use of the encoder in percent.",
    DEC_UTIL = "DCGM_FI_DEV_DEC_UTIL" "Use of the decoder in percent.",
    XID_ERRORS = "DCGM_FI_DEV_XID_ERRORS" "The number of the latest critical error, 0 if there was none.",
    FB_FREE = "DCGM_FI_DEV_FB_FREE" "Memory that is free in MiB.",
    FB_USED = "DCGM_FI_DEV_FB_USED" "Memory that is used in MiB.",
    CORRECTABLE_REMAPPED_ROWS = "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS" "Rows of memory that were replaced because of errors that could be corrected.",
    UNCORRECTABLE_REMAPPED_ROWS = "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS" "Rows of memory that were replaced because of errors that could not be corrected.",
    ROW_REMAP_FAILURE = "DCGM_FI_DEV_ROW_REMAP_FAILURE" "1 if a row of memory could not be replaced, else 0.",
}

const MEBI: f64 = 1_048_576.0;

/// Makes samples with these names.
pub(crate) struct Dcgm {
    hostname: String,
    series: HashMap<(&'static str, Option<u32>), Series<f64>>,
    last_xid: u64,
}

impl Dcgm {
    /// No samples yet, on the machine whose `/proc` is below `root`.
    pub(crate) fn new(root: &Path) -> Self {
        let hostname = std::fs::read_to_string(root.join("proc/sys/kernel/hostname"));
        Self {
            hostname: hostname.unwrap_or_default().trim().to_owned(),
            series: HashMap::new(),
            last_xid: 0,
        }
    }

    /// Pushes what was read.
    ///
    /// # Errors
    /// When another plugin has a metric of this name.
    pub(crate) fn push(
        &mut self,
        identity: &Identity,
        readings: &Readings,
        at: Timestamp,
        out: &mut Accumulator<'_>,
    ) -> Result<(), IncompatibleMetric> {
        let has_average = readings.gauge(Gauge::AveragePower).is_some();
        for &(gauge, value) in &readings.gauges {
            let power = match gauge {
                Gauge::AveragePower => Gauge::InstantPower,
                Gauge::InstantPower if has_average => continue,
                other => other,
            };
            if let Some((metric, per_unit)) = definition(power) {
                self.put(&metric, identity, None, value as f64 / per_unit, at, out)?;
            }
        }
        for &(instance, gauge, value) in &readings.partition_gauges {
            if let Some((metric, per_unit)) = definition(gauge) {
                self.put(
                    &metric,
                    identity,
                    Some(instance),
                    value as f64 / per_unit,
                    at,
                    out,
                )?;
            }
        }
        let replays = readings
            .counts
            .iter()
            .find(|counted| counted.count == Count::PcieReplays);
        self.last_xid = readings.xids.last().copied().unwrap_or(self.last_xid);
        let others = [
            (TOTAL_ENERGY_CONSUMPTION, readings.energy),
            (PCIE_REPLAY_COUNTER, replays.map(|counted| counted.value)),
            (XID_ERRORS, Some(self.last_xid)),
        ];
        for (metric, value) in others {
            if let Some(value) = value {
                self.put(&metric, identity, None, value as f64, at, out)?;
            }
        }
        Ok(())
    }

    /// Forgets series of a GPU, or partitions, that are there no more.
    pub(crate) fn clear(&mut self) {
        self.series.clear();
    }

    fn put(
        &mut self,
        metric: &MetricDef<f64>,
        identity: &Identity,
        instance: Option<u32>,
        value: f64,
        at: Timestamp,
        out: &mut Accumulator<'_>,
    ) -> Result<(), IncompatibleMetric> {
        let key = (metric.doc.name, instance);
        let series = match self.series.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(register(
                out.catalog(),
                metric,
                identity,
                instance,
                &self.hostname,
            )?),
        };
        out.push_at(series, at, value);
        Ok(())
    }
}

fn register(
    catalog: &Catalog,
    metric: &MetricDef<f64>,
    identity: &Identity,
    instance: Option<u32>,
    hostname: &str,
) -> Result<Series<f64>, IncompatibleMetric> {
    let bus_id = identity.bus_id.as_str();
    let resource = resource_of(&bus_id.into(), instance);
    let mut series = catalog
        .series(catalog.metric(metric)?, resource, Consumer::LocalMachine)
        .attribute("gpu", u64::from(identity.index))
        .attribute("UUID", identity.uuid.as_str())
        .attribute("pci_bus_id", bus_id)
        .attribute("modelName", identity.model.as_str())
        .attribute("Hostname", hostname);
    if let Some(minor) = identity.minor {
        series = series.attribute("device", format!("nvidia{minor}"));
    }
    if let Some(instance) = instance {
        series = series.attribute("GPU_I_ID", u64::from(instance));
    }
    Ok(series.register())
}

/// What a state is there, and how many of our units are one there.
fn definition(gauge: Gauge) -> Option<(MetricDef<f64>, f64)> {
    Some(match gauge {
        Gauge::SmClock => (SM_CLOCK, 1e6),
        Gauge::MemoryClock => (MEM_CLOCK, 1e6),
        Gauge::MemoryTemperature => (MEMORY_TEMP, 1.0),
        Gauge::GpuTemperature => (GPU_TEMP, 1.0),
        Gauge::InstantPower => (POWER_USAGE, 1e3),
        Gauge::GpuUtilization => (GPU_UTIL, 1.0),
        Gauge::MemoryUtilization => (MEM_COPY_UTIL, 1.0),
        Gauge::EncoderUtilization => (ENC_UTIL, 1.0),
        Gauge::DecoderUtilization => (DEC_UTIL, 1.0),
        Gauge::MemoryFree => (FB_FREE, MEBI),
        Gauge::MemoryUsed => (FB_USED, MEBI),
        Gauge::CorrectableRows => (CORRECTABLE_REMAPPED_ROWS, 1.0),
        Gauge::UncorrectableRows => (UNCORRECTABLE_REMAPPED_ROWS, 1.0),
        Gauge::RowFailure => (ROW_REMAP_FAILURE, 1.0),
        _ => return None,
    })
}
