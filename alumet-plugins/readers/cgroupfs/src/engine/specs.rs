//! Which file gives which statistics, in which version: the one table.

use alumet_reader_kernel_file::{ticks_per_second, ticks_to_ns};

use super::{Reading, Wanted};
use crate::ParseError;
use crate::stat::memory_stat::{Places, Selection};
use crate::stat::single::Limit;
use crate::stat::{blkio, cpu_stat, cpuacct, events, io_stat, memory_stat, pressure, single};

/// A file of a control group.
#[derive(Debug)]
pub(super) struct FileSpec {
    /// Its name, and what to try when there is no such file.
    pub(super) names: &'static [&'static str],
    /// The v1 controller whose hierarchy has it; empty for v2.
    pub(super) controller: &'static str,
    /// It is read when any of these is wanted.
    pub(super) gives: Wanted,
    /// Puts its content into a reading.
    pub(super) take: fn(&[u8], Wanted, &mut Taking<'_>) -> Result<(), ParseError>,
}

/// Where the content of a file goes, and what its parser remembers.
#[derive(Debug)]
pub(super) struct Taking<'a> {
    pub(super) out: &'a mut Reading,
    pub(super) selection: &'a Selection,
    pub(super) places: &'a mut Places,
}

type Taken = Result<(), ParseError>;

const fn v2(
    names: &'static [&'static str],
    gives: Wanted,
    take: fn(&[u8], Wanted, &mut Taking<'_>) -> Taken,
) -> FileSpec {
    v1(names, "", gives, take)
}

const fn v1(
    names: &'static [&'static str],
    controller: &'static str,
    gives: Wanted,
    take: fn(&[u8], Wanted, &mut Taking<'_>) -> Taken,
) -> FileSpec {
    FileSpec {
        names,
        controller,
        gives,
        take,
    }
}

const CPU: Wanted = Wanted::CPU_TIME
    .with(Wanted::CPU_SPLIT)
    .with(Wanted::CPU_THROTTLING);

/// The files of version 2; the most wanted first, because descriptors are given out in this order.
pub(super) static V2: [FileSpec; 16] = [
    v2(&["cpu.stat"], CPU, take_cpu_stat),
    v2(&["memory.current"], Wanted::MEMORY_CURRENT, |bytes, _, to| {
        one(bytes, &mut to.out.memory_current)
    }),
    v2(&["memory.stat"], Wanted::MEMORY_STAT, take_memory_stat),
    v2(&["io.stat"], Wanted::IO, |bytes, _, to| {
        io_stat::parse(bytes, &mut to.out.io)?;
        to.out.has_io = true;
        Ok(())
    }),
    v2(&["io.pressure"], Wanted::IO_PRESSURE, |bytes, _, to| {
        stall(bytes, &mut to.out.io_pressure)
    }),
    v2(&["cpu.pressure"], Wanted::CPU_PRESSURE, |bytes, _, to| {
        stall(bytes, &mut to.out.cpu_pressure)
    }),
    v2(&["memory.pressure"], Wanted::MEMORY_PRESSURE, |bytes, _, to| {
        stall(bytes, &mut to.out.memory_pressure)
    }),
    v2(&["irq.pressure"], Wanted::IRQ_PRESSURE, |bytes, _, to| {
        stall(bytes, &mut to.out.irq_pressure)
    }),
    v2(&["memory.swap.current"], Wanted::SWAP_CURRENT, |bytes, _, to| {
        one(bytes, &mut to.out.swap_current)
    }),
    v2(&["memory.max"], Wanted::MEMORY_MAX, |bytes, _, to| {
        limit(bytes, &mut to.out.memory_max)
    }),
    v2(&["memory.swap.max"], Wanted::SWAP_MAX, |bytes, _, to| {
        limit(bytes, &mut to.out.swap_max)
    }),
    v2(&["memory.peak"], Wanted::MEMORY_PEAK, |bytes, _, to| {
        one(bytes, &mut to.out.memory_peak)
    }),
    v2(&["memory.events"], Wanted::MEMORY_EVENTS, |bytes, _, to| {
        let mut value = events::MemoryEvents::default();
        events::parse_memory(bytes, &mut value)?;
        to.out.memory_events = Some(value);
        Ok(())
    }),
    v2(&["pids.current"], Wanted::PIDS_CURRENT, |bytes, _, to| {
        one(bytes, &mut to.out.pids_current)
    }),
    v2(&["pids.max"], Wanted::PIDS_MAX, |bytes, _, to| {
        limit(bytes, &mut to.out.pids_max)
    }),
    v2(&["cgroup.events"], Wanted::EVENTS, |bytes, _, to| {
        let mut value = events::CgroupEvents::default();
        events::parse_cgroup(bytes, &mut value)?;
        to.out.events = Some(value);
        Ok(())
    }),
];

/// The files of version 1. `memory.usage_in_bytes` comes before `memory.memsw.usage_in_bytes`, which contains it.
pub(super) static V1: [FileSpec; 11] = [
    v1(&["cpuacct.usage"], "cpuacct", Wanted::CPU_TIME, |bytes, _, to| {
        one(bytes, &mut to.out.cpu.usage_ns)
    }),
    v1(&["cpuacct.stat"], "cpuacct", Wanted::CPU_SPLIT, |bytes, _, to| {
        let mut value = cpuacct::CpuAcctStat::default();
        cpuacct::parse(bytes, &mut value)?;
        let ns = |ticks| ticks_to_ns(ticks, ticks_per_second());
        to.out.cpu.user_ns = Some(ns(value.user_ticks));
        to.out.cpu.system_ns = Some(ns(value.system_ticks));
        Ok(())
    }),
    v1(&["cpu.stat"], "cpu", Wanted::CPU_THROTTLING, take_cpu_stat),
    v1(
        &["memory.usage_in_bytes"],
        "memory",
        Wanted::MEMORY_CURRENT.with(Wanted::SWAP_CURRENT),
        |bytes, _, to| one(bytes, &mut to.out.memory_current),
    ),
    v1(
        &["memory.memsw.usage_in_bytes"],
        "memory",
        Wanted::SWAP_CURRENT,
        |bytes, _, to| {
            let mut both = 0;
            single::parse(bytes, &mut both)?;
            to.out.swap_current = to.out.memory_current.map(|memory| both.saturating_sub(memory));
            Ok(())
        },
    ),
    v1(&["memory.stat"], "memory", Wanted::MEMORY_STAT, take_memory_stat),
    v1(
        &["memory.limit_in_bytes"],
        "memory",
        Wanted::MEMORY_MAX,
        |bytes, _, to| {
            let mut value = Limit::default();
            single::parse_v1_limit(bytes, &mut value)?;
            to.out.memory_max = Some(value);
            Ok(())
        },
    ),
    v1(
        &["memory.max_usage_in_bytes"],
        "memory",
        Wanted::MEMORY_PEAK,
        |bytes, _, to| one(bytes, &mut to.out.memory_peak),
    ),
    v1(
        &[
            "blkio.throttle.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes",
        ],
        "blkio",
        Wanted::IO,
        |bytes, _, to| {
            blkio::parse(bytes, &mut to.out.io)?;
            to.out.has_io = true;
            Ok(())
        },
    ),
    v1(&["pids.current"], "pids", Wanted::PIDS_CURRENT, |bytes, _, to| {
        one(bytes, &mut to.out.pids_current)
    }),
    v1(&["pids.max"], "pids", Wanted::PIDS_MAX, |bytes, _, to| {
        limit(bytes, &mut to.out.pids_max)
    }),
];

fn take_cpu_stat(bytes: &[u8], wanted: Wanted, to: &mut Taking<'_>) -> Taken {
    let mut stat = cpu_stat::CpuStat::default();
    if wanted.intersects(Wanted::CPU_THROTTLING) {
        cpu_stat::parse(bytes, &mut stat)?;
    } else {
        cpu_stat::parse_time(bytes, &mut stat)?;
    }
    let ns = |us: u64| us.saturating_mul(1_000);
    // In version 1 the file has no CPU time, and what other files gave must stay.
    if wanted.intersects(Wanted::CPU_TIME) && stat.usage_us.is_some() {
        to.out.cpu.usage_ns = stat.usage_us.map(ns);
    }
    if wanted.intersects(Wanted::CPU_SPLIT) && stat.usage_us.is_some() {
        to.out.cpu.user_ns = stat.user_us.map(ns);
        to.out.cpu.system_ns = stat.system_us.map(ns);
    }
    if wanted.intersects(Wanted::CPU_THROTTLING) {
        to.out.throttling = stat.throttling;
    }
    Ok(())
}

fn take_memory_stat(bytes: &[u8], _: Wanted, to: &mut Taking<'_>) -> Taken {
    memory_stat::parse(bytes, to.selection, to.places, &mut to.out.memory_stat)
}

fn one(bytes: &[u8], out: &mut Option<u64>) -> Taken {
    let mut value = 0;
    single::parse(bytes, &mut value)?;
    *out = Some(value);
    Ok(())
}

fn limit(bytes: &[u8], out: &mut Option<Limit>) -> Taken {
    let mut value = Limit::default();
    single::parse_limit(bytes, &mut value)?;
    *out = Some(value);
    Ok(())
}

fn stall(bytes: &[u8], out: &mut Option<pressure::Pressure>) -> Taken {
    let mut value = pressure::Pressure::default();
    pressure::parse(bytes, &mut value)?;
    *out = Some(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statistic_has_a_file_in_version_2() {
        let all = V2.iter().fold(Wanted::NONE, |all, spec| all | spec.gives);
        assert_eq!(all, Wanted::ALL);
    }

    #[test]
    fn each_file_of_version_1_says_which_hierarchy_has_it() {
        assert!(V1.iter().all(|spec| !spec.controller.is_empty()));
        assert!(V2.iter().all(|spec| spec.controller.is_empty()));
    }
}
