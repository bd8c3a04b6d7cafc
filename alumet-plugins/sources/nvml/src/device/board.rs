//! A GPU: finds it, and reads all that it shows.
#![expect(unsafe_code, reason = "a library of C is called")]

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use nvml_wrapper_sys::bindings::{self as sys, nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlPciInfo_t};

use super::fields::Fields;
use super::gpm::{self, GpmMetric, Sampler};
use super::library::{NvmlError, Session, call};
use super::partition::Partitions;
use super::processes::Buffers;
use super::reading::{Gauge, Readings};
use super::states::number;

/// What the library calls a GPU or a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(pub(super) nvmlDevice_t);

// SAFETY: a name that means the same in all threads; NVML may be called from any (NVML, "Thread safety").
unsafe impl Send for Handle {}

/// What an event set is called.
#[derive(Debug)]
struct Events(nvmlEventSet_t);

// SAFETY: as above.
unsafe impl Send for Events {}

/// Which GPU it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Such as `00000000:65:00.0`.
    pub(crate) bus_id: String,
    pub(crate) index: u32,
    pub(crate) uuid: String,
    pub(crate) model: String,
    /// The number in `/dev/nvidia0`.
    pub(crate) minor: Option<u32>,
    /// The version of the driver.
    pub(crate) driver: String,
}

/// What a GPU may lack.
#[derive(Debug, Clone, Copy)]
pub(super) enum Feature {
    FieldValues,
    TotalEnergy,
    PowerUsage,
    PowerLimit,
    Temperature,
    Utilization,
    Memory,
    Encoder,
    Decoder,
    GraphicsClock,
    SmClock,
    MemoryClock,
    VideoClock,
    Fan,
    ClockReasons,
    Compute,
    Graphics,
    Uses,
    Mig,
    Events,
    Gpm,
}

/// A GPU that works.
pub(crate) struct Board {
    session: Session,
    handle: Handle,
    identity: Identity,
    is_full: bool,
    gpm: Vec<GpmMetric>,
    /// A bit for each [`Feature`] that was looked for in vain.
    lacking: u32,
    /// The first error of each.
    lacks: Vec<NvmlError>,
    fields: Fields,
    is_partitioned: bool,
    partitions: Partitions,
    events: Option<Events>,
    sampler: Option<Sampler>,
    pub(super) buffers: Buffers,
}

/// The GPUs that the driver has, each with its bus id or why it does not answer.
///
/// # Errors
/// When the driver does not answer.
pub(crate) fn list(session: &Session) -> Result<Vec<Result<String, NvmlError>>, NvmlError> {
    let mut count = 0;
    call!(session, nvmlDeviceGetCount_v2(&mut count))?;
    let bus_id = |index| {
        let mut handle = ptr::null_mut();
        call!(session, nvmlDeviceGetHandleByIndex_v2(index, &mut handle))?;
        bus_id(session, Handle(handle))
    };
    Ok((0..count).map(bus_id).collect())
}

fn bus_id(session: &Session, handle: Handle) -> Result<String, NvmlError> {
    // SAFETY: a structure of numbers, for which zeros are right.
    let mut pci: nvmlPciInfo_t = unsafe { std::mem::zeroed() };
    call!(session, nvmlDeviceGetPciInfo_v3(handle.0, &mut pci))?;
    Ok(text(&pci.busId))
}

/// The text up to its zero.
fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|char| char.cast_unsigned()).collect();
    let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
    text.to_string_lossy().into_owned()
}

impl Board {
    /// The GPU with this bus id.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub(crate) fn open(
        session: Session,
        bus_id: &str,
        is_full: bool,
        gpm: &[GpmMetric],
    ) -> Result<Self, NvmlError> {
        let mut handle = ptr::null_mut();
        let name = CString::new(bus_id).unwrap_or_default();
        call!(
            session,
            nvmlDeviceGetHandleByPciBusId_v2(name.as_ptr(), &mut handle)
        )?;
        let mut index = 0;
        call!(session, nvmlDeviceGetIndex(handle, &mut index))?;
        let mut uuid: [c_char; sys::NVML_DEVICE_UUID_V2_BUFFER_SIZE as usize] = [0; _];
        call!(
            session,
            nvmlDeviceGetUUID(handle, uuid.as_mut_ptr(), uuid.len() as u32)
        )?;
        let mut model: [c_char; sys::NVML_DEVICE_NAME_V2_BUFFER_SIZE as usize] = [0; _];
        call!(
            session,
            nvmlDeviceGetName(handle, model.as_mut_ptr(), model.len() as u32)
        )?;
        let mut driver: [c_char; sys::NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE as usize] = [0; _];
        call!(
            session,
            nvmlSystemGetDriverVersion(driver.as_mut_ptr(), driver.len() as u32)
        )?;
        let mut minor = 0;
        let minor = call!(session, nvmlDeviceGetMinorNumber(handle, &mut minor)).map(|()| minor);
        let mut board = Self {
            handle: Handle(handle),
            identity: Identity {
                bus_id: bus_id.to_owned(),
                index,
                uuid: text(&uuid),
                model: text(&model),
                minor: minor.ok(),
                driver: text(&driver),
            },
            is_full,
            gpm: gpm.to_vec(),
            lacking: 0,
            lacks: Vec::new(),
            fields: Fields::new(is_full),
            is_partitioned: false,
            partitions: Partitions::default(),
            events: None,
            sampler: None,
            buffers: Buffers::default(),
            session,
        };
        if is_full {
            board.events = board.subscribe()?;
        }
        Ok(board)
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The first errors of what this GPU, driver or user lacks.
    pub(crate) fn lacks(&self) -> &[NvmlError] {
        &self.lacks
    }

    /// How many calls to the driver were made since this was asked before.
    pub(crate) fn take_calls(&self) -> u64 {
        self.session.take_calls()
    }

    /// The highest power to which it can be limited, in milliwatts.
    pub(crate) fn max_power(&self) -> Option<u64> {
        let (mut least, mut most) = (0, 0);
        let limits = call!(
            self.session,
            nvmlDeviceGetPowerManagementLimitConstraints(self.handle.0, &mut least, &mut most)
        );
        (limits.is_ok() && most > 0).then_some(u64::from(most))
    }

    /// Reads energy, power and whatever else comes with the same call.
    ///
    /// # Errors
    /// When the GPU is gone.
    pub(crate) fn read_fields(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        let (session, handle) = (&self.session, self.handle);
        if self.lacking & 1 << Feature::FieldValues as u32 == 0 {
            match self.fields.read(session, handle, readings) {
                Ok(()) => {}
                Err(error) => self.excuse(Feature::FieldValues, error, readings)?,
            }
        }
        if readings.energy.is_none() {
            let mut energy = 0;
            readings.energy = self.ask(Feature::TotalEnergy, readings, |session, handle| {
                call!(session, nvmlDeviceGetTotalEnergyConsumption(handle, &mut energy))?;
                Ok(energy)
            })?;
        }
        if readings.gauge(Gauge::InstantPower).is_none() {
            self.gauge(
                Feature::PowerUsage,
                Gauge::InstantPower,
                readings,
                |session, handle| number(|power| call!(session, nvmlDeviceGetPowerUsage(handle, power))),
            )?;
        }
        Ok(())
    }

    /// Reads everything else.
    ///
    /// # Errors
    /// When the GPU is gone.
    pub(crate) fn read_more(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        if !self.is_full {
            return Ok(());
        }
        self.read_mode(readings)?;
        self.read_states(readings)?;
        self.read_processes(readings)?;
        self.read_uses(readings)?;
        self.read_xids(readings)?;
        self.read_partitions(readings)?;
        self.read_gpm(readings)
    }

    /// Whether it is partitioned. Much that a GPU shows it does not while it is.
    fn read_mode(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        let mode = self.ask(Feature::Mig, readings, |session, handle| {
            let (mut now, mut later) = (0, 0);
            call!(session, nvmlDeviceGetMigMode(handle, &mut now, &mut later))?;
            Ok(now == sys::nvmlEnableState_enum_NVML_FEATURE_ENABLED)
        })?;
        let is_partitioned = mode.unwrap_or(false);
        if is_partitioned != self.is_partitioned {
            self.is_partitioned = is_partitioned;
            self.lacking = 0;
            self.lacks.clear();
            self.fields = Fields::new(self.is_full);
            self.partitions.clear(&self.session);
            readings.is_partitioned_anew = true;
        }
        Ok(())
    }

    fn read_xids(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        let Some(Events(set)) = self.events else {
            return Ok(());
        };
        // More than one call finds is left for the next reading.
        for _ in 0..16 {
            // SAFETY: a structure of numbers and a handle, for which zeros are right.
            let mut data: nvmlEventData_t = unsafe { std::mem::zeroed() };
            match call!(self.session, nvmlEventSetWait_v2(set, &mut data, 0)) {
                Ok(()) if data.eventType == u64::from(sys::nvmlEventTypeXidCriticalError) => {
                    readings.xids.push(data.eventData);
                }
                Ok(()) => {}
                Err(error) if error.is_gone() => return Err(error),
                Err(error) if error.code == sys::nvmlReturn_enum_NVML_ERROR_TIMEOUT => break,
                Err(error) => {
                    readings.faults.push(error);
                    break;
                }
            }
        }
        Ok(())
    }

    fn read_partitions(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        if !self.is_partitioned {
            return Ok(());
        }
        let (session, list) = (&self.session, &mut self.partitions);
        let mut error = match list.refresh(session, self.handle) {
            Ok(is_new) => {
                readings.is_partitioned_anew |= is_new;
                None
            }
            Err(error) => Some(error),
        };
        for partition in &list.list {
            let instance = partition.gpu_instance;
            let gauges = &mut readings.partition_gauges;
            let memory = partition.memory(session, |gauge, bytes| gauges.push((instance, gauge, bytes)));
            // One that is gone shows nothing, and is not there any more when they are listed again.
            error = error.or(memory.err().filter(|error| !error.is_absent()));
        }
        let Some(error) = error else { return Ok(()) };
        if error.is_gone() {
            return Err(error);
        }
        // Perhaps they were changed meanwhile.
        list.clear(session);
        readings.faults.push(error);
        Ok(())
    }

    fn read_gpm(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        if self.gpm.is_empty() || self.lacking & 1 << Feature::Gpm as u32 != 0 {
            return Ok(());
        }
        let result = self.sample_gpm(readings);
        result.or_else(|error| self.excuse(Feature::Gpm, error, readings))
    }

    fn sample_gpm(&mut self, readings: &mut Readings) -> Result<(), NvmlError> {
        let (session, handle, metrics) = (&self.session, self.handle, &self.gpm);
        if self.sampler.is_none() {
            if !gpm::is_supported(session, handle)? {
                let code = sys::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;
                return NvmlError::of("nvmlGpmQueryDeviceSupport", code);
            }
            self.sampler = Some(Sampler::new());
        }
        if !self.is_partitioned
            && let Some(sampler) = &mut self.sampler
        {
            sampler.read(session, handle, None, metrics, |metric, value| {
                readings.gpm.push((None, metric, value));
            })?;
        }
        for partition in &mut self.partitions.list {
            let instance = Some(partition.gpu_instance);
            partition
                .sampler
                .read(session, handle, instance, metrics, |metric, value| {
                    readings.gpm.push((instance, metric, value));
                })?;
        }
        Ok(())
    }

    /// Asks to be told of critical errors.
    fn subscribe(&mut self) -> Result<Option<Events>, NvmlError> {
        let mut ignored = Readings::default();
        self.ask(Feature::Events, &mut ignored, |session, handle| {
            let mut set = ptr::null_mut();
            call!(session, nvmlEventSetCreate(&mut set))?;
            let types = u64::from(sys::nvmlEventTypeXidCriticalError);
            let registered = call!(session, nvmlDeviceRegisterEvents(handle, types, set));
            if registered.is_err() {
                let _ = call!(session, nvmlEventSetFree(set));
            }
            registered.map(|()| Events(set))
        })
    }

    /// Asks for what the GPU may lack.
    ///
    /// # Errors
    /// When the GPU is gone.
    pub(super) fn ask<T>(
        &mut self,
        feature: Feature,
        readings: &mut Readings,
        ask: impl FnOnce(&Session, nvmlDevice_t) -> Result<T, NvmlError>,
    ) -> Result<Option<T>, NvmlError> {
        if self.lacking & 1 << feature as u32 != 0 {
            return Ok(None);
        }
        match ask(&self.session, self.handle.0) {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.excuse(feature, error, readings).map(|()| None),
        }
    }

    /// Asks for a state that the GPU may lack.
    pub(super) fn gauge(
        &mut self,
        feature: Feature,
        gauge: Gauge,
        readings: &mut Readings,
        ask: impl FnOnce(&Session, nvmlDevice_t) -> Result<u64, NvmlError>,
    ) -> Result<(), NvmlError> {
        let value = self.ask(feature, readings, ask)?;
        readings.gauges.extend(value.map(|value| (gauge, value)));
        Ok(())
    }

    /// Notes an error, which is none if the GPU is gone.
    fn excuse(
        &mut self,
        feature: Feature,
        error: NvmlError,
        readings: &mut Readings,
    ) -> Result<(), NvmlError> {
        if error.is_gone() {
            return Err(error);
        }
        if error.is_absent() {
            self.lacking |= 1 << feature as u32;
            if !self.lacks.contains(&error) {
                self.lacks.push(error);
            }
        } else if !error.is_empty() {
            readings.faults.push(error);
        }
        Ok(())
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.partitions.clear(&self.session);
        if let Some(sampler) = self.sampler.take() {
            sampler.free(&self.session);
        }
        if let Some(Events(set)) = self.events.take() {
            let _ = call!(self.session, nvmlEventSetFree(set));
        }
    }
}
