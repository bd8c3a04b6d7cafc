//! The performance monitor of a GPU (GPM, from Hopper on).
#![expect(unsafe_code, reason = "a library of C is called")]

use std::ptr;

use nvml_wrapper_sys::bindings::{self as sys, nvmlGpmMetricsGet_t, nvmlGpmSample_t, nvmlGpmSupport_t};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::board::Handle;
use super::library::{NvmlError, Session, call};

macro_rules! gpm_metrics {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal $id:ident,)+) => {
        /// What the performance monitor measures.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum GpmMetric {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl GpmMetric {
            /// Its name: that of NVML, in small letters.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            const fn id(self) -> u32 {
                match self { $(Self::$variant => sys::$id,)+ }
            }
        }
    };
}

gpm_metrics! {
    /// Time in which graphics or compute engines were busy.
    GraphicsUtil = "graphics_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_GRAPHICS_UTIL,
    /// Time in which the multiprocessors (SM) were busy, as their mean.
    SmUtil = "sm_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_SM_UTIL,
    /// Warps that were active, of those that can be.
    SmOccupancy = "sm_occupancy" nvmlGpmMetricId_t_NVML_GPM_METRIC_SM_OCCUPANCY,
    /// Time in which integers were computed with.
    IntegerUtil = "integer_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_INTEGER_UTIL,
    /// Time in which tensor cores were busy.
    AnyTensorUtil = "any_tensor_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    /// Time in which tensor cores multiplied numbers of 64 bits.
    DfmaTensorUtil = "dfma_tensor_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_DFMA_TENSOR_UTIL,
    /// Time in which tensor cores multiplied numbers of 16 bits.
    HmmaTensorUtil = "hmma_tensor_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_HMMA_TENSOR_UTIL,
    /// Time in which tensor cores multiplied integers.
    ImmaTensorUtil = "imma_tensor_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_IMMA_TENSOR_UTIL,
    /// Bandwidth of the memory that was used.
    DramBwUtil = "dram_bw_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_DRAM_BW_UTIL,
    /// Time in which numbers of 64 bits were computed with.
    Fp64Util = "fp64_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_FP64_UTIL,
    /// Time in which numbers of 32 bits were computed with.
    Fp32Util = "fp32_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_FP32_UTIL,
    /// Time in which numbers of 16 bits were computed with.
    Fp16Util = "fp16_util" nvmlGpmMetricId_t_NVML_GPM_METRIC_FP16_UTIL,
    /// What was sent over PCIe.
    PcieTxPerSec = "pcie_tx_per_sec" nvmlGpmMetricId_t_NVML_GPM_METRIC_PCIE_TX_PER_SEC,
    /// What was received over PCIe.
    PcieRxPerSec = "pcie_rx_per_sec" nvmlGpmMetricId_t_NVML_GPM_METRIC_PCIE_RX_PER_SEC,
    /// What was sent over all links of NVLink.
    NvlinkTotalTxPerSec = "nvlink_total_tx_per_sec" nvmlGpmMetricId_t_NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC,
    /// What was received over all links of NVLink.
    NvlinkTotalRxPerSec = "nvlink_total_rx_per_sec" nvmlGpmMetricId_t_NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC,
}

impl GpmMetric {
    /// Whether it is an amount of data per time, and no percentage.
    pub(crate) const fn is_throughput(self) -> bool {
        matches!(
            self,
            Self::PcieTxPerSec | Self::PcieRxPerSec | Self::NvlinkTotalTxPerSec | Self::NvlinkTotalRxPerSec
        )
    }
}

/// Whether a GPU has a performance monitor.
///
/// # Errors
/// When it does not say so.
pub(super) fn is_supported(session: &Session, handle: Handle) -> Result<bool, NvmlError> {
    let mut support = nvmlGpmSupport_t {
        version: sys::NVML_GPM_SUPPORT_VERSION,
        isSupportedDevice: 0,
    };
    call!(session, nvmlGpmQueryDeviceSupport(handle.0, &mut support))?;
    Ok(support.isSupportedDevice != 0)
}

/// Two readings of a monitor, between which it measures. They are freed with [`Self::free`].
#[derive(Debug)]
pub(super) struct Sampler {
    /// Null or allocated.
    samples: [nvmlGpmSample_t; 2],
    has_previous: bool,
}

// SAFETY: memory of the library, which may be used from any thread, by one at a time.
unsafe impl Send for Sampler {}

impl Sampler {
    /// A sampler without readings.
    pub(super) const fn new() -> Self {
        Self {
            samples: [ptr::null_mut(); 2],
            has_previous: false,
        }
    }

    /// Gives what was measured since the previous call: percent, or mebibytes per second. The first call gives nothing.
    ///
    /// # Errors
    /// When the monitor does not answer.
    pub(super) fn read(
        &mut self,
        session: &Session,
        handle: Handle,
        gpu_instance: Option<u32>,
        metrics: &[GpmMetric],
        mut take: impl FnMut(GpmMetric, f64),
    ) -> Result<(), NvmlError> {
        for sample in &mut self.samples {
            if sample.is_null() {
                call!(session, nvmlGpmSampleAlloc(sample))?;
            }
        }
        // An interval with a failure in it is not known.
        let has_previous = std::mem::take(&mut self.has_previous);
        let [before, now] = self.samples;
        match gpu_instance {
            Some(id) => call!(session, nvmlGpmMigSampleGet(handle.0, id, now))?,
            None => call!(session, nvmlGpmSampleGet(handle.0, now))?,
        }
        self.samples.swap(0, 1);
        self.has_previous = true;
        if !has_previous {
            return Ok(());
        }
        // SAFETY: a structure of numbers and pointers, for which zeros are right.
        let mut wanted: Box<nvmlGpmMetricsGet_t> = Box::new(unsafe { std::mem::zeroed() });
        wanted.version = sys::NVML_GPM_METRICS_GET_VERSION;
        (wanted.sample1, wanted.sample2) = (before, now);
        wanted.numMetrics = metrics.len().min(wanted.metrics.len()) as u32;
        for (slot, metric) in wanted.metrics.iter_mut().zip(metrics) {
            slot.metricId = metric.id();
        }
        call!(session, nvmlGpmMetricsGet(&mut *wanted))?;
        for (slot, metric) in wanted.metrics.iter().zip(metrics) {
            if slot.nvmlReturn == sys::nvmlReturn_enum_NVML_SUCCESS && slot.value.is_finite() {
                take(*metric, slot.value);
            }
        }
        Ok(())
    }

    /// Frees its memory.
    pub(super) fn free(self, session: &Session) {
        for sample in self.samples {
            if !sample.is_null() {
                let _ = call!(session, nvmlGpmSampleFree(sample));
            }
        }
    }
}
