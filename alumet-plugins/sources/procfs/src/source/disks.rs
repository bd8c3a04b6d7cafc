//! Requests and traffic of the block devices.

use alumet_core::Failure;
use alumet_core::catalog::Catalog;
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::diskstats::{DIRECTIONS, Disk, DiskKind, DiskStatsFile};

use super::Opened;
use super::device_counts::{Column, DeviceCounts};
use crate::increments::{endless, milliseconds_of_32_bits};
use crate::metrics;
use crate::notes::list;

/// What is told of.
pub(crate) const SUBJECT: &str = "disks";

/// Makes samples of `/proc/diskstats`.
pub(crate) struct DisksSource {
    file: DiskStatsFile,
    partitions: bool,
    counts: DeviceCounts,
}

pub(crate) fn open(partitions: bool, root: &SystemRoot, catalog: &Catalog) -> Opened<DisksSource> {
    let mut file = DiskStatsFile::of(root);
    let names: Vec<_> = measured(file.read()?, partitions)
        .map(|disk| disk.name.to_string())
        .collect();
    let finding = match names.is_empty() {
        true => Finding::absent(SUBJECT, "this machine has no block devices"),
        false => Finding::works(SUBJECT, list("device", names.into_iter())),
    };
    let bytes = catalog.metric(&metrics::DISK_BYTES)?;
    let operations = catalog.metric(&metrics::DISK_OPERATIONS)?;
    let time = catalog.metric(&metrics::DISK_OPERATION_TIME)?;
    let mut columns = Vec::<Column>::new();
    for direction in DIRECTIONS.map(Some) {
        columns.push((bytes, direction, endless));
        columns.push((operations, direction, endless));
        columns.push((time, direction, milliseconds_of_32_bits));
    }
    let busy = catalog.metric(&metrics::DISK_BUSY_TIME)?;
    columns.push((busy, None, milliseconds_of_32_bits));
    let source = DisksSource {
        file,
        partitions,
        counts: DeviceCounts::new("device", columns),
    };
    Ok((Some(source), finding))
}

impl Source for DisksSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let disks = measured(self.file.read()?, self.partitions);
        self.counts
            .push(disks.map(|disk| (&disk.name, counts(disk))), out);
        Ok(())
    }

    fn reset(&mut self) {
        self.counts.clear();
    }
}

fn measured(disks: &[Disk], partitions: bool) -> impl Iterator<Item = &Disk> {
    disks
        .iter()
        .filter(move |disk| partitions || disk.kind != DiskKind::Partition)
}

/// In the order of the columns; `None` for what its kernel does not print.
fn counts(disk: &Disk) -> impl Iterator<Item = Option<u64>> {
    let of_requests = disk.requests.into_iter().flat_map(|requests| {
        let completed = requests.map(|requests| requests.completed);
        let ms = requests.map(|requests| requests.ms);
        [requests.and_then(|requests| requests.bytes), completed, ms]
    });
    of_requests.chain([Some(disk.io_ms)])
}
