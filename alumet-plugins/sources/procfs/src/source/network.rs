//! Traffic of the network interfaces.

use alumet_core::Failure;
use alumet_core::catalog::Catalog;
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::net_dev::{Interface, NetDevFile, Scope};

use super::Opened;
use super::device_counts::DeviceCounts;
use crate::increments::endless;
use crate::metrics;
use crate::notes::list;

/// What is told of.
pub(crate) const SUBJECT: &str = "network";

const SHARE: &str = "share the network of the host (Kubernetes: hostNetwork: true, Docker: --network=host)";

/// Makes samples of `/proc/net/dev`.
pub(crate) struct NetworkSource {
    file: NetDevFile,
    counts: DeviceCounts,
}

pub(crate) fn open(root: &SystemRoot, catalog: &Catalog) -> Opened<NetworkSource> {
    let mut file = NetDevFile::open(root)?;
    let interfaces = file.read()?.iter();
    let detail = list(
        "interface",
        interfaces.map(|interface| interface.name.to_string()),
    );
    let doubt = match file.scope {
        Scope::Machine => "",
        Scope::Container => ", of this container and not of the machine",
        Scope::Unknown => "; nothing tells whether they are those of the machine or of this container",
    };
    let finding = match doubt {
        "" => Finding::works(SUBJECT, detail),
        doubt => Finding::limited(SUBJECT, format!("{detail}{doubt}"), SHARE),
    };
    let metrics = [
        catalog.metric(&metrics::NETWORK_BYTES)?,
        catalog.metric(&metrics::NETWORK_PACKETS)?,
        catalog.metric(&metrics::NETWORK_PACKET_DROPS)?,
        catalog.metric(&metrics::NETWORK_ERRORS)?,
    ];
    let columns = ["rx", "tx"].map(|direction| metrics.map(|metric| (metric, Some(direction), endless as _)));
    let counts = DeviceCounts::new("interface", columns.concat());
    Ok((Some(NetworkSource { file, counts }), finding))
}

impl Source for NetworkSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let interfaces = self.file.read()?.iter();
        self.counts
            .push(interfaces.map(|one| (&one.name, counts(one))), out);
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
