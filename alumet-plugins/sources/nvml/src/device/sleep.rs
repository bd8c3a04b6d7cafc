//! GPUs that sleep: to load the library would wake them up.
//!
//! Format: `Documentation/ABI/testing/sysfs-bus-pci` and `sysfs-devices-power` of Linux.

use std::fs;
use std::path::Path;

/// The number of NVIDIA among the makers of PCI devices.
const NVIDIA: &str = "0x10de";

/// How the classes of what displays or computes begin.
const DISPLAY: &str = "0x03";

/// Whether there are GPUs of NVIDIA and all of them are suspended, as in a laptop that does not use its second one.
pub(crate) fn all_asleep(root: &Path) -> bool {
    let says = |folder: &Path, file: &str, word: &str| {
        fs::read_to_string(folder.join(file)).is_ok_and(|text| text.starts_with(word))
    };
    let devices = fs::read_dir(root.join("sys/bus/pci/devices"));
    let devices = devices.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut gpus = devices
        .filter(|folder| says(folder, "vendor", NVIDIA) && says(folder, "class", DISPLAY))
        .peekable();
    gpus.peek().is_some() && gpus.all(|folder| says(&folder, "power/runtime_status", "suspended"))
}
