//! The sensors of power and energy that the kernel shows. Knows no type of Alumet.
//!
//! Formats: `Documentation/hwmon/sysfs-interface.rst` and `Documentation/ABI/testing/sysfs-class-power`.

use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::ReadError;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::hwmon::{self, Sensor};
use alumet_shared_sensor_source::{NumberFile, number};

/// More than any sensor of one machine can rightly show, where it does not state a maximum.
const MAX_WATTS: f64 = 10_000.0;

/// More than is drawn from the battery of any computer.
const MAX_BATTERY_WATTS: f64 = 1000.0;

/// What is shown, as files and what is known of them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Listing {
    pub(crate) powers: Vec<(Sensor, PathBuf)>,
    pub(crate) energies: Vec<(Sensor, PathBuf)>,
    /// The folders of batteries.
    pub(crate) batteries: Vec<PathBuf>,
}

impl Listing {
    /// What the machine shows now.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn of(root: &Path) -> Result<Self, ReadError> {
        let root = SystemRoot::at(root);
        Ok(Self {
            // Of a channel with both, the mean says more about energy.
            powers: hwmon::channels(&root, "power", &["average", "input"])?,
            energies: hwmon::channels(&root, "energy", &["input"])?,
            batteries: batteries(&root),
        })
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.powers.is_empty() && self.energies.is_empty() && self.batteries.is_empty()
    }
}

/// Batteries that power the machine, and not a mouse.
fn batteries(root: &SystemRoot) -> Vec<PathBuf> {
    let supplies = fs::read_dir(root.sys("class/power_supply"));
    let folders = supplies.into_iter().flatten().flatten().map(|entry| entry.path());
    let says = |folder: &Path, file: &str, word: &[u8]| {
        fs::read(folder.join(file)).is_ok_and(|text| text.trim_ascii() == word)
    };
    let mut folders: Vec<_> = folders
        .filter(|folder| says(folder, "type", b"Battery") && !says(folder, "scope", b"Device"))
        .collect();
    folders.sort();
    folders
}

/// A sensor of power.
#[derive(Debug)]
pub(crate) struct PowerSensor {
    file: NumberFile,
    max_watts: f64,
}

impl PowerSensor {
    /// The sensor with this file, such as `power1_input`.
    pub(crate) fn at(path: &Path) -> Self {
        let stated = |suffix: &str| {
            let name = path.file_name()?.to_str()?;
            let (channel, _) = name.split_once('_')?;
            let watts = number(&fs::read(path.with_file_name(format!("{channel}_{suffix}"))).ok()?)? / 1e6;
            (0.0..MAX_WATTS).contains(&watts).then_some(watts)
        };
        let stated = ["cap_max", "rated_max", "max"].into_iter().filter_map(stated);
        let largest = stated.fold(0.0, f64::max);
        Self {
            file: NumberFile::new(path.to_path_buf()),
            // A peak can be well above what is allowed on average.
            max_watts: if largest > 0.0 { 4.0 * largest } else { MAX_WATTS },
        }
    }

    /// Watts; none if it shows what cannot be.
    ///
    /// # Errors
    /// When the sensor does not answer, is asleep or removed.
    pub(crate) fn watts(&mut self) -> Result<Option<f64>, ReadError> {
        Ok(plausible(self.file.read(number)?, self.max_watts))
    }
}

/// Watts of microwatts, if they can be.
fn plausible(microwatts: f64, max_watts: f64) -> Option<f64> {
    let watts = microwatts / 1e6;
    (0.0..=max_watts).contains(&watts).then_some(watts)
}

/// A counter of microjoules.
#[derive(Debug)]
pub(crate) struct EnergySensor(NumberFile);

impl EnergySensor {
    /// More than it can count in a second.
    pub(crate) const MAX_RATE: f64 = MAX_WATTS * Self::PER_JOULE;
    /// What it counts for a joule.
    pub(crate) const PER_JOULE: f64 = 1e6;

    /// The counter with this file, such as `energy1_input`.
    pub(crate) fn at(path: &Path) -> Self {
        Self(NumberFile::new(path.to_path_buf()))
    }

    /// What it has counted.
    ///
    /// # Errors
    /// When the sensor does not answer, is asleep or removed.
    pub(crate) fn microjoules(&mut self) -> Result<u64, ReadError> {
        self.0
            .read(|bytes| alumet_reader_kernel_file::fields::number(bytes.trim_ascii()))
    }
}

/// A battery.
#[derive(Debug)]
pub(crate) struct Battery {
    status: NumberFile,
    power: NumberFile,
    current: NumberFile,
    voltage: NumberFile,
}

impl Battery {
    /// The battery with this folder.
    pub(crate) fn at(folder: &Path) -> Self {
        let file = |name: &str| NumberFile::new(folder.join(name));
        Self {
            status: file("status"),
            power: file("power_now"),
            current: file("current_now"),
            voltage: file("voltage_now"),
        }
    }

    /// Watts that are drawn from it; none while it does not discharge, and an inner none if it shows what cannot be.
    ///
    /// # Errors
    /// When it does not answer or was removed.
    pub(crate) fn watts(&mut self) -> Result<Option<Option<f64>>, ReadError> {
        if !self
            .status
            .read(|bytes| Some(bytes.trim_ascii() == b"Discharging"))?
        {
            return Ok(None);
        }
        let microwatts = match self.power.read(number) {
            Err(ReadError::NotSupported { .. }) => {
                self.current.read(number)? * self.voltage.read(number)? / 1e6
            }
            power => power?,
        };
        // Some drivers show what flows out as negative.
        Ok(Some(plausible(microwatts.abs(), MAX_BATTERY_WATTS)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_is_no_power() {
        assert_eq!(plausible(12_500_000.0, 50.0), Some(12.5));
        for microwatts in [-1.0, 50_000_001.0, f64::NAN, f64::INFINITY] {
            assert_eq!(plausible(microwatts, 50.0), None, "{microwatts}");
        }
        for unset in [u64::MAX as f64, i64::MAX as f64] {
            assert_eq!(plausible(unset, MAX_WATTS), None, "{unset}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>, text in "-?[0-9ainf.e]{0,24}\n?") {
            let watts = [&bytes[..], text.as_bytes()].map(|bytes| plausible(number(bytes)?, MAX_WATTS));
            prop_assert!(watts.into_iter().flatten().all(|watts| (0.0..=MAX_WATTS).contains(&watts)));
        }
    }
}
