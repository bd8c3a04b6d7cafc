//! What goes through the network namespaces of what is measured.

use alumet_core::time::Timestamp;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::net_namespace::{NetworkBytes, OwnNamespaces};

/// The network of a tree, an application or a group, as far as it has network namespaces of its own.
pub(super) struct TreeNetwork {
    namespaces: Option<OwnNamespaces>,
    /// When the first namespace was seen, and what went through all of them until the last reading.
    pub(super) seen: Option<(Timestamp, NetworkBytes)>,
}

impl TreeNetwork {
    pub(super) fn new(root: &SystemRoot) -> Self {
        Self {
            namespaces: OwnNamespaces::new(root),
            seen: None,
        }
    }

    /// Looks in which namespaces the processes are.
    pub(super) fn look(&mut self, processes: &[u32]) {
        if let Some(namespaces) = &mut self.namespaces {
            namespaces.look(processes.iter().copied());
        }
    }

    pub(super) fn read(&mut self, now: Timestamp) {
        let Some(namespaces) = &mut self.namespaces else {
            return;
        };
        let since = self.seen.map_or(now, |(since, _)| since);
        self.seen = namespaces.read().map(|bytes| (since, bytes));
    }
}
