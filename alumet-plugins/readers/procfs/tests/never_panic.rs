//! No parser panics, whatever the bytes, and no parser loses its reused value to a bad input.

use alumet_reader_kernel_file::testkit::{assert_fresh, kernel_like};
use alumet_reader_procfs::meminfo::MemEntry;
use alumet_reader_procfs::process::{command, io, smaps_rollup, stat as process_stat, statm};
use alumet_reader_procfs::{
    ParseError, cpu_online, cpufreq, diskstats, hwmon, loadavg, meminfo, net_dev, pressure, stat,
};
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "cpu",
    "cpu0",
    "ctxt",
    "Inter-| x\n face |\n",
    "eth0:",
    "MemTotal:",
    "Cached:",
    "Rss:",
    "Pss:",
    "read_bytes:",
    "kB",
    "some avg10=",
    "full",
    "total=",
    "1 (a) S",
    "sda",
    "8 0 sda 1 2 3 4 5 6 7 8 9 10 11",
    "0-3,",
    "1/2",
    "0.99",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    kernel_like(WORDS)
}

fn memory() -> Vec<MemEntry> {
    ["MemTotal", "Cached", ""].map(MemEntry::of).into()
}

/// A parser that makes a new value each time, as one that reuses it.
fn anew<T>(
    parse: impl Fn(&[u8]) -> Result<T, ParseError>,
) -> impl Fn(&[u8], &mut Option<T>) -> Result<(), ParseError> {
    move |bytes, out| {
        *out = Some(parse(bytes)?);
        Ok(())
    }
}

/// The amounts; where the entries stood is no part of the result.
fn amounts(
    bytes: &[u8],
    out: &mut (Vec<MemEntry>, Vec<Option<meminfo::Amount>>),
) -> alumet_reader_procfs::Parsed {
    let result = meminfo::parse(bytes, &mut out.0);
    out.1 = out.0.iter().map(|entry| entry.amount).collect();
    out.0 = memory();
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_give_a_value_or_an_error(first in bytes(), second in bytes()) {
        let (a, b) = (&first[..], &second[..]);
        assert_fresh(a, b, Default::default, stat::parse)?;
        assert_fresh(a, b, Default::default, net_dev::parse)?;
        assert_fresh(a, b, Default::default, diskstats::parse)?;
        assert_fresh(a, b, Default::default, loadavg::parse)?;
        assert_fresh(a, b, Default::default, pressure::parse)?;
        assert_fresh(a, b, Default::default, cpu_online::parse)?;
        assert_fresh(a, b, Default::default, cpufreq::parse)?;
        assert_fresh(a, b, Default::default, hwmon::parse)?;
        assert_fresh(a, b, Default::default, process_stat::parse)?;
        assert_fresh(a, b, Default::default, anew(|bytes| statm::parse(bytes, 4096)))?;
        assert_fresh(a, b, Default::default, anew(smaps_rollup::parse))?;
        assert_fresh(a, b, Default::default, anew(io::parse))?;
        assert_fresh(a, b, || (memory(), Vec::new()), amounts)?;
        let mut remembering = memory();
        let _ = meminfo::parse(a, &mut remembering);
        let _ = meminfo::parse(b, &mut remembering);
        prop_assert!(command::arguments(a).count() <= a.len() + 1);
    }
}
