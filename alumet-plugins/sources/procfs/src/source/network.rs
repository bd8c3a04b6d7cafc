//! Traffic of the network interfaces.

use alumet_core::Failure;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::net_dev::{Interface, NetDevFile, Scope};

use super::device_counts::{Column, DeviceCounts};
use crate::error::TableError;
use crate::increments::endless;
use crate::metrics;
use crate::notes::{list, note};

const SUBJECT: &str = "network";
/// The name of the source, and what is told of.
pub(crate) const TABLE: (&str, &str) = ("network", SUBJECT);

const SHARE: &str = "share the network of the host (Kubernetes: hostNetwork: true, Docker: --network=host)";

/// Makes samples of `/proc/net/dev`.
pub(crate) struct NetworkSource {
    file: NetDevFile,
    counts: DeviceCounts,
}

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
        let metrics = [
            alumet.metric(&metrics::NETWORK_BYTES)?,
            alumet.metric(&metrics::NETWORK_PACKETS)?,
            alumet.metric(&metrics::NETWORK_PACKET_DROPS)?,
            alumet.metric(&metrics::NETWORK_ERRORS)?,
        ];
        let columns = ["rx", "tx"].map(|direction| {
            metrics.map(|metric| Column {
                metric,
                direction: Some(direction),
                counter: endless,
            })
        });
        let columns = columns.into_iter().flatten().collect();
        Ok(Some(Self {
            file,
            counts: DeviceCounts::new("interface", columns),
        }))
    }
}

impl Source for NetworkSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let interfaces = self.file.read()?.interfaces.iter();
        self.counts.push(interfaces, |one| (&one.name, counts(one)), out);
        Ok(())
    }

    fn reset(&mut self) {
        self.counts.clear();
    }
}

/// In the order of the columns.
fn counts(interface: &Interface) -> impl Iterator<Item = Option<u64>> {
    let directions = [interface.received, interface.sent];
    directions
        .into_iter()
        .flat_map(|traffic| [traffic.bytes, traffic.packets, traffic.drops, traffic.errors])
        .map(Some)
}
