//! What the tree knows, and what its subscribers have not heard yet.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Instant;

use alumet_reader_cgroupfs::mount::{Hierarchies, MountWatch, Version};
use alumet_reader_cgroupfs::watch::{Change, Watcher};
use alumet_reader_cgroupfs::{CgroupPath, ReadError};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{TreeEvent, choose};
use crate::config::HierarchyChoice;
use crate::resolver::{Claim, Wake};

pub(super) struct State {
    mounts: MountWatch,
    followed: BTreeMap<Version, Watcher>,
    subscribers: BTreeMap<u64, Subscriber>,
    claims: Vec<WeakClaim>,
    next_key: u64,
    changes: Vec<Change>,
    /// Interrupts the sleep of the thread.
    pub(super) kick: EventFd,
    has_thread: bool,
}

/// A [`Claim`] that somebody else holds.
type WeakClaim = Weak<dyn Fn(&CgroupPath) -> bool + Send + Sync>;

struct Subscriber {
    choice: HierarchyChoice,
    wake: Option<Wake>,
    /// What it was told to be mounted.
    bound: Option<(Version, PathBuf)>,
    queue: VecDeque<TreeEvent>,
    is_urgent: bool,
    has_complained: bool,
}

/// A subscriber that does not ask for its events (a paused source) is given the present state anew when it does.
const LONGEST_QUEUE: usize = 65_536;

impl State {
    pub(super) fn new(mounts: MountWatch) -> Result<Self, ReadError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let kick = EventFd::from_flags(flags).map_err(|errno| ReadError::Io {
            path: PathBuf::from("eventfd"),
            error: errno.into(),
        })?;
        Ok(Self {
            mounts,
            followed: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            claims: Vec::new(),
            next_key: 0,
            changes: Vec::new(),
            kick,
            has_thread: false,
        })
    }

    fn kick(&self) {
        // A counter that is full means that the thread is awake already.
        let _ = self.kick.write(1);
    }

    pub(super) fn subscribe(&mut self, choice: HierarchyChoice, now: Instant) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        let subscriber = Subscriber {
            choice,
            wake: None,
            bound: None,
            queue: VecDeque::new(),
            is_urgent: false,
            has_complained: false,
        };
        self.subscribers.insert(key, subscriber);
        self.update(now);
        key
    }

    /// Takes note of whom to call; `true` when the thread that does it is not there yet.
    pub(super) fn wakes(&mut self, key: u64, wake: Wake) -> bool {
        if let Some(subscriber) = self.subscribers.get_mut(&key) {
            subscriber.wake = Some(wake);
        }
        self.kick();
        !std::mem::replace(&mut self.has_thread, true)
    }

    /// Notes a claim. Whoever measures already what is claimed now is told everything anew.
    pub(super) fn claim(&mut self, claim: &Claim) {
        self.claims.push(Arc::downgrade(claim));
        for subscriber in self.subscribers.values_mut() {
            subscriber.start_anew(self.mounts.hierarchies(), &self.followed);
        }
    }

    pub(super) fn is_claimed(&self, path: &CgroupPath, own: Option<&Claim>) -> bool {
        let is_own = |claim: &Claim| own.is_some_and(|own| Arc::ptr_eq(own, claim));
        let claims = self.claims.iter().filter_map(Weak::upgrade);
        let mut earlier = claims.take_while(|claim| !is_own(claim));
        earlier.any(|claim| claim(path))
    }

    pub(super) fn unsubscribe(&mut self, key: u64) {
        self.subscribers.remove(&key);
        let before = self.claims.len();
        self.claims.retain(|claim| claim.strong_count() > 0);
        if self.claims.len() < before {
            for subscriber in self.subscribers.values_mut() {
                subscriber.start_anew(self.mounts.hierarchies(), &self.followed);
            }
        }
        self.drop_unused();
    }

    /// Looks for news.
    pub(super) fn update(&mut self, now: Instant) {
        match self.mounts.changed() {
            Ok(Some(before)) => self.remount(&before),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "the table of mounts could not be read this time"),
        }
        for (version, watcher) in &mut self.followed {
            follow(watcher, now, &mut self.changes);
            for change in self.changes.drain(..) {
                let bound = self.subscribers.values_mut();
                for subscriber in bound.filter(|one| one.is_bound_to(*version)) {
                    subscriber.tell(TreeEvent::Changed(change.clone()));
                }
            }
        }
        self.bind(now);
        for subscriber in self.subscribers.values_mut() {
            if subscriber.queue.len() > LONGEST_QUEUE {
                subscriber.start_anew(self.mounts.hierarchies(), &self.followed);
            }
        }
    }

    pub(super) fn take(&mut self, key: u64, out: &mut Vec<TreeEvent>) {
        if let Some(subscriber) = self.subscribers.get_mut(&key) {
            out.extend(subscriber.queue.drain(..));
            subscriber.is_urgent = false;
        }
        // What this one has looked for may be news for others, and the thread sleeps on: the kernel has told it already.
        if self.subscribers.values().any(|one| one.is_urgent) {
            self.kick();
        }
    }

    pub(super) fn present(&self) -> (Arc<Hierarchies>, usize) {
        let known = self.followed.values().map(|watcher| watcher.known().len());
        (Arc::clone(self.mounts.hierarchies()), known.sum())
    }

    /// Whom to call.
    pub(super) fn urgent(&self) -> Vec<Wake> {
        let urgent = self.subscribers.values().filter(|one| one.is_urgent);
        urgent.filter_map(|one| one.wake.clone()).collect()
    }

    pub(super) fn table(&self) -> &Path {
        self.mounts.table()
    }

    /// What to wait for; `None` when a hierarchy must be asked instead.
    pub(super) fn descriptors(&self) -> Option<Vec<OwnedFd>> {
        let all = self.followed.values().map(Watcher::fd);
        all.map(|fd| fd.and_then(|fd: BorrowedFd<'_>| fd.try_clone_to_owned().ok()))
            .collect()
    }

    /// Other hierarchies are mounted: whoever has one that is not there any more loses it.
    fn remount(&mut self, before: &Hierarchies) {
        let now = self.mounts.hierarchies();
        let differs = |version| match version {
            Version::V1 => before.v1 != now.v1,
            Version::V2 => before.v2 != now.v2,
        };
        for subscriber in self.subscribers.values_mut() {
            let chosen = choose(subscriber.choice, now);
            if let Some((version, _)) = &subscriber.bound
                && (subscriber.bound != chosen || differs(*version))
            {
                subscriber.bound = None;
                subscriber.tell(TreeEvent::Unmounted);
            }
        }
        self.drop_unused();
    }

    /// Gives each subscriber without a hierarchy the one that it wants, if that is there.
    fn bind(&mut self, now: Instant) {
        let before = self.followed.len();
        let unbound = self.subscribers.values_mut().filter(|one| one.bound.is_none());
        for subscriber in unbound {
            let Some((version, mount)) = choose(subscriber.choice, self.mounts.hierarchies()) else {
                subscriber.complain("it is not mounted");
                continue;
            };
            if let Entry::Vacant(entry) = self.followed.entry(version) {
                match Watcher::at(&mount, now) {
                    Ok(watcher) => {
                        // Nobody is bound to it yet: this only learns what is there.
                        follow(entry.insert(watcher), now, &mut self.changes);
                        self.changes.clear();
                    }
                    Err(error) => {
                        subscriber.complain(&error.to_string());
                        continue;
                    }
                }
            }
            subscriber.bound = Some((version, mount));
            subscriber.has_complained = false;
            subscriber.start_anew(self.mounts.hierarchies(), &self.followed);
        }
        if self.followed.len() > before {
            self.kick();
        }
    }

    /// Ends the watches of hierarchies that nobody follows.
    fn drop_unused(&mut self) {
        let subscribers = &self.subscribers;
        let is_used = |version: &Version| subscribers.values().any(|one| one.is_bound_to(*version));
        self.followed.retain(|version, _| is_used(version));
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The thread is not joined: it may just be waiting for the very thread that drops the tree.
        self.kick();
    }
}

fn follow(watcher: &mut Watcher, now: Instant, changes: &mut Vec<Change>) {
    if let Err(error) = watcher.changes(now, changes) {
        tracing::debug!(%error, "the control groups could not be followed this time");
    }
}

impl Subscriber {
    fn is_bound_to(&self, version: Version) -> bool {
        self.bound.as_ref().is_some_and(|(bound, _)| *bound == version)
    }

    fn tell(&mut self, event: TreeEvent) {
        self.is_urgent |= !matches!(event, TreeEvent::Changed(Change::Vanished { .. }));
        self.queue.push_back(event);
    }

    /// Forgets what it has not heard and tells it what there is.
    fn start_anew(&mut self, hierarchies: &Arc<Hierarchies>, followed: &BTreeMap<Version, Watcher>) {
        let Some((version, _)) = self.bound else { return };
        self.queue.clear();
        self.tell(TreeEvent::Unmounted);
        self.tell(TreeEvent::Mounted {
            version,
            hierarchies: Arc::clone(hierarchies),
        });
        for (path, id) in followed.get(&version).into_iter().flat_map(Watcher::known) {
            let path = path.clone();
            self.tell(TreeEvent::Exists { path, id });
        }
    }

    fn complain(&mut self, why: &str) {
        if !std::mem::replace(&mut self.has_complained, true) {
            tracing::warn!(
                hierarchy = ?self.choice,
                why,
                "no control group is measured until the hierarchy is there: mount it, for example with \
                 `mount -t cgroup2 none /sys/fs/cgroup`, or choose another `hierarchy`"
            );
        }
    }
}
