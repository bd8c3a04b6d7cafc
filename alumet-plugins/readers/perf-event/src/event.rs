//! What is counted: an event by the numbers of the kernel, and in which modes and on which CPUs.

use alumet_reader_procfs::cpu_online::CpuList;

/// An event by the numbers of `perf_event_attr` (perf_event_open(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The type: the number of a PMU, or one of those below.
    pub kind: u32,
    /// `config`, `config1`, `config2` and `config3`.
    pub config: [u64; 4],
}

impl Code {
    /// The type of generic hardware events.
    pub const HARDWARE: u32 = 0;
    /// The type of events that the kernel itself counts.
    pub const SOFTWARE: u32 = 1;
    /// The type of generic cache events.
    pub const CACHE: u32 = 3;
    /// The type of codes that the manual of a CPU lists.
    pub const RAW: u32 = 4;

    pub(crate) const fn new(kind: u32, config: u64) -> Self {
        Self {
            kind,
            config: [config, 0, 0, 0],
        }
    }
}

/// In which modes of the CPU an event counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Programs.
    pub user: bool,
    /// The kernel.
    pub kernel: bool,
    /// The hypervisor, on CPUs that tell it apart.
    pub hypervisor: bool,
    /// The machine itself.
    pub host: bool,
    /// Its virtual machines.
    pub guest: bool,
    /// The idle task.
    pub idle: bool,
}

impl Modes {
    /// All of them. A PMU that cannot tell them apart, such as one of a socket, refuses everything else.
    pub const ALL: Self = Self {
        user: true,
        kernel: true,
        hypervisor: true,
        host: true,
        guest: true,
        idle: true,
    };

    /// Programs only, which needs the least rights.
    pub const USER: Self = Self {
        kernel: false,
        hypervisor: false,
        ..Self::ALL
    };
}

/// Where an event can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// For threads, and on each CPU.
    Anywhere,
    /// For threads while they run on these CPUs, and on each of them: one of several kinds of cores.
    Cores(CpuList),
    /// On these CPUs only, each of which counts for others as well, and never for threads: a part of a socket.
    Socket(CpuList),
}

/// An event that can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What is counted.
    pub code: Code,
    /// In which modes.
    pub modes: Modes,
    /// Where.
    pub place: Place,
}

impl Event {
    /// Whether it can be counted on a CPU, for all that runs there.
    pub fn counts_on(&self, cpu: u32) -> bool {
        match &self.place {
            Place::Anywhere => true,
            Place::Cores(cpus) | Place::Socket(cpus) => cpus
                .ranges
                .iter()
                .any(|(first, last)| (first..=last).contains(&&cpu)),
        }
    }

    /// Whether it can be counted for threads and control groups.
    pub const fn counts_programs(&self) -> bool {
        !matches!(self.place, Place::Socket(_))
    }
}
