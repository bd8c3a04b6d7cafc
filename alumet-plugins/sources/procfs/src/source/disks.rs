//! Requests and traffic of the block devices.

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::DeltaSeries;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource};
use alumet_reader_procfs::diskstats::{Disk, DiskKind, DiskStatsFile};
use alumet_reader_procfs::{Name, SystemRoot};

use crate::diagnose::{list, note};
use crate::error::TableError;
use crate::increments::{endless, milliseconds_of_32_bits};
use crate::metrics;
use crate::present::Present;

pub(crate) const SUBJECT: &str = "disks";

/// Makes samples of `/proc/diskstats`.
pub(crate) struct DisksSource {
    file: DiskStatsFile,
    partitions: bool,
    metrics: Metrics,
    disks: Present<Name, DiskCounts>,
}

#[derive(Clone, Copy)]
struct Metrics {
    bytes: MetricHandle<u64>,
    operations: MetricHandle<u64>,
    operation_time: MetricHandle<u64>,
    busy_time: MetricHandle<u64>,
}

/// What one device counts; `None` for what its kernel does not print.
struct DiskCounts {
    directions: [Option<DirectionCounts>; 4],
    busy: DeltaSeries,
}

struct DirectionCounts {
    bytes: Option<DeltaSeries>,
    operations: DeltaSeries,
    time: DeltaSeries,
}

/// One reading of one direction.
struct Requests {
    direction: &'static str,
    bytes: Option<u64>,
    completed: u64,
    ms: u64,
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
        note(
            alumet,
            match names.len() {
                0 => Finding::absent(SUBJECT, "this machine has no block devices"),
                number => Finding::works(SUBJECT, list(number, "device", names.into_iter())),
            },
        );
        Ok(Some(Self {
            file,
            partitions,
            metrics: Metrics {
                bytes: alumet.metric(&metrics::DISK_BYTES)?,
                operations: alumet.metric(&metrics::DISK_OPERATIONS)?,
                operation_time: alumet.metric(&metrics::DISK_OPERATION_TIME)?,
                busy_time: alumet.metric(&metrics::DISK_BUSY_TIME)?,
            },
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
            let counts = self.disks.entry(&disk.name, || {
                DiskCounts::register(out.catalog(), self.metrics, disk)
            });
            counts.push(disk, out);
        }
        self.disks.end();
        Ok(())
    }

    fn reset(&mut self) {
        self.disks.clear();
    }
}

impl DiskCounts {
    fn register(catalog: &Catalog, metrics: Metrics, disk: &Disk) -> Self {
        let device = disk.name.to_str_lossy();
        let series = |metric| {
            catalog
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .attribute("device", &*device)
        };
        let directions = directions(disk).map(|requests| {
            let requests = requests?;
            let series = |metric| {
                series(metric)
                    .attribute("direction", requests.direction)
                    .register()
            };
            Some(DirectionCounts {
                bytes: requests
                    .bytes
                    .map(|_| DeltaSeries::new(series(metrics.bytes), endless())),
                operations: DeltaSeries::new(series(metrics.operations), endless()),
                time: DeltaSeries::new(series(metrics.operation_time), milliseconds_of_32_bits()),
            })
        });
        let busy = series(metrics.busy_time).register();
        Self {
            directions,
            busy: DeltaSeries::new(busy, milliseconds_of_32_bits()),
        }
    }

    fn push(&mut self, disk: &Disk, out: &mut Accumulator<'_>) {
        for (counts, requests) in self.directions.iter_mut().zip(directions(disk)) {
            let (Some(counts), Some(requests)) = (counts, requests) else {
                continue;
            };
            if let (Some(series), Some(bytes)) = (&mut counts.bytes, requests.bytes) {
                series.push(out, bytes);
            }
            counts.operations.push(out, requests.completed);
            counts.time.push(out, requests.ms);
        }
        self.busy.push(out, disk.io_ms);
    }
}

fn directions(disk: &Disk) -> [Option<Requests>; 4] {
    let with_bytes = |direction, requests: &alumet_reader_procfs::diskstats::Requests| Requests {
        direction,
        bytes: Some(requests.bytes()),
        completed: requests.completed,
        ms: requests.ms,
    };
    [
        Some(with_bytes("read", &disk.reads)),
        Some(with_bytes("write", &disk.writes)),
        disk.discards
            .as_ref()
            .map(|requests| with_bytes("discard", requests)),
        disk.flushes.map(|flushes| Requests {
            direction: "flush",
            bytes: None,
            completed: flushes.completed,
            ms: flushes.ms,
        }),
    ]
}
