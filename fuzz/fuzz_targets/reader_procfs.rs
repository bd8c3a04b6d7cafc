//! Every parser of the procfs reader: the first byte chooses it, the rest is the file.

#![no_main]

use alumet_reader_procfs::meminfo::MemEntry;
use alumet_reader_procfs::process::{command, io, smaps_rollup, stat as process_stat, statm};
use alumet_reader_procfs::{
    ParseError, cpu_online, cpufreq, diskstats, hwmon, loadavg, meminfo, net_dev, pressure, stat,
};
use libfuzzer_sys::fuzz_target;

/// A value that has read the bytes once must read them the second time with the same result.
fn twice<T: Clone + std::fmt::Debug + PartialEq, R: std::fmt::Debug + PartialEq>(
    bytes: &[u8],
    mut value: T,
    parse: impl Fn(&[u8], &mut T) -> Result<R, ParseError>,
) {
    let first = parse(bytes, &mut value);
    let before = value.clone();
    assert_eq!(first, parse(bytes, &mut value));
    if first.is_ok() {
        assert_eq!(before, value);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    match choice % 14 {
        0 => twice(bytes, Default::default(), stat::parse),
        1 => twice(
            bytes,
            ["MemTotal", "Cached", ""].map(MemEntry::of).to_vec(),
            meminfo::parse,
        ),
        2 => twice(bytes, Default::default(), net_dev::parse),
        3 => twice(bytes, Default::default(), diskstats::parse),
        4 => twice(bytes, Default::default(), loadavg::parse),
        5 => twice(bytes, Default::default(), pressure::parse),
        6 => twice(bytes, Default::default(), cpu_online::parse),
        7 => twice(bytes, Default::default(), cpufreq::parse),
        8 => twice(bytes, Default::default(), hwmon::parse),
        9 => twice(bytes, Default::default(), process_stat::parse),
        10 => {
            let _ = statm::parse(bytes, 4096);
        }
        11 => {
            let _ = smaps_rollup::parse(bytes);
        }
        12 => {
            let _ = io::parse(bytes);
        }
        _ => {
            let _ = command::arguments(bytes).count();
            let _ = meminfo::snake_case_name(&String::from_utf8_lossy(bytes));
        }
    }
});
