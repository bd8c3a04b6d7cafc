//! `/sys/class/hwmon` and `/sys/class/thermal`: temperature sensors.
//!
//! Formats: `Documentation/hwmon/sysfs-interface.rst` and `Documentation/driver-api/thermal/sysfs-api.rst`. A CPU package
//! often appears in both.

use std::path::Path;
use std::{fs, io};

use crate::root::{if_there, numbered};
use crate::{ParseError, Parsed, ReadError, SystemRoot};
use alumet_reader_kernel_file::fields::number;
use alumet_reader_kernel_file::{Extent, KeptFile};

/// What is known of one temperature sensor.
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
        for (_, folder) in numbered(&root.sys("class/hwmon"), "hwmon")? {
            let files = if_there(fs::read_dir(&folder))?.into_iter().flatten().flatten();
            let channels = files.filter_map(|file| channel_of(file.file_name().to_str()?));
            let mut channels: Vec<_> = channels.collect();
            channels.sort_unstable();
            for channel in channels {
                self.add(&folder, Some(channel))?;
            }
        }
        for (_, folder) in numbered(&root.sys("class/thermal"), "thermal_zone")? {
            if folder.join("temp").exists() {
                self.add(&folder, None)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, channel: Option<u32>) -> io::Result<()> {
        let text = |file: &str| text_of(&path.join(file));
        let (chip, label, input) = match channel {
            Some(channel) => (
                text("name")?,
                text(&format!("temp{channel}_label"))?,
                format!("temp{channel}_input"),
            ),
            None => (text("type")?, None, "temp".to_owned()),
        };
        let folder = name_of(path).unwrap_or_default();
        let device = fs::read_link(path.join("device"));
        let sensor = Sensor {
            channel,
            chip: chip.unwrap_or_else(|| folder.clone()),
            label,
            device: device.ok().as_deref().and_then(name_of),
            folder,
        };
        let mend = "the sensor was removed; list the sensors anew";
        let file = KeptFile::new(path.join(input), Extent::OneRecord, mend);
        self.sensors.push((sensor, file));
        Ok(())
    }
}

/// The channel number of a file name such as `temp12_input`.
fn channel_of(file: &str) -> Option<u32> {
    let digits = file.strip_prefix("temp")?.strip_suffix("_input")?;
    u32::try_from(number(digits.as_bytes())?).ok()
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
        assert_eq!(channel_of("temp12_input"), Some(12));
        for other in [
            "temp1_label",
            "temp_input",
            "fan1_input",
            "temp1_input2",
            "tempx_input",
        ] {
            assert_eq!(channel_of(other), None, "{other}");
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
