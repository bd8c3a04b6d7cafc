//! What goes through the network namespaces of what is measured.

use std::time::Duration;

use alumet_core::time::Timestamp;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::net_namespace::{NetworkBytes, OwnNamespaces};

use super::Followed;

/// The network of a tree, an application or a group, as far as it has network namespaces of its own.
pub(super) struct TreeNetwork {
    namespaces: Option<OwnNamespaces>,
    /// Whether processes have the same numbers in the mount that is measured as for this process.
    has_own_numbers: bool,
    looked_at: Option<Timestamp>,
    /// When the first namespace was seen, and what went through all of them until the last reading.
    pub(super) seen: Option<(Timestamp, NetworkBytes)>,
}

impl TreeNetwork {
    pub(super) fn new(root: &SystemRoot) -> Self {
        let number = std::fs::read_link(root.proc("self")).unwrap_or_default();
        Self {
            namespaces: OwnNamespaces::new(root),
            has_own_numbers: number.as_os_str() == &*std::process::id().to_string(),
            looked_at: None,
            seen: None,
        }
    }

    pub(super) fn read(&mut self, now: Timestamp, followed: &Followed) {
        /// All processes are asked, which takes longer than to read what is known.
        const LOOK: Duration = Duration::from_millis(100);
        let Some(namespaces) = &mut self.namespaces else {
            return;
        };
        let is_due = |last: Timestamp| now.checked_since(last).is_none_or(|age| age >= LOOK);
        if self.looked_at.is_none_or(is_due) {
            self.looked_at = Some(now);
            match followed {
                Followed::Tree(_, tree) => namespaces.look(tree.alive().map(|(pid, _)| pid)),
                Followed::App(_, app) => namespaces.look(app.tree.alive().map(|(pid, _)| pid)),
                Followed::Group(group) if self.has_own_numbers => namespaces.look(group.processes()),
                Followed::Group(_) => {}
            }
        }
        let since = self.seen.map_or(now, |(since, _)| since);
        self.seen = namespaces.read().map(|bytes| (since, bytes));
    }
}
