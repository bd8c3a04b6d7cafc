//! The INA3221 power monitors of Jetson boards. Knows no type of Alumet.
//!
//! JetPack 5 and later have the driver of Linux (`Documentation/hwmon/ina3221.rst`), which shows volts and amperes; before,
//! NVIDIA's own showed watts as well (NVIDIA Jetson Linux Developer Guide, "Software-Based Power Consumption Modeling").

use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::{ReadError, is_exhausted};

/// How many rails a monitor has. Further channels of the driver are shunts and their sum.
const RAILS: u32 = 3;

/// A rail that is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rail {
    /// The I²C bus of the monitor.
    pub(crate) bus: u64,
    /// Its address there.
    pub(crate) address: u64,
    pub(crate) channel: u32,
    /// What it feeds, such as `VDD_IN`.
    pub(crate) label: String,
    /// Its file with milliamperes.
    pub(crate) current: PathBuf,
    /// Its file with millivolts.
    pub(crate) voltage: PathBuf,
    /// Its file with milliwatts, if the driver has one.
    pub(crate) power: Option<PathBuf>,
}

impl Rail {
    /// The rails of all monitors of the machine whose `sys` lies below `root`.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn list(root: &Path) -> Result<Vec<Self>, ReadError> {
        let drivers = root.join("sys/bus/i2c/drivers");
        let mut rails = Vec::new();
        for monitor in folders(&drivers.join("ina3221"), "")? {
            for chip in folders(&monitor.join("hwmon"), "hwmon")? {
                rails.extend((1..=RAILS).filter_map(|channel| Self::of_hwmon(&monitor, &chip, channel)));
            }
        }
        for monitor in folders(&drivers.join("ina3221x"), "")? {
            // There can be a link `iio_device` to the same.
            for chip in folders(&monitor, "iio:device")? {
                rails.extend((0..RAILS).filter_map(|channel| Self::of_iio(&monitor, &chip, channel)));
            }
        }
        Ok(rails)
    }

    /// A channel that is not connected is disabled or has no label.
    fn of_hwmon(monitor: &Path, chip: &Path, channel: u32) -> Option<Self> {
        let file = |name: String| chip.join(name);
        let is_enabled = text(&file(format!("in{channel}_enable"))).is_none_or(|text| text != "0");
        let label = text(&file(format!("in{channel}_label"))).filter(|_| is_enabled)?;
        let (current, voltage) = (
            file(format!("curr{channel}_input")),
            file(format!("in{channel}_input")),
        );
        Self::at(monitor, channel, label, current, voltage, None)
    }

    fn of_iio(monitor: &Path, chip: &Path, channel: u32) -> Option<Self> {
        let file = |quantity: &str| chip.join(format!("in_{quantity}{channel}_input"));
        let label = text(&chip.join(format!("rail_name_{channel}")))?;
        let power = Some(file("power")).filter(|path| path.exists());
        Self::at(monitor, channel, label, file("current"), file("voltage"), power)
    }

    fn at(
        monitor: &Path,
        channel: u32,
        label: String,
        current: PathBuf,
        voltage: PathBuf,
        power: Option<PathBuf>,
    ) -> Option<Self> {
        // Bus and address, such as `7-0040`.
        let (bus, address) = monitor.file_name()?.to_str()?.split_once('-')?;
        let rail = Self {
            bus: bus.parse().ok()?,
            address: u64::from_str_radix(address, 16).ok()?,
            channel,
            label,
            current,
            voltage,
            power,
        };
        (rail.current.exists() && rail.voltage.exists()).then_some(rail)
    }
}

/// The entries of a folder whose names begin so, by name; none where there is no such folder.
fn folders(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>, ReadError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_exhausted(&error) => {
            let path = folder.to_path_buf();
            return Err(ReadError::Io { path, error });
        }
        entries => entries.into_iter().flatten().flatten(),
    };
    let entries = entries.filter(|entry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_bytes())
    });
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?.trim().to_owned();
    // What is said of a channel without a rail.
    (!text.is_empty() && text != "NC").then_some(text)
}
