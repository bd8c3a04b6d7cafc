//! `/sys/class/hwmon` and `/sys/class/thermal`: temperature sensors.
//!
//! Formats: `Documentation/hwmon/sysfs-interface.rst` and `Documentation/driver-api/thermal/sysfs-api.rst`.

use std::fs;
use std::path::Path;

use crate::{ParseError, Parsed, ReadError, SystemRoot};
use alumet_reader_kernel_file::fields::number;
use alumet_reader_kernel_file::{Extent, KeptFile};

/// What is known of one temperature sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// The subsystem that offers it.
    pub origin: SensorOrigin,
    /// Its folder, such as `hwmon2` or `thermal_zone0`. The number can differ after each boot.
    pub folder: String,
    /// The number of the channel, such as 1 for `temp1_input`; 0 for a thermal zone.
    pub channel: u32,
    /// The chip or the type of the zone, such as `coretemp`, `nvme` or `x86_pkg_temp`.
    pub chip: String,
    /// What the driver calls the channel, such as `Package id 0`.
    pub label: Option<String>,
    /// The device that carries the chip, such as `coretemp.0` or `nvme0`; tells two equal chips apart.
    pub device: Option<String>,
}

/// The subsystem that offers a sensor. A CPU package often appears in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SensorOrigin {
    /// `/sys/class/hwmon/hwmon*/temp*_input`.
    Hwmon,
    /// `/sys/class/thermal/thermal_zone*/temp`.
    ThermalZone,
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
    /// Lists the sensors. That there are none is normal on virtual machines.
    pub fn discover(root: &SystemRoot) -> Self {
        let mut found = Self::default();
        for (folder, path) in folders(&root.sys("class/hwmon"), "hwmon") {
            found.add_chip(&folder, &path);
        }
        for (folder, path) in folders(&root.sys("class/thermal"), "thermal_zone") {
            found.add_zone(folder, &path);
        }
        found.sensors.sort_by(|(a, _), (b, _)| {
            (a.origin, &a.folder, a.channel).cmp(&(b.origin, &b.folder, b.channel))
        });
        found
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

    fn add_chip(&mut self, folder: &str, path: &Path) {
        let Ok(entries) = fs::read_dir(path) else {
            return;
        };
        let chip = text_of(&path.join("name")).unwrap_or_else(|| folder.to_owned());
        let device = device_of(path);
        for entry in entries.flatten() {
            let Some(channel) = entry.file_name().to_str().and_then(channel_of) else {
                continue;
            };
            let sensor = Sensor {
                origin: SensorOrigin::Hwmon,
                folder: folder.to_owned(),
                channel,
                chip: chip.clone(),
                label: text_of(&path.join(format!("temp{channel}_label"))),
                device: device.clone(),
            };
            self.sensors.push((sensor, sensor_file(&entry.path())));
        }
    }

    fn add_zone(&mut self, folder: String, path: &Path) {
        let temperature = path.join("temp");
        if !temperature.exists() {
            return;
        }
        let sensor = Sensor {
            origin: SensorOrigin::ThermalZone,
            channel: 0,
            chip: text_of(&path.join("type")).unwrap_or_else(|| folder.clone()),
            label: None,
            device: device_of(path),
            folder,
        };
        self.sensors.push((sensor, sensor_file(&temperature)));
    }
}

fn sensor_file(path: &Path) -> KeptFile {
    KeptFile::closed(
        path.to_path_buf(),
        Extent::OneRecord,
        "the sensor was removed; list the sensors anew",
    )
}

fn folders(class: &Path, prefix: &str) -> Vec<(String, std::path::PathBuf)> {
    let entries = fs::read_dir(class).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    named
        .filter(|(name, _)| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| number(rest.as_bytes()).is_some())
        })
        .collect()
}

/// The channel number of a file name such as `temp12_input`.
fn channel_of(file: &str) -> Option<u32> {
    let digits = file.strip_prefix("temp")?.strip_suffix("_input")?;
    u32::try_from(number(digits.as_bytes())?).ok()
}

fn text_of(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(bytes.trim_ascii());
    (!text.is_empty()).then(|| text.into_owned())
}

fn device_of(path: &Path) -> Option<String> {
    let target = fs::read_link(path.join("device")).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
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
