//! Traffic of the network interfaces.

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::counter::DeltaSeries;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource};
use alumet_reader_procfs::net_dev::{Interface, NetDevFile, Scope};
use alumet_reader_procfs::{Name, SystemRoot};

use crate::error::TableError;
use crate::increments::endless;
use crate::metrics;
use crate::notes::{list, note};
use crate::present::Present;

pub(crate) const SUBJECT: &str = "network";

const SHARE: &str = "share the network of the host (Kubernetes: hostNetwork: true, Docker: --network=host)";

/// Makes samples of `/proc/net/dev`.
pub(crate) struct NetworkSource {
    file: NetDevFile,
    metrics: Metrics,
    interfaces: Present<Name, InterfaceSeries>,
}

/// The metrics of bytes, packets, drops and errors.
type Metrics = [MetricHandle<u64>; 4];

/// The series of what an interface received and sent, each in the order of the metrics.
struct InterfaceSeries([[DeltaSeries; 4]; 2]);

impl NetworkSource {
    pub(crate) fn start(
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        let mut file = NetDevFile::open(root)?;
        let interfaces = &file.read()?.interfaces;
        let names = interfaces.iter().map(|interface| interface.name.to_str_lossy());
        let detail = list(interfaces.len(), "interface", names);
        let doubt = match file.scope() {
            Scope::Machine => "",
            Scope::Container => ", of this container and not of the machine",
            Scope::Unknown => "; nothing tells whether they are those of the machine or of this container",
        };
        let finding = match doubt {
            "" => Finding::works(SUBJECT, detail),
            doubt => Finding::limited(SUBJECT, format!("{detail}{doubt}"), SHARE),
        };
        note(alumet, finding);
        Ok(Some(Self {
            file,
            metrics: [
                alumet.metric(&metrics::NETWORK_BYTES)?,
                alumet.metric(&metrics::NETWORK_PACKETS)?,
                alumet.metric(&metrics::NETWORK_PACKET_DROPS)?,
                alumet.metric(&metrics::NETWORK_ERRORS)?,
            ],
            interfaces: Present::default(),
        }))
    }
}

impl Source for NetworkSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let net = self.file.read()?;
        self.interfaces.begin();
        for interface in &net.interfaces {
            let series = self.interfaces.entry(&interface.name, || {
                InterfaceSeries::register(out.catalog(), self.metrics, interface)
            });
            for (series, traffic) in series.0.iter_mut().zip([interface.received, interface.sent]) {
                let counts = [traffic.bytes, traffic.packets, traffic.drops, traffic.errors];
                for (series, count) in series.iter_mut().zip(counts) {
                    series.push(out, count);
                }
            }
        }
        self.interfaces.end();
        Ok(())
    }

    fn reset(&mut self) {
        self.interfaces.clear();
    }
}

impl InterfaceSeries {
    fn register(catalog: &Catalog, metrics: Metrics, interface: &Interface) -> Self {
        let name = interface.name.to_str_lossy();
        Self(["rx", "tx"].map(|direction| {
            metrics.map(|metric| {
                let series = catalog
                    .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                    .attribute("interface", &*name)
                    .attribute("direction", direction);
                DeltaSeries::new(series.register(), endless())
            })
        }))
    }
}
