//! Requests and traffic of the block devices.

use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::diskstats::{Disk, DiskKind, DiskStatsFile};
use alumet_reader_procfs::{Name, SystemRoot};

use super::PollInterval;
use crate::config::DisksConfig;
use crate::increments::Increments;
use crate::metrics;
use crate::present::Present;

/// Makes samples of `/proc/diskstats`.
pub(crate) struct DisksSource {
    file: DiskStatsFile,
    partitions: bool,
    metrics: Metrics,
    disks: Present<Name, DiskCounts>,
    interval: PollInterval,
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
    busy: (Series<u64>, Increments),
}

struct DirectionCounts {
    bytes: Option<(Series<u64>, Increments)>,
    operations: (Series<u64>, Increments),
    time: (Series<u64>, Increments),
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
        config: &DisksConfig,
        root: &SystemRoot,
        alumet: &StartContext<'_>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            file: DiskStatsFile::open(root)?,
            partitions: config.partitions,
            metrics: Metrics {
                bytes: alumet.metric(&metrics::DISK_BYTES)?,
                operations: alumet.metric(&metrics::DISK_OPERATIONS)?,
                operation_time: alumet.metric(&metrics::DISK_OPERATION_TIME)?,
                busy_time: alumet.metric(&metrics::DISK_BUSY_TIME)?,
            },
            disks: Present::default(),
            interval: PollInterval::default(),
        })
    }
}

impl Source for DisksSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let stats = self.file.read()?;
        let elapsed = self.interval.until(out.tick().monotonic);
        self.disks.begin();
        for disk in &stats.disks {
            if disk.kind == DiskKind::Partition && !self.partitions {
                continue;
            }
            let counts = self.disks.entry(&disk.name, || {
                DiskCounts::register(out.catalog(), self.metrics, disk)
            });
            counts.push(disk, elapsed, out);
        }
        self.disks.end();
        Ok(())
    }

    fn reset(&mut self) {
        self.disks.clear();
        self.interval = PollInterval::default();
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
                    .map(|_| (series(metrics.bytes), Increments::of_64_bits())),
                operations: (series(metrics.operations), Increments::of_64_bits()),
                time: (
                    series(metrics.operation_time),
                    Increments::of_32_bit_milliseconds(),
                ),
            })
        });
        Self {
            directions,
            busy: (
                series(metrics.busy_time).register(),
                Increments::of_32_bit_milliseconds(),
            ),
        }
    }

    fn push(&mut self, disk: &Disk, elapsed: Duration, out: &mut Accumulator<'_>) {
        let mut push = |(series, increments): &mut (Series<u64>, Increments), count: u64| {
            if let Some(increment) = increments.update(count, elapsed) {
                out.push(series, increment);
            }
        };
        for (counts, requests) in self.directions.iter_mut().zip(directions(disk)) {
            let (Some(counts), Some(requests)) = (counts, requests) else {
                continue;
            };
            if let (Some(counts), Some(bytes)) = (&mut counts.bytes, requests.bytes) {
                push(counts, bytes);
            }
            push(&mut counts.operations, requests.completed);
            push(&mut counts.time, requests.ms);
        }
        push(&mut self.busy, disk.io_ms);
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
