//! Why there is no reading.

use std::io;
use std::path::PathBuf;

/// The management controller has not shown the power.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IpmiError {
    /// There is no device.
    #[error("there is no `{}`: {MEND_ABSENT}", .0.display())]
    Absent(PathBuf),
    /// The device may not be opened.
    #[error("`{}` may not be opened: {MEND_DENIED}", .0.display())]
    Denied(PathBuf),
    /// The device cannot be used.
    #[error("`{}` cannot be used as an IPMI device: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    /// The controller has not answered in time.
    #[error(
        "the management controller does not answer; if that lasts, restart it (`ipmitool mc reset cold`)"
    )]
    NoAnswer,
    /// The controller does not know the command.
    #[error(
        "the management controller does not know the DCMI power reading; try the plugin redfish or hwmon-power"
    )]
    NotSupported,
    /// The controller will not or cannot say.
    #[error("the management controller refuses the DCMI power reading (completion code {0:02X}h)")]
    Refused(u8),
    /// The controller knows the command but measures nothing.
    #[error(
        "the management controller measures no power now; switch it on (`ipmitool dcmi power activate`, or the set-up of the \
         controller), and check that the power supplies have a meter (PMBus)"
    )]
    NotMeasured,
    /// The controller answers something else.
    #[error(
        "the management controller answers something else than a DCMI power reading; its firmware may need an update"
    )]
    Nonsense,
}

/// How a device comes to be.
pub(crate) const MEND_ABSENT: &str =
    "load the driver (`sudo modprobe -a ipmi_si ipmi_devintf`) if the machine has a BMC";

/// How the device may be opened.
pub(crate) const MEND_DENIED: &str =
    "run as root, or give the file to the group of the agent (a rule of udev)";
