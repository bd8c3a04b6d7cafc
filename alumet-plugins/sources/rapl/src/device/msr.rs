//! The registers of the processor, in `/dev/cpu/*/msr`.
//!
//! Intel: "Intel 64 and IA-32 Architectures Software Developer's Manual", volume 3B, 16.10 (platform specific power
//! management support), and volume 4 for the numbers. AMD: "Processor Programming Reference" of family 17h, `RAPL_PWR_UNIT`,
//! `CORE_ENERGY_STAT` and `PKG_ENERGY_STAT`. What models differ in is in the kernel's `arch/x86/events/rapl.c`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::{ReadError, errno};
use nix::errno::Errno;

use super::cpus::{Model, Vendor};
use super::{Cpus, Domain, Found, Interface, Meter, Place, Refused, Zone};

const INTEL_UNITS: u64 = 0x606;
const INTEL_POWER_INFO: u64 = 0x614;
const INTEL_DOMAINS: [(Domain, u64); 5] = [
    (Domain::Package, 0x611),
    (Domain::Pp0, 0x639),
    (Domain::Pp1, 0x641),
    (Domain::Dram, 0x619),
    (Domain::Platform, 0x64D),
];
const AMD_UNITS: u64 = 0xC001_0299;
const AMD_DOMAINS: [(Domain, u64); 2] = [(Domain::Package, 0xC001_029B), (Domain::Core, 0xC001_029A)];

/// Servers whose memory is counted in steps of 2⁻¹⁶ J (15.3 µJ), whatever the register of units says: "Intel Xeon Processor
/// E5-1600 and E5-2600 v3 Product Families, Volume 2 of 2", and their successors up to Ice Lake.
const DRAM_IN_15_UJ: [u32; 8] = [63, 79, 85, 86, 87, 106, 108, 133];
/// Servers whose platform is counted in joules: Sapphire Rapids and Emerald Rapids.
const PLATFORM_IN_J: [u32; 2] = [143, 207];
/// Atoms whose units mean something else: Silvermont and Airmont.
const OTHER_UNITS: [u32; 7] = [55, 74, 76, 77, 90, 93, 117];

const MEND: &str = "load the module: `sudo modprobe msr`";

/// A counter of 32 bits in a register that several CPUs show alike.
#[derive(Debug)]
pub(crate) struct Register {
    /// The files of the CPUs that show it, of which one is read.
    paths: Vec<PathBuf>,
    register: u64,
    file: Option<File>,
}

impl Register {
    /// What it counted.
    ///
    /// # Errors
    /// When none of its CPUs is online, it may not be read, or there is none.
    pub(crate) fn read(&mut self) -> Result<u64, ReadError> {
        Ok(self.read_whole()? & u64::from(u32::MAX))
    }

    fn read_whole(&mut self) -> Result<u64, ReadError> {
        if let Some(file) = &self.file {
            match read_at(file, self.register) {
                Err(error) if is_offline(&error) => {}
                result => return result.map_err(|error| self.sort(error)),
            }
        }
        self.file = None;
        let mut error = io::Error::from(Errno::ENXIO);
        for path in &self.paths {
            match File::open(path).and_then(|file| Ok((read_at(&file, self.register)?, file))) {
                Ok((value, file)) => {
                    self.file = Some(file);
                    return Ok(value);
                }
                Err(failed) => error = failed,
            }
        }
        Err(self.sort(error))
    }

    fn sort(&self, error: io::Error) -> ReadError {
        let path = self.paths.first().map_or(Path::new("dev/cpu"), PathBuf::as_path);
        ReadError::of_file(path, error, MEND)
    }
}

fn read_at(file: &File, register: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, register)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Whether another CPU may do: this one was taken offline.
fn is_offline(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
        || matches!(errno(error), Errno::ENXIO | Errno::ENODEV | Errno::ENOENT)
}

/// Lists the registers that count.
pub(super) fn find(root: &Path, cpus: &Cpus, per_core: bool) -> Found {
    let mut found = Found::nothing(Interface::Msr);
    let Model {
        vendor,
        family,
        number,
        ..
    } = cpus.model;
    let (units, domains) = match vendor {
        Vendor::Intel if family == 6 && !OTHER_UNITS.contains(&number) => (INTEL_UNITS, &INTEL_DOMAINS[..]),
        Vendor::Amd if family >= 0x17 => (AMD_UNITS, &AMD_DOMAINS[..]),
        _ => return found,
    };
    let mut registers = Registers {
        root,
        model: cpus.model,
        units: 0,
    };
    registers.units = match registers.register(&cpus.online(), units).read_whole() {
        // What a hypervisor answers that does not have it.
        Ok(0) => return found,
        Ok(units) => units,
        Err(error) => {
            if let ReadError::PermissionDenied { .. } = error {
                found.refused.push(refused(error));
            }
            return found;
        }
    };
    for (domain, register) in domains {
        if *domain != Domain::Core || per_core {
            let zones = cpus.places(*domain);
            let zones = zones
                .into_iter()
                .filter_map(|(place, cpus)| registers.zone(place, &cpus, *register));
            found.zones.extend(zones);
        }
    }
    found
}

/// The registers of this machine.
struct Registers<'a> {
    root: &'a Path,
    model: Model,
    /// In what they count: bits 3 to 0 for power, 12 to 8 for energy, each as a negative power of two.
    units: u64,
}

impl Registers<'_> {
    fn register(&self, cpus: &[u32], register: u64) -> Register {
        let path = |cpu: &u32| self.root.join(format!("dev/cpu/{cpu}/msr"));
        Register {
            paths: cpus.iter().map(path).collect(),
            register,
            file: None,
        }
    }

    /// The counter at a register; none if it shows nothing, which the kernel, too, takes for one that is not there.
    fn zone(&self, place: Place, cpus: &[u32], register: u64) -> Option<Zone> {
        let mut counter = self.register(cpus, register);
        counter.read().ok().filter(|value| *value > 0)?;
        let is_intel_package = (self.model.vendor, place.domain) == (Vendor::Intel, Domain::Package);
        let stated = is_intel_package.then(|| self.register(cpus, INTEL_POWER_INFO).read_whole().ok());
        let per_watt = f64::from(1_u32 << (self.units & 0xF));
        Some(Zone {
            place,
            interface: Interface::Msr,
            meter: Meter::Msr(counter),
            per_joule: match place.domain {
                Domain::Dram if DRAM_IN_15_UJ.contains(&self.model.number) => 65_536.0,
                Domain::Platform if PLATFORM_IN_J.contains(&self.model.number) => 1.0,
                _ => f64::from(1_u32 << (self.units >> 8 & 0x1F)),
            },
            max: Some(u32::MAX.into()),
            max_watts: place
                .domain
                .max_watts(stated.flatten().map(|info| thermal_power(info) as f64 / per_watt)),
        })
    }
}

/// Thermal and maximum power of `MSR_PKG_POWER_INFO`, the larger of the two.
fn thermal_power(info: u64) -> u64 {
    (info & 0x7FFF).max(info >> 32 & 0x7FFF)
}

fn refused(error: ReadError) -> Refused {
    Refused {
        place: None,
        error,
        remedy: "grant CAP_SYS_RAWIO and CAP_DAC_READ_SEARCH: `sudo setcap cap_sys_rawio,cap_dac_read_search=ep $(command -v \
                 alumet-agent)`"
            .to_owned(),
    }
}
