//! No parser panics, whatever the bytes, and no parser loses its reused value to a bad input.

use alumet_reader_procfs::meminfo::MemInfo;
use alumet_reader_procfs::process::{command, io, smaps_rollup, stat as process_stat, statm};
use alumet_reader_procfs::{
    cpu_online, cpufreq, diskstats, hwmon, loadavg, meminfo, net_dev, pressure, stat,
};
use proptest::prelude::*;

/// Bytes that resemble kernel files closely enough to reach behind the first check of a parser.
fn kernel_like() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("cpu".to_owned()),
        Just("cpu0".to_owned()),
        Just("ctxt".to_owned()),
        Just("Inter-| x\n face |\n".to_owned()),
        Just("eth0:".to_owned()),
        Just("MemTotal:".to_owned()),
        Just("Cached:".to_owned()),
        Just("Rss:".to_owned()),
        Just("Pss:".to_owned()),
        Just("read_bytes:".to_owned()),
        Just("kB".to_owned()),
        Just("some avg10=".to_owned()),
        Just("full".to_owned()),
        Just("total=".to_owned()),
        Just("1 (a) S".to_owned()),
        Just("sda".to_owned()),
        Just("8 0 sda 1 2 3 4 5 6 7 8 9 10 11".to_owned()),
        Just("0-3,".to_owned()),
        Just("1/2".to_owned()),
        "[ \n\t:().,/=-]",
        any::<u64>().prop_map(|number| number.to_string()),
        Just("18446744073709551616".to_owned()),
        Just("0.99".to_owned()),
    ];
    let separated = (word, prop_oneof![Just(" "), Just("\n"), Just("")]);
    proptest::collection::vec(separated, 0..60).prop_map(|words| {
        words
            .into_iter()
            .flat_map(|(word, end)| (word + end).into_bytes())
            .collect()
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..400), kernel_like()]
}

/// A value that went through `first` must read `second` like a fresh one: nothing may leak from reading to reading.
fn check<T>(
    first: &[u8],
    second: &[u8],
    fresh: impl Fn() -> T,
    parse: impl Fn(&[u8], &mut T) -> Result<(), alumet_reader_procfs::ParseError>,
) -> Result<(), TestCaseError>
where
    T: PartialEq + std::fmt::Debug,
{
    let mut reused = fresh();
    let _ = parse(first, &mut reused);
    let mut new = fresh();
    let (again, once) = (parse(second, &mut reused), parse(second, &mut new));
    prop_assert_eq!(&again, &once);
    if once.is_ok() {
        prop_assert_eq!(reused, new);
    }
    Ok(())
}

fn memory() -> MemInfo {
    MemInfo::of(["MemTotal", "Cached", ""])
}

/// The amounts; where the entries stood is no part of the result.
fn amounts(
    bytes: &[u8],
    out: &mut (MemInfo, Vec<Option<meminfo::Amount>>),
) -> Result<(), alumet_reader_procfs::ParseError> {
    let result = meminfo::parse(bytes, &mut out.0);
    out.1 = out.0.entries().iter().map(meminfo::MemEntry::amount).collect();
    out.0 = memory();
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_give_a_value_or_an_error(first in bytes(), second in bytes()) {
        let (a, b) = (&first[..], &second[..]);
        check(a, b, Default::default, stat::parse)?;
        check(a, b, Default::default, net_dev::parse)?;
        check(a, b, Default::default, diskstats::parse)?;
        check(a, b, Default::default, loadavg::parse)?;
        check(a, b, Default::default, pressure::parse)?;
        check(a, b, Default::default, cpu_online::parse)?;
        check(a, b, Default::default, cpufreq::parse)?;
        check(a, b, Default::default, hwmon::parse)?;
        check(a, b, Default::default, process_stat::parse)?;
        check(a, b, Default::default, statm::parse)?;
        check(a, b, Default::default, smaps_rollup::parse)?;
        check(a, b, Default::default, io::parse)?;
        check(a, b, || (memory(), Vec::new()), amounts)?;
        let mut remembering = memory();
        let _ = meminfo::parse(a, &mut remembering);
        let _ = meminfo::parse(b, &mut remembering);
        prop_assert!(meminfo::names(a).count() <= a.len());
        prop_assert!(command::arguments(a).count() <= a.len() + 1);
    }
}
