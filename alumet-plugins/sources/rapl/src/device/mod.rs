//! The counters of RAPL, as the kernel and the processor show them. Knows no type of Alumet.

mod cpus;
mod msr;
mod perf;
mod powercap;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use alumet_reader_kernel_file::fields::number;
use alumet_reader_kernel_file::{KeptFile, ParseError, ReadError};

pub(crate) use cpus::Cpus;

/// What RAPL counts the energy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// A processor, with all that is in it.
    Package,
    /// Its cores.
    Pp0,
    /// What is beside the cores, such as its graphics.
    Pp1,
    /// The memory at a processor.
    Dram,
    /// The whole machine, or what its maker takes for that.
    Platform,
    /// One core.
    Core,
}

/// What one counter counts the energy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) domain: Domain,
    /// The number that the processor gives to the package; 0 for the platform.
    pub(crate) package: u32,
    /// Where a package has several dies with counters.
    pub(crate) die: Option<u32>,
    /// The CPU by which a core is known.
    pub(crate) cpu: Option<u32>,
}

/// A way to read the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    Perf,
    Powercap,
    Msr,
}

/// One counter.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) place: Place,
    pub(crate) interface: Interface,
    pub(crate) meter: Meter,
    /// What it counts for a joule.
    pub(crate) per_joule: f64,
    /// The highest value that it can show, if it can wrap.
    pub(crate) max: Option<u64>,
    /// More than it can ever draw.
    pub(crate) max_watts: f64,
}

/// How a counter is read.
#[derive(Debug)]
pub(crate) enum Meter {
    Perf(perf::Event),
    Powercap(KeptFile),
    Msr(msr::Register),
}

/// What an interface shows.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) interface: Interface,
    pub(crate) zones: Vec<Zone>,
    /// What is there and may not be read.
    pub(crate) refused: Vec<Refused>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
}

/// A counter that may not be read.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What it counts; none if all of the interface is refused.
    pub(crate) place: Option<Place>,
    pub(crate) error: ReadError,
    /// The command that would change it.
    pub(crate) remedy: String,
}

impl Interface {
    /// Lists the counters that it shows, each of which has been read once.
    pub(crate) fn find(self, root: &Path, cpus: &Cpus, per_core: bool) -> Found {
        match self {
            Self::Perf => perf::find(root, cpus, per_core),
            Self::Powercap => powercap::find(root, cpus),
            Self::Msr => msr::find(root, cpus, per_core),
        }
    }
}

impl Found {
    const fn nothing(interface: Interface) -> Self {
        Self {
            interface,
            zones: Vec::new(),
            refused: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Whether it shows the energy of packages, which is what RAPL is about.
    pub(crate) fn has_packages(&self) -> bool {
        self.zones.iter().any(|zone| zone.place.domain == Domain::Package)
    }
}

impl Meter {
    /// What the counter shows.
    ///
    /// # Errors
    /// When it cannot be read, or shows no number.
    pub(crate) fn read(&mut self) -> Result<u64, ReadError> {
        match self {
            Self::Perf(event) => event.read(),
            Self::Powercap(file) => {
                let mut value = 0;
                file.read_with(|bytes| {
                    value = number(bytes.trim_ascii())
                        .ok_or(ParseError::at(1, "an energy in microjoules is expected"))?;
                    Ok(None)
                })?;
                Ok(value)
            }
            Self::Msr(register) => register.read(),
        }
    }
}

/// Zones of which no two count the same joules: of several groups that show a domain of a package, the first is taken.
pub(crate) fn merge(groups: impl IntoIterator<Item = Vec<Zone>>) -> Vec<Zone> {
    let mut merged: Vec<Zone> = Vec::new();
    for group in groups {
        let before = merged.len();
        for zone in group {
            let place = zone.place;
            let is_known = |(index, known): (usize, &Zone)| match index < before {
                true => known.place.domain == place.domain && known.place.package == place.package,
                // Dies and cores of one group are no doubles.
                false => known.place == place,
            };
            if !merged.iter().enumerate().any(is_known) {
                merged.push(zone);
            }
        }
    }
    merged
}

/// Takes away counters of packages and the platform that nothing feeds, as virtual machines show them: they stand at 0. `found`
/// is told which.
pub(crate) fn leave_out_dead(zones: &mut Vec<Zone>, found: &mut [Found], are_virtual: bool) {
    /// RAPL counts about every millisecond (perf events from 0), and no processor draws so little that it would count nothing in
    /// the whole time.
    const LOOK: Duration = Duration::from_millis(1);
    let looks = if are_virtual { 2 } else { 6 };
    let stands_at_zero = |zone: &mut Zone| {
        let draws_always = matches!(zone.place.domain, Domain::Package | Domain::Platform);
        draws_always && matches!(zone.meter.read(), Ok(0))
    };
    for _ in 0..looks {
        if !zones.iter_mut().any(stands_at_zero) {
            return;
        }
        std::thread::sleep(LOOK);
    }
    for dead in zones.extract_if(.., stands_at_zero) {
        let of_interface = found.iter_mut().find(|found| found.interface == dead.interface);
        if let Some(found) = of_interface {
            let place = dead.place;
            found.left_out.push(format!(
                "{place} stands at 0, as in a virtual machine that shows counters which nothing feeds"
            ));
        }
    }
}

impl Domain {
    pub(crate) const ALL: [Self; 6] = [
        Self::Package,
        Self::Pp0,
        Self::Pp1,
        Self::Dram,
        Self::Platform,
        Self::Core,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Pp0 => "pp0",
            Self::Pp1 => "pp1",
            Self::Dram => "dram",
            Self::Platform => "platform",
            Self::Core => "core",
        }
    }

    /// More than any that was ever built draws, in watts, and at least four times of what the machine states: short peaks
    /// are well above a thermal design power.
    fn max_watts(self, stated: Option<f64>) -> f64 {
        let largest: f64 = match self {
            Self::Package | Self::Pp0 | Self::Pp1 | Self::Dram => 1000.0,
            Self::Platform => 10_000.0,
            Self::Core => 200.0,
        };
        largest.max(4.0 * stated.unwrap_or(0.0))
    }
}

impl Interface {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Perf => "perf events",
            Self::Powercap => "powercap",
            Self::Msr => "MSR",
        }
    }
}

/// `pp0 of package 1`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { package, .. } = self;
        match self.domain {
            Domain::Platform => return f.write_str("platform"),
            Domain::Package => write!(f, "package {package}")?,
            domain => write!(f, "{} of package {package}", domain.as_str())?,
        }
        match (self.die, self.cpu) {
            (Some(die), _) => write!(f, ", die {die}"),
            (None, Some(cpu)) => write!(f, ", CPU {cpu}"),
            (None, None) => Ok(()),
        }
    }
}
