//! Which file gives which statistics, in which version: the one table.

use super::{Reading, Stat, Wanted};
use crate::stat::io_stat::IoDevice;
use crate::stat::memory_stat::Places;
use crate::stat::{blkio, cpu_stat, events, io_stat, memory_stat, pressure, single};
use crate::{ParseError, Parsed};

/// A file of a control group.
#[derive(Debug)]
pub(super) struct FileSpec {
    /// Its name, and what to try when there is no such file.
    pub(super) names: &'static [&'static str],
    /// The v1 controller whose hierarchy has it; empty for v2.
    pub(super) controller: &'static str,
    /// It is read when any of these is wanted.
    pub(super) gives: &'static [Stat],
    content: Content,
}

/// What is in a file.
#[derive(Debug)]
enum Content {
    Number(fn(&[u8]) -> Result<u64, ParseError>),
    /// Memory and swap together; the memory was read before.
    MemoryAndSwap,
    CpuStat,
    /// With the kernel's names of the entries.
    MemoryStat(&'static [&'static str]),
    MemoryEvents,
    Pressure,
    Devices(fn(&[u8], &mut Vec<IoDevice>) -> Parsed),
}

const NUMBER: Content = Content::Number(single::parse);

const LIMIT: Content = Content::Number(single::parse_limit);

/// In the order of [`cpu_stat::CpuStat`].
const CPU: &[Stat] = &[
    Stat::CpuTotal,
    Stat::CpuUser,
    Stat::CpuSystem,
    Stat::Periods,
    Stat::ThrottledPeriods,
    Stat::ThrottledTime,
];

const THROTTLING: &[Stat] = &[Stat::Periods, Stat::ThrottledPeriods, Stat::ThrottledTime];

const MEMORY_STAT: &[Stat] = &[
    Stat::Anonymous,
    Stat::File,
    Stat::KernelStack,
    Stat::PageTables,
    Stat::SlabReclaimable,
    Stat::SwappedIn,
    Stat::SwappedOut,
];

/// In the order of [`MEMORY_STAT`].
const MEMORY_KEYS: &[&str] = &[
    "anon",
    "file",
    "kernel_stack",
    "pagetables",
    "slab_reclaimable",
    "pswpin",
    "pswpout",
];

const EVENTS: &[Stat] = &[Stat::Low, Stat::High, Stat::Max, Stat::Oom, Stat::OomKill];

const fn v2(name: &'static [&'static str; 1], gives: &'static [Stat], content: Content) -> FileSpec {
    v1("", name, gives, content)
}

const fn v1(
    controller: &'static str,
    names: &'static [&'static str],
    gives: &'static [Stat],
    content: Content,
) -> FileSpec {
    FileSpec {
        names,
        controller,
        gives,
        content,
    }
}

/// The files of version 2; the most wanted first, because descriptors are given out in this order.
pub(super) static V2: [FileSpec; 13] = [
    v2(&["cpu.stat"], CPU, Content::CpuStat),
    v2(&["memory.current"], &[Stat::Memory], NUMBER),
    v2(&["memory.stat"], MEMORY_STAT, Content::MemoryStat(MEMORY_KEYS)),
    v2(&["io.stat"], &[Stat::Devices], Content::Devices(io_stat::parse)),
    v2(&["io.pressure"], &[Stat::IoSome, Stat::IoFull], Content::Pressure),
    v2(
        &["cpu.pressure"],
        &[Stat::CpuSome, Stat::CpuFull],
        Content::Pressure,
    ),
    v2(
        &["memory.pressure"],
        &[Stat::MemorySome, Stat::MemoryFull],
        Content::Pressure,
    ),
    v2(
        &["irq.pressure"],
        &[Stat::IrqSome, Stat::IrqFull],
        Content::Pressure,
    ),
    v2(&["memory.swap.current"], &[Stat::Swap], NUMBER),
    v2(&["memory.max"], &[Stat::MemoryMax], LIMIT),
    v2(&["memory.swap.max"], &[Stat::SwapMax], LIMIT),
    v2(&["memory.events"], EVENTS, Content::MemoryEvents),
    v2(&["pids.current"], &[Stat::Pids], NUMBER),
];

/// The files of version 1. `memory.usage_in_bytes` comes before `memory.memsw.usage_in_bytes`, which contains it. User and
/// system time have a resolution of 10 ms there and are left out.
pub(super) static V1: [FileSpec; 8] = [
    v1("cpuacct", &["cpuacct.usage"], &[Stat::CpuTotal], NUMBER),
    v1("cpu", &["cpu.stat"], THROTTLING, Content::CpuStat),
    v1(
        "memory",
        &["memory.usage_in_bytes"],
        &[Stat::Memory, Stat::Swap],
        NUMBER,
    ),
    v1(
        "memory",
        &["memory.memsw.usage_in_bytes"],
        &[Stat::Swap],
        Content::MemoryAndSwap,
    ),
    v1(
        "memory",
        &["memory.stat"],
        &[Stat::Anonymous, Stat::File],
        Content::MemoryStat(&["total_rss", "total_cache"]),
    ),
    v1(
        "memory",
        &["memory.limit_in_bytes"],
        &[Stat::MemoryMax],
        Content::Number(single::parse_v1_limit),
    ),
    v1(
        "blkio",
        &[
            "blkio.throttle.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes",
        ],
        &[Stat::Devices],
        Content::Devices(blkio::parse),
    ),
    v1("pids", &["pids.current"], &[Stat::Pids], NUMBER),
];

impl FileSpec {
    /// Whether anything in it is wanted.
    pub(super) fn is_wanted(&self, wanted: Wanted) -> bool {
        self.gives.iter().any(|stat| wanted.has(*stat))
    }

    /// Puts its content into a reading.
    pub(super) fn take(
        &self,
        bytes: &[u8],
        wanted: Wanted,
        places: &mut Places,
        out: &mut Reading,
    ) -> Parsed {
        let first = self.gives[0];
        match self.content {
            Content::Number(parse) => out.set(first, Some(parse(bytes)?)),
            Content::MemoryAndSwap => {
                let both = single::parse(bytes)?;
                let memory = out.get(Stat::Memory);
                out.set(Stat::Swap, memory.map(|memory| both.saturating_sub(memory)));
            }
            Content::CpuStat => {
                let mut stat = cpu_stat::CpuStat::default();
                let with_throttling = THROTTLING.iter().any(|stat| wanted.has(*stat));
                let parsed = cpu_stat::parse(bytes, with_throttling, &mut stat)?;
                for (stat, value) in CPU.iter().zip(stat) {
                    // In version 1 the file has no CPU time, and what other files gave must stay.
                    if value.is_some() && wanted.has(*stat) {
                        out.set(*stat, value);
                    }
                }
                return Ok(parsed);
            }
            Content::MemoryStat(keys) => {
                let values = &mut out.values[first as usize..][..self.gives.len()];
                return memory_stat::parse(bytes, keys, places, values);
            }
            Content::MemoryEvents => {
                let values = &mut out.values[first as usize..][..self.gives.len()];
                return events::parse(bytes, values);
            }
            Content::Pressure => {
                let mut pressure = pressure::Pressure::default();
                let parsed = pressure::parse(bytes, &mut pressure)?;
                out.set(first, pressure.some_us);
                out.set(self.gives[1], pressure.full_us);
                return Ok(parsed);
            }
            Content::Devices(parse) => {
                let parsed = parse(bytes, &mut out.io)?;
                out.set(Stat::Devices, u64::try_from(out.io.len()).ok());
                return Ok(parsed);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statistic_has_a_file_in_version_2() {
        let all: Wanted = V2.iter().flat_map(|spec| spec.gives).copied().collect();
        assert_eq!(all, Wanted::ALL);
    }

    #[test]
    fn each_file_of_version_1_says_which_hierarchy_has_it() {
        assert!(V1.iter().all(|spec| !spec.controller.is_empty()));
        assert!(V2.iter().all(|spec| spec.controller.is_empty()));
    }
}
