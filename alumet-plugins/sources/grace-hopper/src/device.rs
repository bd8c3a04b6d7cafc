//! The power sensors of Grace and Grace Hopper superchips. Knows no type of Alumet.
//!
//! They are ACPI power meters (`Documentation/hwmon/acpi_power_meter.rst`), whose `power1_oem_info` says what they measure
//! (NVIDIA Grace Performance Tuning Guide, "Power and Thermals"): `Grace Power Socket 0`.

use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::{ReadError, is_exhausted};

/// A power sensor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Meter {
    pub(crate) socket: u32,
    pub(crate) part: Part,
    /// The folder of the chip, such as `/sys/class/hwmon/hwmon1`.
    pub(crate) chip: PathBuf,
    /// Its file with microwatts.
    pub(crate) power: PathBuf,
}

/// What a sensor measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The whole module: Grace, Hopper, memory and the losses of regulators. A Grace superchip has none.
    Module,
    /// The socket of the Grace CPU: what follows, and its memory.
    Grace,
    /// The rail of the cores.
    Cpu,
    /// The rail of the rest of the chip.
    Sysio,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Module, Self::Grace, Self::Cpu, Self::Sysio];

    /// The value of the attribute `sensor`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Grace => "grace",
            Self::Cpu => "cpu",
            Self::Sysio => "sysio",
        }
    }
}

impl Meter {
    /// The meters whose chips are in this folder, by socket and part.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn list(folder: &Path) -> Result<Vec<Self>, ReadError> {
        let chips = match fs::read_dir(folder) {
            Err(error) if is_exhausted(&error) => {
                let path = folder.to_path_buf();
                return Err(ReadError::Io { path, error });
            }
            chips => chips.into_iter().flatten().flatten(),
        };
        let mut meters: Vec<_> = chips.filter_map(|chip| Self::at(chip.path())).collect();
        meters.sort();
        // A second sensor of the same part would count twice.
        meters.dedup_by_key(|meter| (meter.socket, meter.part));
        Ok(meters)
    }

    /// The files are those of the device; newer kernels have them in the folder of the chip.
    fn at(chip: PathBuf) -> Option<Self> {
        let mut folders = [chip.join("device"), chip.clone()].into_iter();
        let (folder, info) = folders.find_map(|folder| {
            let info = fs::read_to_string(folder.join("power1_oem_info")).ok()?;
            Some((folder, info))
        })?;
        let (part, socket) = parse(&info)?;
        let power = folder.join("power1_average");
        power.exists().then_some(Self {
            socket,
            part,
            chip,
            power,
        })
    }
}

/// `CPU Power Socket 1`.
fn parse(info: &str) -> Option<(Part, u32)> {
    let info = info.trim().to_ascii_lowercase();
    let (name, socket) = info.split_once(" power socket ")?;
    let part = Part::ALL.into_iter().find(|part| part.as_str() == name)?;
    Some((part, socket.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_meter_says_what_it_measures_and_others_are_not_ours() {
        assert_eq!(parse("SysIO Power Socket 1\n"), Some((Part::Sysio, 1)));
        assert_eq!(parse("Module Power Socket 0"), Some((Part::Module, 0)));
        for other in [
            "",
            "GPU Power Socket 0",
            "CPU Power Socket",
            "CPU Power Socket x",
            "Total system power",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text: String) {
            let _ = parse(&text);
        }
    }
}
