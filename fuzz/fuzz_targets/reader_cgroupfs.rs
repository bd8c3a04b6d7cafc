//! Every parser of the cgroupfs reader: the first byte chooses it, the rest is the file.

#![no_main]

use std::path::Path;

use alumet_reader_cgroupfs::layout::container::Container;
use alumet_reader_cgroupfs::layout::machine::Domain;
use alumet_reader_cgroupfs::layout::oar::OarGroup;
use alumet_reader_cgroupfs::layout::pod;
use alumet_reader_cgroupfs::layout::slurm::SlurmGroup;
use alumet_reader_cgroupfs::mount::Hierarchies;
use alumet_reader_cgroupfs::stat::memory_stat::{self, Places};
use alumet_reader_cgroupfs::stat::{blkio, cpu_stat, events, io_stat, pressure, single};
use alumet_reader_cgroupfs::{CgroupPath, Parsed};
use libfuzzer_sys::fuzz_target;

/// A value that has read the bytes once must read them the second time with the same result.
fn twice<T: Clone + std::fmt::Debug + Default + PartialEq>(
    bytes: &[u8],
    mut parse: impl FnMut(&[u8], &mut T) -> Parsed,
) {
    let mut value = T::default();
    let first = parse(bytes, &mut value);
    let before = value.clone();
    assert_eq!(first, parse(bytes, &mut value));
    if first.is_ok() {
        assert_eq!(before, value);
    }
}

/// Whoever names control groups takes or refuses the path, and knows what is in a pod or a job as being in the same one.
fn belongs_to_somebody(path: &CgroupPath) {
    let _ = (Container::of(path), Domain::of(path));
    let inner = path.child("x".as_ref()).expect("a name");
    if let Some(group) = pod::parse(path) {
        assert_eq!(pod::parse(&inner).map(|inner| inner.uid), Some(group.uid));
    }
    if let Some(group) = SlurmGroup::of(path) {
        assert_eq!(SlurmGroup::of(&inner).map(|inner| inner.job), Some(group.job));
    }
    if let Some(group) = OarGroup::of(path) {
        assert_eq!(OarGroup::of(&inner).map(|inner| inner.job_id), Some(group.job_id));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    match choice % 9 {
        0 => {
            for with_throttling in [true, false] {
                twice(bytes, |bytes, out| cpu_stat::parse(bytes, with_throttling, out));
            }
        }
        1 => twice(bytes, pressure::parse),
        2 => {
            let _ = (
                single::parse(bytes),
                single::parse_limit(bytes),
                single::parse_v1_limit(bytes),
            );
        }
        3 => twice(bytes, |bytes, out: &mut [Option<u64>; 5]| {
            events::parse(bytes, out)
        }),
        4 => twice(bytes, io_stat::parse),
        5 => twice(bytes, blkio::parse),
        6 => {
            let keys = ["anon", "file", "a", ""];
            let mut places = Places::default();
            // The places of one file are tried on another one.
            let (former, latter) = bytes.split_at(bytes.len() / 2);
            let mut out = [None; 4];
            let _ = memory_stat::parse(former, &keys, &mut places, &mut out);
            let _ = memory_stat::parse(latter, &keys, &mut places, &mut out);
            twice(bytes, |bytes, out: &mut [Option<u64>; 4]| {
                memory_stat::parse(bytes, &keys, &mut Places::default(), out)
            });
        }
        7 => {
            let _ = Hierarchies::parse(bytes, Path::new("/host"));
        }
        _ => {
            if let Ok(path) = CgroupPath::from_bytes(bytes) {
                belongs_to_somebody(&path);
                assert_eq!(path.to_string().parse(), Ok(path));
            }
        }
    }
});
