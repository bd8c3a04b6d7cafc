//! What is known of the control groups that a plugin measures, for samples of others.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Attributes;
use alumet_core::time::Monotonic;
use hashbrown::HashMap;
use parking_lot::RwLock;

/// The attributes of control groups by their path; those that are gone included for some time, because samples can come late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<RwLock<Table>>);

#[derive(Debug, Default)]
struct Table {
    known: HashMap<Arc<str>, Name>,
    /// Rises with each name that is new or other than before.
    version: u64,
}

#[derive(Debug)]
struct Name {
    attributes: Attributes,
    gone_at: Option<Monotonic>,
}

/// Energy waits about a minute for those who used it.
const KEPT: Duration = Duration::from_secs(300);

impl Names {
    pub(crate) fn insert(&self, path: &Arc<str>, attributes: Attributes, now: Monotonic) {
        let mut table = self.0.write();
        table
            .known
            .retain(|_, name| name.gone_at.is_none_or(|gone_at| now.since(gone_at) < KEPT));
        let gone_at = None;
        table.known.insert(Arc::clone(path), Name { attributes, gone_at });
        table.version += 1;
    }

    pub(crate) fn remove(&self, path: &str, now: Monotonic) {
        if let Some(name) = self.0.write().known.get_mut(path) {
            name.gone_at = Some(now);
        }
    }

    /// Differs when something else may be known.
    pub(crate) fn version(&self) -> u64 {
        self.0.read().version
    }

    /// What is known of the control group, or of the nearest one that contains it.
    pub(crate) fn of(&self, path: &str) -> Option<Attributes> {
        let table = self.0.read();
        let mut path = path;
        loop {
            if let Some(name) = table.known.get(path) {
                return Some(name.attributes.clone());
            }
            path = &path[..path.rfind('/')?];
        }
    }
}
