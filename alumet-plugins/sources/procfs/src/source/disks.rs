//! Requests and traffic of the block devices.

use alumet_core::Failure;
use alumet_core::counter::Counter;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::diskstats::{Disk, DiskKind, DiskStatsFile, Requests};

use super::device_counts::{Column, DeviceCounts};
use crate::error::TableError;
use crate::increments::{endless, milliseconds_of_32_bits};
use crate::metrics;
use crate::notes::{list, note};

const SUBJECT: &str = "disks";
/// The name of the source, and what is told of.
pub(crate) const TABLE: (&str, &str) = ("disks", SUBJECT);

/// Makes samples of `/proc/diskstats`.
pub(crate) struct DisksSource {
    file: DiskStatsFile,
    partitions: bool,
    counts: DeviceCounts,
}

impl DisksSource {
    pub(crate) fn start(
        partitions: bool,
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        let mut file = DiskStatsFile::open(root)?;
        let disks = file.read()?.disks.iter();
        let measured = disks.filter(|disk| partitions || disk.kind != DiskKind::Partition);
        let names: Vec<_> = measured.map(|disk| disk.name.to_str_lossy()).collect();
        let finding = match names.len() {
            0 => Finding::absent(SUBJECT, "this machine has no block devices"),
            number => Finding::works(SUBJECT, list(number, "device", names.into_iter())),
        };
        note(alumet, finding);
        let bytes = alumet.metric(&metrics::DISK_BYTES)?;
        let operations = alumet.metric(&metrics::DISK_OPERATIONS)?;
        let time = alumet.metric(&metrics::DISK_OPERATION_TIME)?;
        let column = |metric, direction, counter: fn() -> Counter| Column {
            metric,
            direction,
            counter,
        };
        let mut columns = Vec::new();
        for direction in ["read", "write", "discard"] {
            columns.push(column(bytes, Some(direction), endless));
            columns.push(column(operations, Some(direction), endless));
            columns.push(column(time, Some(direction), milliseconds_of_32_bits));
        }
        columns.push(column(operations, Some("flush"), endless));
        columns.push(column(time, Some("flush"), milliseconds_of_32_bits));
        let busy = alumet.metric(&metrics::DISK_BUSY_TIME)?;
        columns.push(column(busy, None, milliseconds_of_32_bits));
        Ok(Some(Self {
            file,
            partitions,
            counts: DeviceCounts::new("device", columns),
        }))
    }
}

impl Source for DisksSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let partitions = self.partitions;
        let disks = self.file.read()?.disks.iter();
        let measured = disks.filter(|disk| partitions || disk.kind != DiskKind::Partition);
        self.counts.push(measured, |disk| (&disk.name, counts(disk)), out);
        Ok(())
    }

    fn reset(&mut self) {
        self.counts.clear();
    }
}

/// In the order of the columns; `None` for what its kernel does not print.
fn counts(disk: &Disk) -> [Option<u64>; 12] {
    let of = |requests: Option<Requests>| {
        let count = |count: fn(&Requests) -> u64| requests.as_ref().map(count);
        [
            count(Requests::bytes),
            count(|requests| requests.completed),
            count(|requests| requests.ms),
        ]
    };
    let [r1, r2, r3] = of(Some(disk.reads));
    let [w1, w2, w3] = of(Some(disk.writes));
    let [d1, d2, d3] = of(disk.discards);
    let [f1, f2] = [
        disk.flushes.map(|one| one.completed),
        disk.flushes.map(|one| one.ms),
    ];
    [r1, r2, r3, w1, w2, w3, d1, d2, d3, f1, f2, Some(disk.io_ms)]
}
