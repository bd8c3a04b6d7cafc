//! The readers agree with the `procfs` crate on the live machine.

use std::collections::BTreeSet;

use alumet_reader_procfs::diskstats::{DiskKind, DiskStatsFile};
use alumet_reader_procfs::net_dev::NetDevFile;
use alumet_reader_procfs::process::{ProcessStat, Processes};
use alumet_reader_procfs::{
    ReadError, SystemRoot, cpu_online, loadavg, meminfo, page_size, pressure, stat, ticks_per_second,
};
use procfs::{Current, CurrentSI};

fn here() -> SystemRoot {
    SystemRoot::default()
}

/// Whether `value` lies between two readings of the oracle, one before and one after it.
fn between<T: PartialOrd>(before: T, value: T, after: T) -> bool {
    before <= value && value <= after
}

#[test]
fn kernel_counters_agree() {
    let mut file = stat::table(&here());
    let before = procfs::KernelStats::current().unwrap();
    let stat = file.read().unwrap().clone();
    let after = procfs::KernelStats::current().unwrap();
    assert!(between(before.ctxt, stat.context_switches.unwrap(), after.ctxt));
    assert!(between(before.processes, stat.forks.unwrap(), after.processes));
    let [user, _, system, ..] = stat.total;
    assert!(between(before.total.user, user.unwrap(), after.total.user));
    assert!(between(before.total.system, system.unwrap(), after.total.system));
    assert_eq!(before.cpu_time.len(), stat.cpus.len());
    assert!(stat.procs_running.unwrap() >= 1);
    assert_eq!(
        (ticks_per_second(), page_size()),
        (procfs::ticks_per_second(), procfs::page_size())
    );
}

#[test]
fn the_kept_file_follows_the_kernel() {
    let mut file = stat::table(&here());
    let before = file.read().unwrap().forks;
    std::process::Command::new("true").status().unwrap();
    assert!(file.read().unwrap().forks > before);
}

#[test]
fn memory_agrees() {
    let mut file = meminfo::table(&here(), ["MemTotal", "SwapTotal", "HugePages_Total"]);
    let oracle = procfs::Meminfo::current().unwrap();
    for _ in 0..2 {
        let values: Vec<_> = file
            .read()
            .unwrap()
            .iter()
            .map(|e| e.amount.map(|a| a.value()))
            .collect();
        assert_eq!(
            values,
            [
                Some(oracle.mem_total),
                Some(oracle.swap_total),
                oracle.hugepages_total
            ]
        );
    }
}

#[test]
fn network_agrees() {
    let mut file = NetDevFile::open(&here()).unwrap();
    let before = procfs::net::dev_status().unwrap();
    let net = file.read().unwrap().to_vec();
    let after = procfs::net::dev_status().unwrap();
    assert_eq!(net.len(), before.len());
    for interface in &net {
        let name = interface.name.to_string();
        let (before, after) = (&before[&name], &after[&name]);
        assert!(
            between(before.recv_bytes, interface.received.bytes, after.recv_bytes),
            "{name}"
        );
        assert!(
            between(
                before.recv_packets,
                interface.received.packets,
                after.recv_packets
            ),
            "{name}"
        );
        assert!(
            between(before.sent_bytes, interface.sent.bytes, after.sent_bytes),
            "{name}"
        );
        assert!(
            between(before.sent_drop, interface.sent.drops, after.sent_drop),
            "{name}"
        );
    }
}

#[test]
fn disks_agree() {
    let mut file = DiskStatsFile::of(&here());
    let before = procfs::diskstats().unwrap();
    let disks = file.read().unwrap().to_vec();
    let after = procfs::diskstats().unwrap();
    assert_eq!(disks.len(), before.len());
    for ((disk, before), after) in disks.iter().zip(&before).zip(&after) {
        assert_eq!(disk.name.to_string(), before.name);
        let sectors = |direction: usize| disk.requests[direction].unwrap().bytes.unwrap() / 512;
        assert!(between(before.sectors_read, sectors(0), after.sectors_read));
        assert!(between(before.sectors_written, sectors(1), after.sectors_written));
        assert!(between(
            before.time_in_progress,
            disk.io_ms,
            after.time_in_progress
        ));
        assert_eq!(disk.requests[2].is_some(), before.discards.is_some());
        assert_eq!(disk.requests[3].is_some(), before.flushes.is_some());
        assert_ne!(disk.kind, DiskKind::Unknown);
    }
}

#[test]
fn load_agrees() {
    let mut file = loadavg::table(&here());
    let oracle = procfs::LoadAverage::current().unwrap();
    let load = file.read().unwrap();
    assert!((load[2] - f64::from(oracle.fifteen)).abs() < 0.1);
}

#[test]
fn pressure_agrees_where_the_kernel_has_it() {
    let Ok(before) = procfs::IoPressure::current() else {
        assert!(matches!(
            pressure::table(&here(), "io").read(),
            Err(ReadError::NotSupported { .. })
        ));
        return;
    };
    let pressure = *pressure::table(&here(), "io").read().unwrap();
    let after = procfs::IoPressure::current().unwrap();
    assert!(between(
        before.some.total,
        pressure.some_us.unwrap(),
        after.some.total
    ));
    assert!(between(
        before.full.total,
        pressure.full_us.unwrap(),
        after.full.total
    ));
}

#[test]
fn the_online_cpus_are_those_with_times() {
    let mut online = cpu_online::table(&here());
    let mut stat = stat::table(&here());
    let with_times: Vec<u32> = stat.read().unwrap().cpus.iter().map(|line| line.cpu).collect();
    let online = online.read().unwrap();
    let running = online.ranges.iter().flat_map(|(first, last)| *first..=*last);
    assert_eq!(running.collect::<Vec<_>>(), with_times);
}

#[test]
fn every_process_agrees() {
    let mut processes = Processes::open(&here(), 256).unwrap();
    let pids = processes.pids().unwrap();
    let oracle: BTreeSet<u32> = procfs::process::all_processes()
        .unwrap()
        .flatten()
        .map(|process| process.pid as u32)
        .collect();
    assert!(pids.contains(&std::process::id()));
    // Processes of parallel tests come and go between the two scans; the first ones of the machine do not.
    assert_eq!(pids.first(), oracle.first());

    let (mut stat, mut compared) = (ProcessStat::default(), 0);
    for pid in pids {
        let Ok(oracle) = procfs::process::Process::new(pid as i32).and_then(|process| process.stat()) else {
            continue;
        };
        match processes.stat(pid, &mut stat) {
            Ok(()) => {}
            Err(ReadError::Gone { .. }) => continue,
            Err(error) => panic!("{error}"),
        }
        if stat.start_ticks != oracle.starttime {
            continue;
        }
        assert_eq!(stat.pid, pid);
        assert_eq!(stat.parent as i32, oracle.ppid);
        assert!(stat.user_ticks >= oracle.utime && stat.system_ticks >= oracle.stime);
        assert!(stat.user_ticks + stat.system_ticks <= oracle.utime + oracle.stime + 500);
        assert!(oracle.guest_time.is_none_or(|guest| stat.guest_ticks >= guest));
        compared += 1;
    }
    assert!(compared > 1);
}

#[test]
fn memory_and_files_of_this_process_agree() {
    let mut processes = Processes::open(&here(), 256).unwrap();
    let me = std::process::id();
    let oracle = procfs::process::Process::myself().unwrap();

    let pages = oracle.statm().unwrap();
    let statm = processes.follow(me).unwrap().statm(&mut processes).unwrap();
    let [virtual_size, resident, shared] =
        [statm.virtual_size, statm.resident, statm.shared].map(Option::unwrap);
    let close = |bytes: u64, pages: u64| bytes.abs_diff(pages * procfs::page_size()) < 8 << 20;
    // Each thread of the tests can map an arena of 64 MiB meanwhile.
    assert!(virtual_size.abs_diff(pages.size * procfs::page_size()) < 1 << 30);
    assert!(virtual_size >= resident);
    assert!(close(resident, pages.resident) && close(shared, pages.shared));

    let rollup = processes.smaps_rollup(me).unwrap().unwrap();
    assert!(rollup.pss > 0 && rollup.pss <= rollup.rss);
    assert!(rollup.rss.abs_diff(resident) < 8 << 20);

    let before = oracle.io().unwrap();
    let io = processes.io(me).unwrap();
    let after = oracle.io().unwrap();
    assert!(between(before.read_bytes, io.read_bytes, after.read_bytes));
    assert!(between(before.write_bytes, io.written_bytes, after.write_bytes));

    assert_eq!(processes.exe(me).unwrap(), Some(oracle.exe().unwrap()));
    let comm = processes.follow(me).unwrap().last_stat().comm.to_string();
    assert_eq!(comm, oracle.stat().unwrap().comm);
    let cmdline = processes.cmdline(me).unwrap();
    let arguments: Vec<String> = alumet_reader_procfs::process::command::arguments(&cmdline)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    assert_eq!(arguments, oracle.cmdline().unwrap());
}
