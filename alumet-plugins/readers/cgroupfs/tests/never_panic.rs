//! No parser panics, whatever the bytes; none lets anything leak from reading to reading; none is fooled by a file that
//! was cut short.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test like the test itself"
)]

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use alumet_reader_cgroupfs::stat::{
    blkio, cpu_stat, cpuacct, events, io_stat, memory_stat, pressure, single,
};
use alumet_reader_cgroupfs::{CgroupPath, ParseError, mount};
use alumet_reader_kernel_file::testkit::{assert_fresh, kernel_like};
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "usage_usec",
    "nr_periods",
    "throttled_usec",
    "user",
    "system",
    "max",
    "low",
    "high",
    "oom",
    "populated",
    "frozen",
    "anon",
    "file",
    "some avg10=",
    "full",
    "total=",
    "8:0",
    "8:16 rbytes=",
    "wbytes=",
    "Read",
    "Total",
    "0.99",
    "cgroup",
    "cgroup2",
    "1 2 3:4 / /c rw - cgroup",
    "\\040",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    kernel_like(WORDS)
}

/// Like [`assert_fresh`], for a value that starts as its default.
fn check<T: Default + PartialEq + Debug>(
    first: &[u8],
    second: &[u8],
    parse: impl Fn(&[u8], &mut T) -> Result<(), ParseError>,
) -> Result<(), TestCaseError> {
    assert_fresh(first, second, T::default, parse)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_give_a_value_or_an_error(first in bytes(), second in bytes()) {
        let (a, b) = (&first[..], &second[..]);
        check(a, b, cpu_stat::parse)?;
        check(a, b, cpu_stat::parse_time)?;
        check(a, b, cpuacct::parse)?;
        check(a, b, pressure::parse)?;
        check(a, b, single::parse)?;
        check(a, b, single::parse_limit)?;
        check(a, b, single::parse_v1_limit)?;
        check(a, b, events::parse_memory)?;
        check(a, b, events::parse_cgroup)?;
        check(a, b, io_stat::parse)?;
        check(a, b, blkio::parse)?;
        let selection = memory_stat::Selection::of(["anon", "file", "max", ""]);
        let (mut places, mut out) = (memory_stat::Places::default(), Vec::new());
        for bytes in [a, b, b, a] {
            let _ = memory_stat::parse(bytes, &selection, &mut places, &mut out);
            prop_assert_eq!(out.len(), 4);
        }
        let _ = mount::Hierarchies::parse(a, Path::new("/host"));
        if let Ok(path) = CgroupPath::from_bytes(a) {
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
    }
}

/// The numbers that occur in the debug form of a value.
fn numbers<T: Debug>(value: &T) -> Vec<String> {
    let text = format!("{value:?}");
    let words = text.split(|char: char| !char.is_ascii_digit() && char != '.');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn check_cuts<T: Default + Debug>(name: &str, parse: impl Fn(&[u8], &mut T) -> Result<(), ParseError>) {
    let pod = "v2/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(pod);
    let whole_text = fs::read(folder.join(name)).unwrap();
    let mut whole = T::default();
    parse(&whole_text, &mut whole).unwrap();
    let allowed = [numbers(&whole), numbers(&T::default())].concat();
    for length in 0..whole_text.len() {
        let mut cut = T::default();
        if parse(&whole_text[..length], &mut cut).is_ok() {
            let wrong: Vec<_> = numbers(&cut)
                .into_iter()
                .filter(|number| !allowed.contains(number))
                .collect();
            assert!(wrong.is_empty(), "{name} cut to {length} bytes gives {wrong:?}");
        }
    }
}

#[test]
fn a_file_cut_short_never_gives_a_wrong_number() {
    check_cuts("cpu.stat", cpu_stat::parse);
    check_cuts("cpu.stat", cpu_stat::parse_time);
    check_cuts("memory.current", single::parse);
    check_cuts("memory.max", single::parse_limit);
    check_cuts("memory.events", events::parse_memory);
    check_cuts("io.stat", io_stat::parse);
    check_cuts("io.pressure", pressure::parse);
    check_cuts("cgroup.events", events::parse_cgroup);
    check_cuts("memory.stat", |bytes, out: &mut Vec<Option<u64>>| {
        let selection = memory_stat::Selection::of(["anon", "pgscan_direct", "pgsteal"]);
        memory_stat::parse(bytes, &selection, &mut memory_stat::Places::default(), out)
    });
}
