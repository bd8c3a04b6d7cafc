//! Traffic of the network interfaces.

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::DeltaSeries;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource};
use alumet_reader_procfs::net_dev::{Interface, NetDevFile, Scope, Traffic};
use alumet_reader_procfs::{Name, SystemRoot};

use crate::diagnose::{list, note};
use crate::error::TableError;
use crate::increments::endless;
use crate::metrics;
use crate::present::Present;

pub(crate) const SUBJECT: &str = "network";

const SHARE: &str = "share the network of the host (Kubernetes: hostNetwork: true, Docker: --network=host)";

/// Makes samples of `/proc/net/dev`.
pub(crate) struct NetworkSource {
    file: NetDevFile,
    metrics: Metrics,
    interfaces: Present<Name, InterfaceCounts>,
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
struct DirectionCounts([DeltaSeries; 4]);

impl NetworkSource {
    pub(crate) fn start(
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        let mut file = NetDevFile::open(root)?;
        let interfaces = &file.read()?.interfaces;
        let names = interfaces.iter().map(|interface| interface.name.to_str_lossy());
        let detail = list(interfaces.len(), "interface", names);
        note(
            alumet,
            match file.scope() {
                Scope::Machine => Finding::works(SUBJECT, detail),
                Scope::Container => Finding::limited(
                    SUBJECT,
                    format!("{detail}, of this container and not of the machine"),
                    SHARE,
                ),
                Scope::Unknown => Finding::limited(
                    SUBJECT,
                    format!(
                        "{detail}; nothing tells whether they are those of the machine or of this container"
                    ),
                    SHARE,
                ),
            },
        );
        Ok(Some(Self {
            file,
            metrics: Metrics {
                bytes: alumet.metric(&metrics::NETWORK_BYTES)?,
                packets: alumet.metric(&metrics::NETWORK_PACKETS)?,
                drops: alumet.metric(&metrics::NETWORK_PACKET_DROPS)?,
                errors: alumet.metric(&metrics::NETWORK_ERRORS)?,
            },
            interfaces: Present::default(),
        }))
    }
}

impl Source for NetworkSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let net = self.file.read()?;
        self.interfaces.begin();
        for interface in &net.interfaces {
            let counts = self.interfaces.entry(&interface.name, || {
                InterfaceCounts::register(out.catalog(), self.metrics, interface)
            });
            counts.received.push(&interface.received, out);
            counts.sent.push(&interface.sent, out);
        }
        self.interfaces.end();
        Ok(())
    }

    fn reset(&mut self) {
        self.interfaces.clear();
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
            DeltaSeries::new(series.register(), endless())
        }))
    }

    fn push(&mut self, traffic: &Traffic, out: &mut Accumulator<'_>) {
        let counts = [traffic.bytes, traffic.packets, traffic.drops, traffic.errors];
        for (series, count) in self.0.iter_mut().zip(counts) {
            series.push(out, count);
        }
    }
}
