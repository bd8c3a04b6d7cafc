//! Graphics processors as the driver `amdgpu` shows them. Knows no type of Alumet.
//!
//! Formats: `Documentation/gpu/amdgpu/thermal.rst` and `driver-misc.rst` of Linux, and the comments of
//! `drivers/gpu/drm/amd/pm/amdgpu_pm.c`.

pub(crate) mod gpu_metrics;
pub(crate) mod kfd;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_drm::{Card, ReadError, SystemRoot, cards};
use alumet_reader_procfs::hwmon::channels_of;

/// The drivers whose cards are measured.
pub(crate) const DRIVERS: &[&str] = &["amdgpu"];

/// A graphics processor and what it shows.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) card: Card,
    pub(crate) energy: Energy,
    pub(crate) shown: Vec<Shown>,
}

/// Where its energy is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Energy {
    /// This table has an accumulator.
    Counted(PathBuf),
    /// Its power is its own.
    FromPower,
    /// Its power is that of the whole package, which is the CPU as well: those joules are the processor's.
    OfPackage,
}

/// A file with a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) quantity: Quantity,
    /// Which of several it is, such as `edge` or `sclk`.
    pub(crate) label: Option<String>,
    pub(crate) path: PathBuf,
}

/// What a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Microwatts.
    Power,
    /// Percent.
    Activity,
    /// Bytes.
    Memory,
    /// Thousandths of a degree Celsius.
    Temperature,
    /// Millivolts.
    Voltage,
    /// Hertz.
    Clock,
    /// Revolutions per minute.
    Fan,
}

/// The files of the device itself, with the names of the original.
const OF_DEVICE: [(Quantity, &str, &str); 5] = [
    (Quantity::Activity, "gpu_busy_percent", "graphic_core"),
    (
        Quantity::Activity,
        "mem_busy_percent",
        "unified_memory_controller",
    ),
    (Quantity::Activity, "vcn_busy_percent", "memory_management"),
    (Quantity::Memory, "mem_info_vram_used", "memory_video_computing"),
    (
        Quantity::Memory,
        "mem_info_gtt_used",
        "memory_graphic_translation_table",
    ),
];

/// The channels of the sensor chip. Of one with both, the mean says more about energy.
const OF_CHIP: [(Quantity, &str, &[&str]); 5] = [
    (Quantity::Power, "power", &["average", "input"]),
    (Quantity::Temperature, "temp", &["input"]),
    (Quantity::Voltage, "in", &["input"]),
    (Quantity::Clock, "freq", &["input"]),
    (Quantity::Fan, "fan", &["input"]),
];

impl Gpu {
    /// All of the machine, by rising number of their cards. Where their energy is known from is noted by their address: to look
    /// for it would wake those that sleep.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn list(root: &Path, known: &mut BTreeMap<String, Energy>) -> Result<Vec<Self>, ReadError> {
        let cards = cards(&SystemRoot::at(root), DRIVERS)?;
        cards.into_iter().map(|card| Self::of(card, known)).collect()
    }

    fn of(card: Card, known: &mut BTreeMap<String, Energy>) -> Result<Self, ReadError> {
        let device = card.device();
        let mut shown: Vec<_> = OF_DEVICE
            .into_iter()
            .map(|(quantity, file, label)| Shown {
                quantity,
                label: Some(label.to_owned()),
                path: device.join(file),
            })
            .filter(|shown| shown.path.exists())
            .collect();
        for (quantity, name, suffixes) in OF_CHIP {
            let channels = match &card.hwmon {
                Some(chip) => channels_of(chip, name, suffixes)?,
                None => Vec::new(),
            };
            shown.extend(channels.into_iter().map(|(sensor, path)| Shown {
                quantity,
                label: sensor.label,
                path,
            }));
        }
        let energy = match known.get(&card.bus_id) {
            Some(energy) => energy.clone(),
            None if is_asleep(&device) => Energy::FromPower,
            None => {
                let energy = Energy::of(&device, &shown);
                known.insert(card.bus_id.clone(), energy.clone());
                energy
            }
        };
        Ok(Self { card, energy, shown })
    }
}

fn is_asleep(device: &Path) -> bool {
    fs::read(device.join("power/runtime_status")).is_ok_and(|status| status.trim_ascii() == b"suspended")
}

impl Energy {
    fn of(device: &Path, shown: &[Shown]) -> Self {
        let path = device.join("gpu_metrics");
        let table = fs::read(&path).unwrap_or_default();
        // Older APUs have no table, but the voltage of their northbridge.
        let is_northbridge = |shown: &Shown| shown.label.as_deref() == Some("vddnb");
        if gpu_metrics::energy(&table).is_some() {
            Self::Counted(path)
        } else if gpu_metrics::is_of_apu(&table) || shown.iter().any(is_northbridge) {
            Self::OfPackage
        } else {
            Self::FromPower
        }
    }
}
