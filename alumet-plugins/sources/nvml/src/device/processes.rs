//! What processes have and use of a GPU.
#![expect(unsafe_code, reason = "a library of C is called")]

use nvml_wrapper_sys::bindings::{nvmlProcessInfo_t, nvmlProcessUtilizationSample_t};

use super::board::{Board, Feature};
use super::library::{NvmlError, call};
use super::reading::{Gauge, Process, Readings, Use};

/// What is kept between two readings.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    processes: Vec<nvmlProcessInfo_t>,
    uses: Vec<nvmlProcessUtilizationSample_t>,
    /// The time of the latest use that was seen, in microseconds since 1970.
    last_use: u64,
}

impl Board {
    /// The processes that have something on the GPU.
    pub(super) fn read_processes(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        for (feature, is_compute, gauge) in [
            (Feature::Compute, true, Gauge::ComputeProcesses),
            (Feature::Graphics, false, Gauge::GraphicProcesses),
        ] {
            let mut buffer = std::mem::take(&mut self.buffers.processes);
            let count = self.ask(feature, readings, |session, handle| {
                filled(&mut buffer, NO_PROCESS, |buffer, count| {
                    match is_compute {
                        true => call!(
                            session,
                            nvmlDeviceGetComputeRunningProcesses_v3(handle, count, buffer)
                        ),
                        false => call!(
                            session,
                            nvmlDeviceGetGraphicsRunningProcesses_v3(handle, count, buffer)
                        ),
                    }
                    .or_else(|error| match (error.is_absent(), is_compute) {
                        // Before driver 510.
                        (true, true) => call!(
                            session,
                            nvmlDeviceGetComputeRunningProcesses_v2(handle, count, buffer.cast())
                        ),
                        (true, false) => call!(
                            session,
                            nvmlDeviceGetGraphicsRunningProcesses_v2(handle, count, buffer.cast())
                        ),
                        (false, _) => Err(error),
                    })
                })
            })?;
            if let Some(count) = count {
                readings.gauges.push((gauge, count as u64));
                let known = |number: u32| (number != u32::MAX).then_some(number);
                let process = |info: &nvmlProcessInfo_t| {
                    let process = Process {
                        pid: info.pid,
                        is_compute,
                        gpu_instance: known(info.gpuInstanceId),
                        compute_instance: known(info.computeInstanceId),
                    };
                    // `NVML_VALUE_NOT_AVAILABLE`.
                    let bytes = (info.usedGpuMemory != u64::MAX).then_some(info.usedGpuMemory);
                    (process, bytes)
                };
                readings.processes.extend(buffer[..count].iter().map(process));
            }
            self.buffers.processes = buffer;
        }
        Ok(())
    }

    /// What each process used since the previous reading.
    pub(super) fn read_uses(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        let last_use = self.buffers.last_use;
        let mut buffer = std::mem::take(&mut self.buffers.uses);
        let count = self.ask(Feature::Uses, readings, |session, handle| {
            filled(&mut buffer, NO_USE, |buffer, count| {
                call!(
                    session,
                    nvmlDeviceGetProcessUtilization(handle, buffer, count, last_use)
                )
            })
        })?;
        readings.knows_uses = count.is_some();
        let uses = buffer[..count.unwrap_or(0)].iter().map(|sample| Use {
            pid: sample.pid,
            at: sample.timeStamp,
            sm: sample.smUtil,
            memory: sample.memUtil,
            encoder: sample.encUtil,
            decoder: sample.decUtil,
        });
        // Drivers repeat samples, and leave entries that they did not fill in.
        let is_new = |one: &Use| {
            one.pid != 0
                && one.at > last_use
                && [one.sm, one.memory, one.encoder, one.decoder]
                    .iter()
                    .all(|percent| *percent <= 100)
        };
        readings.uses.extend(uses.filter(is_new));
        let latest = readings.uses.iter().map(|one| one.at).max();
        self.buffers.last_use = latest.unwrap_or(last_use);
        self.buffers.uses = buffer;
        Ok(())
    }
}

/// Lets a function fill a buffer, which grows until all fits; says how many there are.
fn filled<T: Copy>(
    buffer: &mut Vec<T>,
    empty: T,
    fill: impl Fn(*mut T, &mut u32) -> Result<(), NvmlError>,
) -> Result<usize, NvmlError> {
    let mut room = buffer.len().max(64);
    loop {
        buffer.clear();
        buffer.resize(room, empty);
        let mut count = room as u32;
        match fill(buffer.as_mut_ptr(), &mut count) {
            Ok(()) => return Ok(room.min(count as usize)),
            Err(error) if error.is_empty() => return Ok(0),
            // There may be more by the next call.
            Err(error) if error.is_too_small() && room < MOST => {
                room = (count as usize).clamp(room, MOST) * 2;
            }
            Err(error) => return Err(error),
        }
    }
}

/// More processes than one GPU has.
const MOST: usize = 1 << 16;

const NO_PROCESS: nvmlProcessInfo_t = nvmlProcessInfo_t {
    pid: 0,
    usedGpuMemory: 0,
    gpuInstanceId: 0,
    computeInstanceId: 0,
};

const NO_USE: nvmlProcessUtilizationSample_t = nvmlProcessUtilizationSample_t {
    pid: 0,
    timeStamp: 0,
    smUtil: 0,
    memUtil: 0,
    encUtil: 0,
    decUtil: 0,
};
