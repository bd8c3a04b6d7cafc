//! Values by the number of their field: many with one call.
#![expect(unsafe_code, reason = "a library of C is called, and its unions are read")]

use nvml_wrapper_sys::bindings::{self as sys, field_id, nvmlFieldValue_t};

use super::board::Handle;
use super::library::{NvmlError, Session, call};
use super::reading::{Count, Counted, Gauge, Readings};

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Energy,
    Gauge(Gauge),
    Count(Count),
}

/// The sum of all links.
const ALL_LINKS: u32 = u32::MAX;

/// What mode `minimal` measures.
const MINIMAL: usize = 3;

const FIELDS: [(u32, u32, What); 15] = {
    use Count::*;
    use Gauge::*;
    use field_id::*;
    [
        (NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 0, What::Energy),
        (NVML_FI_DEV_POWER_INSTANT, 0, What::Gauge(InstantPower)),
        (NVML_FI_DEV_POWER_AVERAGE, 0, What::Gauge(AveragePower)),
        (NVML_FI_DEV_POWER_CURRENT_LIMIT, 0, What::Gauge(PowerLimit)),
        (NVML_FI_DEV_MEMORY_TEMP, 0, What::Gauge(MemoryTemperature)),
        (NVML_FI_DEV_ECC_SBE_VOL_TOTAL, 0, What::Count(CorrectedErrors)),
        (NVML_FI_DEV_ECC_DBE_VOL_TOTAL, 0, What::Count(UncorrectedErrors)),
        (NVML_FI_DEV_PCIE_REPLAY_COUNTER, 0, What::Count(PcieReplays)),
        (NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 0, What::Count(PcieSent)),
        (NVML_FI_DEV_PCIE_COUNT_RX_BYTES, 0, What::Count(PcieReceived)),
        (
            NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
            ALL_LINKS,
            What::Count(NvlinkSent),
        ),
        (
            NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
            ALL_LINKS,
            What::Count(NvlinkReceived),
        ),
        (NVML_FI_DEV_REMAPPED_COR, 0, What::Gauge(CorrectableRows)),
        (NVML_FI_DEV_REMAPPED_UNC, 0, What::Gauge(UncorrectableRows)),
        (NVML_FI_DEV_REMAPPED_FAILURE, 0, What::Gauge(RowFailure)),
    ]
};

/// The fields that a GPU has.
pub(super) struct Fields {
    whats: Vec<What>,
    /// In the same order, as the driver wants them.
    values: Vec<nvmlFieldValue_t>,
}

impl Fields {
    pub(super) fn new(is_full: bool) -> Self {
        let wanted = &FIELDS[..if is_full { FIELDS.len() } else { MINIMAL }];
        let value = |(id, scope, _): &(u32, u32, What)| {
            // SAFETY: a structure of numbers, for which zeros are right.
            let mut value: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
            (value.fieldId, value.scopeId) = (*id, *scope);
            value
        };
        Self {
            whats: wanted.iter().map(|(.., what)| *what).collect(),
            values: wanted.iter().map(value).collect(),
        }
    }

    /// Reads all of them; those that the GPU lacks are not asked for again.
    ///
    /// # Errors
    /// When none can be read.
    pub(super) fn read(
        &mut self,
        session: &Session,
        handle: Handle,
        readings: &mut Readings,
    ) -> Result<(), NvmlError> {
        if self.values.is_empty() {
            return Ok(());
        }
        let values = self.values.as_mut_ptr();
        call!(
            session,
            nvmlDeviceGetFieldValues(handle.0, self.whats.len() as i32, values)
        )?;
        let mut index = 0;
        while let (Some(what), Some(value)) = (self.whats.get(index), self.values.get(index)) {
            match NvmlError::of("nvmlDeviceGetFieldValues", value.nvmlReturn) {
                Ok(()) => readings.put(*what, value),
                Err(error) if error.is_absent() => {
                    self.whats.swap_remove(index);
                    self.values.swap_remove(index);
                    continue;
                }
                Err(error) if error.is_gone() => return Err(error),
                Err(error) if error.is_empty() => {}
                Err(error) => readings.faults.push(error),
            }
            index += 1;
        }
        Ok(())
    }
}

impl Readings {
    fn put(&mut self, what: What, field: &nvmlFieldValue_t) {
        let Some(value) = value_of(field) else { return };
        match what {
            What::Energy => self.energy = Some(value),
            What::Gauge(gauge) => self.gauges.push((gauge, value)),
            What::Count(count) => {
                let is_short = field.valueType == sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT;
                // At full speed, bytes go round 32 bits more than ten times in a second: nothing is known of them.
                if !(is_short && matches!(count, Count::PcieSent | Count::PcieReceived)) {
                    self.counts.push(Counted {
                        count,
                        value,
                        is_short,
                    });
                }
            }
        }
    }
}

/// The number; none if it is negative, or of a type that there was not yet.
fn value_of(field: &nvmlFieldValue_t) -> Option<u64> {
    let value = &field.value;
    // SAFETY: the driver says which part of the union it has written, and all parts are numbers.
    unsafe {
        match field.valueType {
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE => (0.0..u64::MAX as f64)
                .contains(&value.dVal)
                .then_some(value.dVal as u64),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => Some(u64::from(value.uiVal)),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG => Some(value.ulVal),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => Some(value.ullVal),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG => u64::try_from(value.sllVal).ok(),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT => u64::try_from(value.siVal).ok(),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_SHORT => Some(u64::from(value.usVal)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimal_reading_is_of_energy_and_power_alone() {
        let fields = Fields::new(false);
        let expected = [
            What::Energy,
            What::Gauge(Gauge::InstantPower),
            What::Gauge(Gauge::AveragePower),
        ];
        assert_eq!(fields.whats, expected);
    }

    #[test]
    fn a_value_is_read_as_the_type_that_the_driver_says() {
        let field = |kind, value| {
            // SAFETY: a structure of numbers.
            let mut field: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
            (field.valueType, field.value) = (kind, value);
            value_of(&field)
        };
        assert_eq!(field(0, sys::nvmlValue_t { dVal: 2.5 }), Some(2));
        assert_eq!(field(0, sys::nvmlValue_t { dVal: f64::NAN }), None);
        let low = sys::nvmlValue_t {
            ullVal: u64::from(u32::MAX) << 32 | 7,
        };
        assert_eq!(field(1, low), Some(7));
        assert_eq!(field(3, low), Some(u64::from(u32::MAX) << 32 | 7));
        assert_eq!(field(4, sys::nvmlValue_t { sllVal: -1 }), None);
        assert_eq!(field(99, low), None);
    }
}
