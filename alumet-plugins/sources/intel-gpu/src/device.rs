//! Graphics processors as the drivers `i915` and `xe` show them. Knows no type of Alumet.
//!
//! Formats: `sysfs-driver-intel-i915-hwmon` and `sysfs-driver-intel-xe-hwmon` in `Documentation/ABI/testing` of Linux;
//! frequencies: `sysfs-driver-intel-i915` and the documentation in `xe_gt_freq.c`.

use std::path::{Path, PathBuf};

use alumet_reader_drm::{Card, ReadError, SystemRoot, cards};
use alumet_reader_procfs::hwmon::channels_of;
use alumet_reader_procfs::numbered;

/// The drivers whose cards are measured.
pub(crate) const DRIVERS: &[&str] = &["i915", "xe"];

/// A graphics processor and what it shows.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) card: Card,
    pub(crate) shown: Vec<Shown>,
}

/// A file with a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) quantity: Quantity,
    /// Which of several it is, such as `card`, `gt0` or `temp2`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// What a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Microjoules, counted.
    Energy,
    /// Microwatts.
    Power,
    /// Megahertz.
    Frequency,
    /// Thousandths of a degree Celsius.
    Temperature,
    /// Millivolts.
    Voltage,
    /// Revolutions per minute.
    Fan,
}

const OF_CHIP: [(Quantity, &str, &[&str]); 5] = [
    (Quantity::Energy, "energy", &["input"]),
    (Quantity::Power, "power", &["average", "input"]),
    (Quantity::Temperature, "temp", &["input"]),
    (Quantity::Voltage, "in", &["input"]),
    (Quantity::Fan, "fan", &["input"]),
];

impl Gpu {
    /// All of the machine, by rising number of their cards.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn list(root: &Path) -> Result<Vec<Self>, ReadError> {
        let cards = cards(&SystemRoot::at(root), DRIVERS)?;
        cards.into_iter().map(Self::of).collect()
    }

    fn of(card: Card) -> Result<Self, ReadError> {
        let mut shown = frequencies(&card)?;
        for (quantity, name, suffixes) in OF_CHIP {
            let channels = match &card.hwmon {
                Some(chip) => channels_of(chip, name, suffixes)?,
                None => Vec::new(),
            };
            shown.extend(channels.into_iter().map(|(sensor, path)| {
                let channel = sensor.channel.unwrap_or_default();
                let name = match (quantity, channel) {
                    (Quantity::Energy | Quantity::Power, 1) => "card".to_owned(),
                    (Quantity::Energy | Quantity::Power, 2) => "package".to_owned(),
                    _ => sensor.label.unwrap_or_else(|| format!("{name}{channel}")),
                };
                Shown { quantity, name, path }
            }));
        }
        Ok(Self { card, shown })
    }

    /// What there is of a quantity.
    pub(crate) fn has(&self, quantity: Quantity) -> bool {
        self.shown.iter().any(|shown| shown.quantity == quantity)
    }
}

/// The files of the frequencies that each GT has now.
fn frequencies(card: &Card) -> Result<Vec<Shown>, ReadError> {
    let list = |folder: &Path, prefix: &str| {
        let path = folder.to_path_buf();
        numbered(folder, prefix).map_err(|error| ReadError::Io { path, error })
    };
    let mut found = Vec::new();
    let mut add = |name: String, path: PathBuf| {
        if path.exists() {
            found.push(Shown {
                quantity: Quantity::Frequency,
                name,
                path,
            });
        }
    };
    for (gt, folder) in list(&card.folder.join("gt"), "gt")? {
        add(format!("gt{gt}"), folder.join("rps_act_freq_mhz"));
    }
    for (_, tile) in list(&card.device(), "tile")? {
        for (gt, folder) in list(&tile, "gt")? {
            add(format!("gt{gt}"), folder.join("freq0/act_freq"));
        }
    }
    if found.is_empty() {
        // Before Linux 5.18.
        let path = card.folder.join("gt_act_freq_mhz");
        found.extend(path.exists().then(|| Shown {
            quantity: Quantity::Frequency,
            name: "gt0".to_owned(),
            path,
        }));
    }
    Ok(found)
}
