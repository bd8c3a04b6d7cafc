//! Requests and traffic of the block devices.

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::DeltaSeries;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource};
use alumet_reader_procfs::diskstats::{Disk, DiskKind, DiskStatsFile, Requests};
use alumet_reader_procfs::{Name, SystemRoot};

use crate::error::TableError;
use crate::increments::{endless, milliseconds_of_32_bits};
use crate::metrics;
use crate::notes::{list, note};
use crate::present::Present;

pub(crate) const SUBJECT: &str = "disks";

/// Makes samples of `/proc/diskstats`.
pub(crate) struct DisksSource {
    file: DiskStatsFile,
    partitions: bool,
    /// In the order of [`Kind`].
    metrics: [MetricHandle<u64>; 4],
    disks: Present<Name, DiskSeries>,
}

/// What is counted of a device.
#[derive(Clone, Copy)]
enum Kind {
    Bytes,
    Operations,
    OperationTime,
    BusyTime,
}

/// The series of one device in the order of [`counts`]; `None` for what its kernel does not print.
struct DiskSeries([Option<DeltaSeries>; 12]);

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
        Ok(Some(Self {
            file,
            partitions,
            metrics: [
                alumet.metric(&metrics::DISK_BYTES)?,
                alumet.metric(&metrics::DISK_OPERATIONS)?,
                alumet.metric(&metrics::DISK_OPERATION_TIME)?,
                alumet.metric(&metrics::DISK_BUSY_TIME)?,
            ],
            disks: Present::default(),
        }))
    }
}

impl Source for DisksSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let stats = self.file.read()?;
        self.disks.begin();
        for disk in &stats.disks {
            if disk.kind == DiskKind::Partition && !self.partitions {
                continue;
            }
            let series = self.disks.entry(&disk.name, || {
                DiskSeries::register(out.catalog(), self.metrics, disk)
            });
            for (series, (_, _, count)) in series.0.iter_mut().zip(counts(disk)) {
                if let (Some(series), Some(count)) = (series, count) {
                    series.push(out, count);
                }
            }
        }
        self.disks.end();
        Ok(())
    }

    fn reset(&mut self) {
        self.disks.clear();
    }
}

impl DiskSeries {
    fn register(catalog: &Catalog, metrics: [MetricHandle<u64>; 4], disk: &Disk) -> Self {
        Self(counts(disk).map(|(kind, direction, count)| {
            count?;
            let series = catalog
                .series(
                    metrics[kind as usize],
                    Resource::LocalMachine,
                    Consumer::LocalMachine,
                )
                .attribute("device", &*disk.name.to_str_lossy());
            let series = match direction {
                Some(direction) => series.attribute("direction", direction),
                None => series,
            };
            let counter = match kind {
                Kind::Bytes | Kind::Operations => endless(),
                Kind::OperationTime | Kind::BusyTime => milliseconds_of_32_bits(),
            };
            Some(DeltaSeries::new(series.register(), counter))
        }))
    }
}

/// What is counted of a device, in which direction, and how far.
fn counts(disk: &Disk) -> [(Kind, Option<&'static str>, Option<u64>); 12] {
    use Kind::{BusyTime, Bytes, OperationTime, Operations};
    let of = |direction, requests: Option<Requests>| {
        [
            (Bytes, Some(direction), requests.map(|requests| requests.bytes())),
            (
                Operations,
                Some(direction),
                requests.map(|requests| requests.completed),
            ),
            (
                OperationTime,
                Some(direction),
                requests.map(|requests| requests.ms),
            ),
        ]
    };
    let [r1, r2, r3] = of("read", Some(disk.reads));
    let [w1, w2, w3] = of("write", Some(disk.writes));
    let [d1, d2, d3] = of("discard", disk.discards);
    let flushes = disk.flushes;
    let f1 = (
        Operations,
        Some("flush"),
        flushes.map(|flushes| flushes.completed),
    );
    let f2 = (OperationTime, Some("flush"), flushes.map(|flushes| flushes.ms));
    [
        r1,
        r2,
        r3,
        w1,
        w2,
        w3,
        d1,
        d2,
        d3,
        f1,
        f2,
        (BusyTime, None, Some(disk.io_ms)),
    ]
}
