//! Traffic of the network interfaces.

use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::net_dev::{Interface, NetDevFile, Traffic};
use alumet_reader_procfs::{Name, SystemRoot};

use super::PollInterval;
use crate::increments::Increments;
use crate::metrics;
use crate::present::Present;

/// Makes samples of `/proc/net/dev`.
pub(crate) struct NetworkSource {
    file: NetDevFile,
    metrics: Metrics,
    interfaces: Present<Name, InterfaceCounts>,
    interval: PollInterval,
}

#[derive(Clone, Copy)]
struct Metrics {
    bytes: MetricHandle<u64>,
    packets: MetricHandle<u64>,
    drops: MetricHandle<u64>,
    errors: MetricHandle<u64>,
}

struct InterfaceCounts {
    received: DirectionCounts,
    sent: DirectionCounts,
}

/// Bytes, packets, drops and errors of one direction.
struct DirectionCounts([(Series<u64>, Increments); 4]);

impl NetworkSource {
    pub(crate) fn start(root: &SystemRoot, alumet: &StartContext<'_>) -> Result<Self, StartError> {
        Ok(Self {
            file: NetDevFile::open(root)?,
            metrics: Metrics {
                bytes: alumet.metric(&metrics::NETWORK_BYTES)?,
                packets: alumet.metric(&metrics::NETWORK_PACKETS)?,
                drops: alumet.metric(&metrics::NETWORK_PACKET_DROPS)?,
                errors: alumet.metric(&metrics::NETWORK_ERRORS)?,
            },
            interfaces: Present::default(),
            interval: PollInterval::default(),
        })
    }
}

impl Source for NetworkSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let net = self.file.read()?;
        let elapsed = self.interval.until(out.tick().monotonic);
        self.interfaces.begin();
        for interface in &net.interfaces {
            let counts = self.interfaces.entry(&interface.name, || {
                InterfaceCounts::register(out.catalog(), self.metrics, interface)
            });
            counts.received.push(&interface.received, elapsed, out);
            counts.sent.push(&interface.sent, elapsed, out);
        }
        self.interfaces.end();
        Ok(())
    }

    fn reset(&mut self) {
        self.interfaces.clear();
        self.interval = PollInterval::default();
    }
}

impl InterfaceCounts {
    fn register(catalog: &Catalog, metrics: Metrics, interface: &Interface) -> Self {
        let name = interface.name.to_str_lossy();
        Self {
            received: DirectionCounts::register(catalog, metrics, &name, "rx"),
            sent: DirectionCounts::register(catalog, metrics, &name, "tx"),
        }
    }
}

impl DirectionCounts {
    fn register(catalog: &Catalog, metrics: Metrics, interface: &str, direction: &'static str) -> Self {
        let metrics = [metrics.bytes, metrics.packets, metrics.drops, metrics.errors];
        Self(metrics.map(|metric| {
            let series = catalog
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .attribute("interface", interface)
                .attribute("direction", direction);
            (series.register(), Increments::of_64_bits())
        }))
    }

    fn push(&mut self, traffic: &Traffic, elapsed: Duration, out: &mut Accumulator<'_>) {
        let counts = [traffic.bytes, traffic.packets, traffic.drops, traffic.errors];
        for ((series, increments), count) in self.0.iter_mut().zip(counts) {
            if let Some(increment) = increments.update(count, elapsed) {
                out.push(series, increment);
            }
        }
    }
}
