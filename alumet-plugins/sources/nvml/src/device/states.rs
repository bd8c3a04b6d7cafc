//! States of a GPU that each take a call.
#![expect(unsafe_code, reason = "a library of C is called")]

use nvml_wrapper_sys::bindings::{self as sys, nvmlMemory_t, nvmlMemory_v2_t, nvmlUtilization_t};

use super::board::{Board, Feature, Handle};
use super::library::{NvmlError, Session, call};
use super::reading::{Gauge, Readings};

impl Board {
    /// Reads clocks, temperature, memory and use.
    pub(super) fn read_states(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        use sys::{
            nvmlClockType_enum_NVML_CLOCK_GRAPHICS as GRAPHICS, nvmlClockType_enum_NVML_CLOCK_MEM as MEMORY,
            nvmlClockType_enum_NVML_CLOCK_SM as SM, nvmlClockType_enum_NVML_CLOCK_VIDEO as VIDEO,
        };
        if readings.gauge(Gauge::PowerLimit).is_none() {
            self.gauge(
                Feature::PowerLimit,
                Gauge::PowerLimit,
                readings,
                |session, handle| {
                    number(|limit| call!(session, nvmlDeviceGetEnforcedPowerLimit(handle, limit)))
                },
            )?;
        }
        self.gauge(
            Feature::Temperature,
            Gauge::GpuTemperature,
            readings,
            |session, handle| {
                let sensor = sys::nvmlTemperatureSensors_enum_NVML_TEMPERATURE_GPU;
                number(|degrees| call!(session, nvmlDeviceGetTemperature(handle, sensor, degrees)))
            },
        )?;
        let utilization = self.ask(Feature::Utilization, readings, |session, handle| {
            let mut utilization = nvmlUtilization_t { gpu: 0, memory: 0 };
            call!(session, nvmlDeviceGetUtilizationRates(handle, &mut utilization))?;
            Ok(utilization)
        })?;
        if let Some(utilization) = utilization {
            let gpu = (Gauge::GpuUtilization, u64::from(utilization.gpu));
            let memory = (Gauge::MemoryUtilization, u64::from(utilization.memory));
            readings.gauges.extend([gpu, memory]);
        }
        let mut memory = Vec::with_capacity(4);
        self.ask(Feature::Memory, readings, |session, handle| {
            memory_of(session, Handle(handle), |gauge, bytes| {
                memory.push((gauge, bytes));
            })
        })?;
        readings.gauges.append(&mut memory);

        let encoder = self.ask(Feature::Encoder, readings, |session, handle| {
            let (mut percent, mut micros) = (0, 0);
            call!(
                session,
                nvmlDeviceGetEncoderUtilization(handle, &mut percent, &mut micros)
            )?;
            Ok((u64::from(percent), u64::from(micros)))
        })?;
        if let Some((percent, micros)) = encoder {
            let period = (Gauge::EncoderPeriod, micros);
            readings
                .gauges
                .extend([(Gauge::EncoderUtilization, percent), period]);
        }
        let decoder = self.ask(Feature::Decoder, readings, |session, handle| {
            let (mut percent, mut micros) = (0, 0);
            call!(
                session,
                nvmlDeviceGetDecoderUtilization(handle, &mut percent, &mut micros)
            )?;
            Ok((u64::from(percent), u64::from(micros)))
        })?;
        if let Some((percent, micros)) = decoder {
            let period = (Gauge::DecoderPeriod, micros);
            readings
                .gauges
                .extend([(Gauge::DecoderUtilization, percent), period]);
        }
        for (feature, gauge, clock) in [
            (Feature::GraphicsClock, Gauge::GraphicsClock, GRAPHICS),
            (Feature::SmClock, Gauge::SmClock, SM),
            (Feature::MemoryClock, Gauge::MemoryClock, MEMORY),
            (Feature::VideoClock, Gauge::VideoClock, VIDEO),
        ] {
            self.gauge(feature, gauge, readings, |session, handle| {
                let megahertz =
                    number(|clock_rate| call!(session, nvmlDeviceGetClockInfo(handle, clock, clock_rate)))?;
                Ok(megahertz * 1_000_000)
            })?;
        }
        self.gauge(Feature::Fan, Gauge::FanSpeed, readings, |session, handle| {
            number(|percent| call!(session, nvmlDeviceGetFanSpeed(handle, percent)))
        })?;
        readings.clock_reasons = self.ask(Feature::ClockReasons, readings, |session, handle| {
            let mut reasons = 0;
            call!(
                session,
                nvmlDeviceGetCurrentClocksThrottleReasons(handle, &mut reasons)
            )?;
            Ok(reasons)
        })?;
        Ok(())
    }
}

/// Bytes of memory of a GPU or partition.
pub(super) fn memory_of(
    session: &Session,
    handle: Handle,
    mut take: impl FnMut(Gauge, u64),
) -> Result<(), NvmlError> {
    let size = size_of::<nvmlMemory_v2_t>() as u32;
    let mut memory = nvmlMemory_v2_t {
        // `NVML_STRUCT_VERSION(Memory, 2)`.
        version: size | 2 << 24,
        total: 0,
        reserved: 0,
        free: 0,
        used: 0,
    };
    match call!(session, nvmlDeviceGetMemoryInfo_v2(handle.0, &mut memory)) {
        Ok(()) => take(Gauge::MemoryReserved, memory.reserved),
        // Before driver 510, what is reserved counted as used.
        Err(error) if error.is_absent() => {
            let mut old = nvmlMemory_t {
                total: 0,
                free: 0,
                used: 0,
            };
            call!(session, nvmlDeviceGetMemoryInfo(handle.0, &mut old))?;
            (memory.total, memory.free, memory.used) = (old.total, old.free, old.used);
        }
        Err(error) => return Err(error),
    }
    take(Gauge::MemoryTotal, memory.total);
    take(Gauge::MemoryFree, memory.free);
    take(Gauge::MemoryUsed, memory.used);
    Ok(())
}

/// What a function writes to a place for a number.
pub(super) fn number(ask: impl FnOnce(&mut u32) -> Result<(), NvmlError>) -> Result<u64, NvmlError> {
    let mut value = 0;
    ask(&mut value)?;
    Ok(u64::from(value))
}
