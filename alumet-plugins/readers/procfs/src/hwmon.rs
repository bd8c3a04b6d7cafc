//! `/sys/class/hwmon` and `/sys/class/thermal`: the channels of sensor chips, and the temperatures of all.
//!
//! Formats: `Documentation/hwmon/sysfs-interface.rst` and `Documentation/driver-api/thermal/sysfs-api.rst`. A CPU package
//! often appears in both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::root::{if_there, numbered};
use crate::{ParseError, Parsed, ReadError, SystemRoot};
use alumet_reader_kernel_file::fields::number;
use alumet_reader_kernel_file::{Extent, KeptFile};

/// What is known of one channel of a sensor chip, or of a thermal zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Its folder, such as `hwmon2` or `thermal_zone0`. The number can differ after each boot.
    pub folder: String,
    /// The number of the channel, such as 1 for `temp1_input`; `None` for a thermal zone.
    pub channel: Option<u32>,
    /// The chip or the type of the zone, such as `coretemp`, `nvme` or `x86_pkg_temp`.
    pub chip: String,
    /// What the driver calls the channel, such as `Package id 0`.
    pub label: Option<String>,
    /// The device that carries the chip, such as `coretemp.0` or `nvme0`; tells two equal chips apart.
    pub device: Option<String>,
}

/// The channels of one quantity, such as `temp` or `power`, by chip and number, each with its file: that with the first of the
/// suffixes, such as `average` or `input`, that the channel has. That there are none is normal on virtual machines.
///
/// # Errors
/// When no descriptor is left.
pub fn channels(
    root: &SystemRoot,
    quantity: &str,
    suffixes: &[&str],
) -> Result<Vec<(Sensor, PathBuf)>, ReadError> {
    list(root, quantity, suffixes).map_err(|error| ReadError::Io {
        path: root.sys("class/hwmon"),
        error,
    })
}

/// The same of one chip, by its folder.
///
/// # Errors
/// When no descriptor is left.
pub fn channels_of(
    chip: &Path,
    quantity: &str,
    suffixes: &[&str],
) -> Result<Vec<(Sensor, PathBuf)>, ReadError> {
    list_chip(chip, quantity, suffixes).map_err(|error| ReadError::Io {
        path: chip.to_path_buf(),
        error,
    })
}

/// A name for each sensor of a quantity, which no other has whose chip is called the same: `coretemp.0/temp1`, or
/// `thermal_zone0`. It is the same after each boot, unless two chips of one device have the same name.
pub fn names<'s>(quantity: &str, sensors: impl Iterator<Item = &'s Sensor>) -> Vec<String> {
    let mut names: Vec<(&str, String)> = Vec::new();
    for sensor in sensors {
        let name_of = |device: &str| match sensor.channel {
            Some(channel) => format!("{device}/{quantity}{channel}"),
            None => sensor.folder.clone(),
        };
        let mut named = (
            sensor.chip.as_str(),
            name_of(sensor.device.as_deref().unwrap_or(&sensor.folder)),
        );
        if names.contains(&named) {
            named.1 = name_of(&sensor.folder);
        }
        names.push(named);
    }
    names.into_iter().map(|(_, name)| name).collect()
}

fn list(root: &SystemRoot, quantity: &str, suffixes: &[&str]) -> io::Result<Vec<(Sensor, PathBuf)>> {
    let mut found = Vec::new();
    for (_, folder) in numbered(&root.sys("class/hwmon"), "hwmon")? {
        found.extend(list_chip(&folder, quantity, suffixes)?);
    }
    Ok(found)
}

fn list_chip(folder: &Path, quantity: &str, suffixes: &[&str]) -> io::Result<Vec<(Sensor, PathBuf)>> {
    let mut channels = BTreeMap::new();
    for file in if_there(fs::read_dir(folder))?.into_iter().flatten().flatten() {
        let name = file.file_name();
        let Some((channel, suffix)) = name.to_str().and_then(|name| channel_of(name, quantity)) else {
            continue;
        };
        if let Some(rank) = suffixes.iter().position(|known| *known == suffix) {
            let best = channels.entry(channel).or_insert(rank);
            *best = rank.min(*best);
        }
    }
    let sensor = |(channel, rank): (u32, usize)| {
        let file = folder.join(format!("{quantity}{channel}_{}", suffixes[rank]));
        let label = text_of(&folder.join(format!("{quantity}{channel}_label")))?;
        Ok((Sensor::at(folder, "name", Some(channel), label)?, file))
    };
    channels.into_iter().map(sensor).collect()
}

impl Sensor {
    fn at(folder: &Path, chip: &str, channel: Option<u32>, label: Option<String>) -> io::Result<Self> {
        let device = fs::read_link(folder.join("device"));
        let name = name_of(folder).unwrap_or_default();
        Ok(Self {
            channel,
            chip: text_of(&folder.join(chip))?.unwrap_or_else(|| name.clone()),
            label,
            device: device.ok().as_deref().and_then(name_of),
            folder: name,
        })
    }
}

/// Parses a temperature in millidegrees Celsius into degrees Celsius.
///
/// # Errors
/// When it is not one whole number; `celsius` is then unchanged.
pub fn parse(bytes: &[u8], celsius: &mut f64) -> Parsed {
    let text = bytes.trim_ascii();
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1.0, digits),
        digits => (1.0, digits),
    };
    let millidegrees = number(digits)
        .and_then(|value| i32::try_from(value).ok())
        .ok_or(ParseError::at(
            1,
            "a temperature in millidegrees Celsius is expected",
        ))?;
    *celsius = sign * f64::from(millidegrees) / 1000.0;
    Ok(None)
}

/// The open files of all temperature sensors.
#[derive(Debug, Default)]
pub struct TemperatureFiles {
    sensors: Vec<(Sensor, KeptFile)>,
}

impl TemperatureFiles {
    /// Lists the sensors: those of `hwmon` by chip and channel, then the thermal zones. That there are none is normal on
    /// virtual machines.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn discover(root: &SystemRoot) -> Result<Self, ReadError> {
        let mut found = Self::default();
        found.list(root).map_err(|error| ReadError::Io {
            path: root.sys("class"),
            error,
        })?;
        Ok(found)
    }

    /// The sensors, in the order of [`Self::read`].
    pub fn sensors(&self) -> impl Iterator<Item = &Sensor> {
        self.sensors.iter().map(|(sensor, _)| sensor)
    }

    /// Reads all sensors and gives each result with the sensor's position and description: degrees Celsius, or why
    /// there is no reading now. A sensor that is asleep or broken (`EIO`, `EAGAIN`, `ENODATA`) does not disturb the
    /// others.
    pub fn read(&mut self, mut take: impl FnMut(usize, &Sensor, Result<f64, ReadError>)) {
        for (position, (sensor, file)) in self.sensors.iter_mut().enumerate() {
            let mut celsius = 0.0;
            let result = file
                .read_with(|bytes| parse(bytes, &mut celsius))
                .map(|()| celsius);
            take(position, sensor, result);
        }
    }

    fn list(&mut self, root: &SystemRoot) -> io::Result<()> {
        let mut found = list(root, "temp", &["input"])?;
        for (_, folder) in numbered(&root.sys("class/thermal"), "thermal_zone")? {
            let file = folder.join("temp");
            if file.exists() {
                found.push((Sensor::at(&folder, "type", None, None)?, file));
            }
        }
        let mend = "the sensor was removed; list the sensors anew";
        let kept = |(sensor, path)| (sensor, KeptFile::new(path, Extent::OneRecord, mend));
        self.sensors.extend(found.into_iter().map(kept));
        Ok(())
    }
}

/// The channel number and the suffix of a file name such as `temp12_input`.
fn channel_of<'n>(file: &'n str, quantity: &str) -> Option<(u32, &'n str)> {
    let (digits, suffix) = file.strip_prefix(quantity)?.split_once('_')?;
    Some((u32::try_from(number(digits.as_bytes())?).ok()?, suffix))
}

fn text_of(path: &Path) -> io::Result<Option<String>> {
    let bytes = if_there(fs::read(path))?.unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
    Ok((!text.is_empty()).then_some(text))
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_files_of_a_chip_are_no_channels() {
        assert_eq!(channel_of("temp12_input", "temp"), Some((12, "input")));
        for other in ["temp_input", "fan1_input", "tempx_input", "temp1", "xtemp1_input"] {
            assert_eq!(channel_of(other, "temp"), None, "{other}");
        }
    }

    #[test]
    fn a_text_is_no_temperature() {
        for wrong in ["", "-", "--5", "warm", "1 2", "99999999999"] {
            assert!(parse(wrong.as_bytes(), &mut 0.0).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn millidegrees_become_degrees(value in -273_150..=2_000_000_i32) {
            let mut celsius = f64::NAN;
            parse(format!("{value}\n").as_bytes(), &mut celsius).unwrap();
            prop_assert_eq!(celsius, f64::from(value) / 1000.0);
        }
    }
}
