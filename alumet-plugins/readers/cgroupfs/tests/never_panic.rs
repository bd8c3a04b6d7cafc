//! No parser panics, whatever the bytes; none lets anything leak from reading to reading; none is fooled by a file that
//! was cut short.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test like the test itself"
)]

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use alumet_reader_cgroupfs::stat::{blkio, cpu_stat, events, io_stat, memory_stat, pressure, single};
use alumet_reader_cgroupfs::{CgroupPath, ParseError, Parsed, mount};
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

fn cpu_and_throttling(bytes: &[u8], out: &mut cpu_stat::CpuStat) -> Parsed {
    cpu_stat::parse(bytes, true, out)
}

fn cpu_time(bytes: &[u8], out: &mut cpu_stat::CpuStat) -> Parsed {
    cpu_stat::parse(bytes, false, out)
}

fn memory_events(bytes: &[u8], out: &mut [Option<u64>; 5]) -> Parsed {
    events::parse(bytes, out)
}

/// A file of one number, as a value that starts as its default.
fn number(parse: impl Fn(&[u8]) -> Result<u64, ParseError>) -> impl Fn(&[u8], &mut u64) -> Parsed {
    move |bytes, out| {
        *out = parse(bytes)?;
        Ok(None)
    }
}

/// Like [`assert_fresh`], for a value that starts as its default.
fn check<T: Default + PartialEq + Debug>(
    first: &[u8],
    second: &[u8],
    parse: impl Fn(&[u8], &mut T) -> Parsed,
) -> Result<(), TestCaseError> {
    assert_fresh(first, second, T::default, parse)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_bytes_give_a_value_or_an_error(first in bytes(), second in bytes()) {
        let (a, b) = (&first[..], &second[..]);
        check(a, b, cpu_and_throttling)?;
        check(a, b, cpu_time)?;
        check(a, b, pressure::parse)?;
        let _ = (single::parse(a), single::parse_limit(a), single::parse_v1_limit(a));
        check(a, b, memory_events)?;
        check(a, b, io_stat::parse)?;
        check(a, b, blkio::parse)?;
        let keys = ["anon", "file", "max", ""];
        let (mut places, mut out) = (memory_stat::Places::default(), [None; 4]);
        for bytes in [a, b, b, a] {
            let _ = memory_stat::parse(bytes, &keys, &mut places, &mut out);
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

fn check_cuts<T: Default + Debug>(name: &str, parse: impl Fn(&[u8], &mut T) -> Parsed) {
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
    check_cuts("cpu.stat", cpu_and_throttling);
    check_cuts("cpu.stat", cpu_time);
    check_cuts("memory.current", number(single::parse));
    check_cuts("memory.max", number(single::parse_limit));
    check_cuts("memory.events", memory_events);
    check_cuts("io.stat", io_stat::parse);
    check_cuts("io.pressure", pressure::parse);
    check_cuts("memory.stat", |bytes, out: &mut [Option<u64>; 3]| {
        let keys = ["anon", "pgscan_direct", "pgsteal"];
        memory_stat::parse(bytes, &keys, &mut memory_stat::Places::default(), out)
    });
}
