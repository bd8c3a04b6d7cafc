//! `/sys/class/drm`: the cards.

use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_procfs::{ReadError, SystemRoot, numbered};

/// A graphics processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its PCI address, such as `0000:03:00.0`.
    pub bus_id: String,
    /// The driver that it is bound to, such as `amdgpu`, `i915` or `xe`.
    pub driver: String,
    /// Its folder, such as `/sys/class/drm/card0`.
    pub folder: PathBuf,
    /// The folder of its sensor chip, if the driver has one for the whole card.
    pub hwmon: Option<PathBuf>,
}

impl Card {
    /// The folder of the device behind the card.
    pub fn device(&self) -> PathBuf {
        self.folder.join("device")
    }
}

/// The cards on a PCI bus that are bound to one of the drivers, by rising number.
///
/// # Errors
/// When no descriptor is left.
pub fn cards(root: &SystemRoot, drivers: &[&str]) -> Result<Vec<Card>, ReadError> {
    let folder = root.sys("class/drm");
    let entries = numbered(&folder, "card").map_err(|error| ReadError::Io { path: folder, error })?;
    let cards = entries.into_iter().filter_map(|(_, folder)| {
        let uevent = fs::read_to_string(folder.join("device/uevent")).ok()?;
        let value = |key: &str| {
            let mut lines = uevent.lines();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        };
        let driver = value("DRIVER").filter(|driver| drivers.contains(driver))?;
        Some(Card {
            bus_id: value("PCI_SLOT_NAME")?.to_owned(),
            driver: driver.to_owned(),
            hwmon: hwmon(&folder, driver),
            folder,
        })
    });
    Ok(cards.collect())
}

/// The chip that is called like the driver; others are of parts of the card, such as `i915_gt0`.
fn hwmon(card: &Path, driver: &str) -> Option<PathBuf> {
    let mut chips = numbered(&card.join("device/hwmon"), "hwmon").ok()?.into_iter();
    let chip = chips.find(|(_, chip)| {
        fs::read(chip.join("name")).is_ok_and(|name| name.trim_ascii() == driver.as_bytes())
    });
    chip.map(|(_, chip)| chip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_have_their_address_driver_and_chip_and_connectors_are_none() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join("sys/class/drm").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let uevent = "DRIVER=i915\nPCI_CLASS=30000\nPCI_SLOT_NAME=0000:03:00.0\n";
        write("card1/device/uevent", uevent);
        write("card1/device/hwmon/hwmon3/name", "i915_gt0\n");
        write("card1/device/hwmon/hwmon4/name", "i915\n");
        write("card1-DP-1/device/uevent", uevent);
        write("renderD128/device/uevent", uevent);
        write("card0/device/uevent", "DRIVER=simple-framebuffer\n");
        write("card2/device/uevent", "DRIVER=i915\n");
        let found = cards(&SystemRoot::at(root.path()), &["i915", "xe"]).unwrap();
        let folder = root.path().join("sys/class/drm/card1");
        let card = Card {
            bus_id: "0000:03:00.0".to_owned(),
            driver: "i915".to_owned(),
            hwmon: Some(folder.join("device/hwmon/hwmon4")),
            folder,
        };
        assert_eq!(found, [card]);
    }
}
