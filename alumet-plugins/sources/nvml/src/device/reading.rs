//! What a GPU shows.

use super::GpmMetric;

/// A state, in the unit of its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Gauge {
    InstantPower,
    AveragePower,
    PowerLimit,
    GpuTemperature,
    MemoryTemperature,
    GpuUtilization,
    MemoryUtilization,
    MemoryTotal,
    MemoryReserved,
    MemoryFree,
    MemoryUsed,
    EncoderUtilization,
    EncoderPeriod,
    DecoderUtilization,
    DecoderPeriod,
    GraphicsClock,
    SmClock,
    MemoryClock,
    VideoClock,
    FanSpeed,
    ComputeProcesses,
    GraphicProcesses,
    CorrectableRows,
    UncorrectableRows,
    RowFailure,
}

/// What only rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Count {
    CorrectedErrors,
    UncorrectedErrors,
    PcieReplays,
    PcieSent,
    PcieReceived,
    NvlinkSent,
    NvlinkReceived,
}

/// A count and whether it has 32 bits only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) count: Count,
    pub(crate) value: u64,
    pub(crate) is_short: bool,
}

/// A process that has something on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Whether it computes or draws.
    pub(crate) is_compute: bool,
    /// The partition and the part of it; none if the GPU has no partitions.
    pub(crate) gpu_instance: Option<u32>,
    pub(crate) compute_instance: Option<u32>,
}

/// How much of a GPU a process used, in percent, at a time of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) pid: u32,
    /// Microseconds since 1970.
    pub(crate) at: u64,
    pub(crate) sm: u32,
    pub(crate) memory: u32,
    pub(crate) encoder: u32,
    pub(crate) decoder: u32,
}

/// All that was read at one time; `gpu_instance` is none for the whole GPU.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Millijoules since the driver was loaded.
    pub(crate) energy: Option<u64>,
    pub(crate) gauges: Vec<(Gauge, u64)>,
    pub(crate) counts: Vec<Counted>,
    /// What keeps clocks low, as bits of NVML.
    pub(crate) clock_reasons: Option<u64>,
    /// Of partitions.
    pub(crate) partition_gauges: Vec<(u32, Gauge, u64)>,
    pub(crate) gpm: Vec<(Option<u32>, GpmMetric, f64)>,
    /// With the bytes that they have allocated, if these are known.
    pub(crate) processes: Vec<(Process, Option<u64>)>,
    pub(crate) uses: Vec<Use>,
    /// Whether the GPU tells what processes use.
    pub(crate) knows_uses: bool,
    /// The numbers of errors that the driver has told since the reading before.
    pub(crate) xids: Vec<u64>,
    /// Whether partitions are other ones than at the reading before.
    pub(crate) is_partitioned_anew: bool,
    /// What could not be read this time.
    pub(crate) faults: Vec<super::NvmlError>,
}

impl Count {
    /// Whether it is one of errors, and none of data.
    pub(crate) const fn is_error(self) -> bool {
        matches!(
            self,
            Self::CorrectedErrors | Self::UncorrectedErrors | Self::PcieReplays
        )
    }
}

impl Readings {
    /// Empty ones, with the memory of these.
    pub(crate) fn clear(&mut self) {
        self.energy = None;
        self.gauges.clear();
        self.counts.clear();
        self.clock_reasons = None;
        self.partition_gauges.clear();
        self.gpm.clear();
        self.processes.clear();
        self.uses.clear();
        self.knows_uses = false;
        self.xids.clear();
        self.is_partitioned_anew = false;
        self.faults.clear();
    }

    /// A state of the whole GPU.
    pub(crate) fn gauge(&self, gauge: Gauge) -> Option<u64> {
        let found = self.gauges.iter().find(|(known, _)| *known == gauge);
        found.map(|(_, value)| *value)
    }
}
