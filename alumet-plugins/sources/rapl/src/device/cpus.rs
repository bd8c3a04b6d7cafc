//! The processors: who made them, and which CPU is where.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use alumet_reader_kernel_file::fields::number;
use alumet_reader_procfs::cpuinfo::CpuInfo;
use alumet_reader_procfs::{SystemRoot, cpu_online};

use super::{Domain, Place};

/// Who made the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Vendor {
    Intel,
    /// AMD, and Hygon, whose processors are of the same design.
    Amd,
    #[default]
    Other,
}

/// What is known of the processors; those of a machine are alike.
#[derive(Debug, Default)]
pub(crate) struct Cpus {
    pub(crate) model: Model,
    /// Those that run, by rising number.
    online: Vec<Cpu>,
}

/// The model of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Model {
    pub(crate) vendor: Vendor,
    pub(crate) family: u32,
    pub(crate) number: u32,
    pub(crate) is_virtual: bool,
}

/// A logical CPU and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cpu {
    number: u32,
    package: u32,
    die: u32,
    core: u32,
}

impl Cpus {
    /// Those of the machine; what it does not tell is left open.
    pub(crate) fn read(root: &Path) -> Self {
        let root = SystemRoot::at(root);
        let model = CpuInfo::read(&root).map_or_else(|_| Model::default(), |info| Model::of(&info));
        let mut online = cpu_online::table(&root);
        let ranges = online
            .read()
            .map_or_else(|_| Vec::new(), |list| list.ranges.clone());
        let numbers = ranges.into_iter().flat_map(|(first, last)| first..=last);
        // No kernel has more.
        let numbers = numbers.take(8192);
        let cpu = |number: u32| {
            let read = |file: &str| {
                let path = root.sys(format!("devices/system/cpu/cpu{number}/topology/{file}"));
                self::number(fs::read(path).ok()?.trim_ascii())?.try_into().ok()
            };
            Some(Cpu {
                number,
                package: read("physical_package_id")?,
                // Kernels before 5.2 know no dies.
                die: read("die_id").unwrap_or(0),
                core: read("core_id").unwrap_or(number),
            })
        };
        Self {
            model,
            online: numbers.filter_map(cpu).collect(),
        }
    }

    /// Whether it should count energy: processors of these makers do, unless a hypervisor hides it.
    pub(crate) fn has_rapl(&self) -> bool {
        self.model.vendor != Vendor::Other && !self.model.is_virtual
    }

    /// Whether a hypervisor shows them.
    pub(crate) const fn are_virtual(&self) -> bool {
        self.model.is_virtual
    }

    /// The counters of a domain, each with the CPUs that show it.
    pub(crate) fn places(&self, domain: Domain) -> Vec<(Place, Vec<u32>)> {
        // The energy of an AMD package is counted once, whatever its dies.
        let has_dies = |package: u32| {
            let mut dies = self
                .online
                .iter()
                .filter(|cpu| cpu.package == package)
                .map(|cpu| cpu.die);
            let first = dies.next();
            self.model.vendor != Vendor::Amd && dies.any(|die| Some(die) != first)
        };
        let key = |cpu: &Cpu| match domain {
            Domain::Platform => (0, 0, 0),
            Domain::Core => (cpu.package, cpu.die, cpu.core),
            _ if has_dies(cpu.package) => (cpu.package, cpu.die, 0),
            _ => (cpu.package, 0, 0),
        };
        let mut groups: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for cpu in &self.online {
            groups.entry(key(cpu)).or_default().push(cpu.number);
        }
        let place = |((package, die, _), cpus): (_, Vec<u32>)| {
            let counts_dies = !matches!(domain, Domain::Platform | Domain::Core) && has_dies(package);
            let place = Place {
                domain,
                package,
                die: counts_dies.then_some(die),
                cpu: (domain == Domain::Core).then(|| cpus[0]),
            };
            (place, cpus)
        };
        groups.into_iter().map(place).collect()
    }

    /// Those that run.
    pub(crate) fn online(&self) -> Vec<u32> {
        self.online.iter().map(|cpu| cpu.number).collect()
    }
}

impl Model {
    fn of(info: &CpuInfo) -> Self {
        Self {
            vendor: match info.vendor.as_str() {
                "GenuineIntel" => Vendor::Intel,
                "AuthenticAMD" | "HygonGenuine" => Vendor::Amd,
                _ => Vendor::Other,
            },
            family: info.family,
            number: info.model,
            is_virtual: info.are_virtual,
        }
    }
}
