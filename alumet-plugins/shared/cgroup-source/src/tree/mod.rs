//! One watch of the control groups of a machine, for all plugins that want to know about them.

mod state;
mod waiter;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use alumet_core::services::Services;
use alumet_reader_cgroupfs::mount::{Hierarchies, MountWatch, Version};
use alumet_reader_cgroupfs::watch::{CgroupId, Change};
use alumet_reader_cgroupfs::{CgroupPath, ReadError};
use parking_lot::Mutex;

use crate::config::HierarchyChoice;
use crate::resolver::{Claim, Wake};
use state::State;

/// Knows the mounted hierarchies and all control groups in them; a service that plugins share.
///
/// However many plugins subscribe, the table of mounts is watched once and each hierarchy once. A thread sleeps until the
/// kernel reports something, and then calls those whom it concerns; it starts with the first subscriber that wants to be
/// called. Without it, news come when a subscriber asks.
pub struct CgroupTree {
    state: Mutex<State>,
}

/// What a subscriber learns, in this order: a hierarchy is mounted, its control groups come and go, it is unmounted.
#[derive(Debug, Clone)]
pub enum TreeEvent {
    /// The chosen hierarchy is there from now on.
    Mounted {
        /// Which of the two interfaces it speaks.
        version: Version,
        /// All that is mounted.
        hierarchies: Arc<Hierarchies>,
    },
    /// It is not there any more, and neither are its control groups.
    Unmounted,
    /// A control group was there before anybody looked: what it has used is not known.
    Exists {
        /// Its name.
        path: CgroupPath,
        /// Which of all groups of that name it is.
        id: CgroupId,
    },
    /// A control group came or went, filled or emptied. All that a new one ever used is new.
    Changed(Change),
}

/// The events of one subscriber.
pub struct Subscription {
    tree: Arc<CgroupTree>,
    key: u64,
}

impl CgroupTree {
    /// The tree of the machine whose `proc` lies below `root`, shared by all plugins that have the same services.
    ///
    /// # Errors
    /// When there is no table of mounts, or no descriptor is left.
    pub fn shared(services: &Services, root: &Path) -> Result<Arc<Self>, ReadError> {
        services.get_or_try_insert(|| {
            let state = Mutex::new(State::new(MountWatch::open(root)?)?);
            Ok(Self { state })
        })
    }

    /// Subscribes to a hierarchy, which need not exist yet. The first events are the control groups that are there.
    pub fn subscribe(self: &Arc<Self>, choice: HierarchyChoice) -> Subscription {
        let key = self.state.lock().subscribe(choice, Instant::now());
        let tree = Arc::clone(self);
        Subscription { tree, key }
    }

    /// Leaves control groups to one plugin as long as its claim is held; of several claims the first one counts.
    pub(crate) fn claim(&self, claim: &Claim) {
        self.state.lock().claim(claim);
    }

    /// What is mounted, and how many control groups are known in the hierarchies that someone follows.
    pub(crate) fn present(&self) -> (Arc<Hierarchies>, usize) {
        self.state.lock().present()
    }
}

impl Subscription {
    /// Whether somebody else measures the control group, when this subscriber has that claim or none.
    pub(crate) fn is_claimed(&self, path: &CgroupPath, own: Option<&Claim>) -> bool {
        self.tree.state.lock().is_claimed(path, own)
    }

    /// Calls this from now on, on the thread of the tree, when something happened that should be looked at soon; without it the subscriber asks when it likes.
    pub fn wakes(&self, wake: Wake) {
        let needs_thread = self.tree.state.lock().wakes(self.key, wake);
        if needs_thread && let Err(error) = waiter::start(&self.tree) {
            tracing::warn!(%error, "new control groups are only noticed at the next poll: no thread is left");
        }
    }

    /// Looks for news and appends all events since the last call. Does not block.
    pub fn take(&mut self, out: &mut Vec<TreeEvent>) {
        let mut state = self.tree.state.lock();
        state.update(Instant::now());
        state.take(self.key, out);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.tree.state.lock().unsubscribe(self.key);
    }
}

/// The hierarchy that a choice means, with the directory whose control groups are followed.
///
/// Of the hierarchies of version 1 the one of `cpuacct` is followed, else that of `memory`, else any; one that is mounted but
/// not visible here only when no other is.
pub fn choose(choice: HierarchyChoice, mounted: &Hierarchies) -> Option<(Version, PathBuf)> {
    let v2 = || Some((Version::V2, mounted.v2.clone()?));
    let v1 = || {
        let preferred = ["cpuacct", "memory"]
            .iter()
            .filter_map(|name| mounted.v1.get(name));
        let mut all = preferred.chain(mounted.v1.values());
        let first = all.clone().next()?;
        let followed = all.find(|mount| mount.is_dir()).unwrap_or(first);
        Some((Version::V1, followed.clone()))
    };
    match choice {
        HierarchyChoice::V1 => v1(),
        HierarchyChoice::V2 => v2(),
        HierarchyChoice::Auto => v1().or_else(v2),
    }
}
