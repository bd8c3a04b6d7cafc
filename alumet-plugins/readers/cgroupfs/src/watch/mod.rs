//! Follows the coming and going of control groups.

mod change;
mod folder;
mod tree;

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alumet_reader_kernel_file::errno;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};

use crate::error::{gone, of_cgroup};
use crate::{CgroupPath, ReadError};
pub use change::{CgroupId, Change};
use tree::{Node, Target, Tree};

/// Knows all control groups of a hierarchy and tells what changed since the last time it was asked.
///
/// It watches each directory with inotify. Events only say where to look: what is reported is what the directories
/// show, so that events that come late, twice or not at all change nothing. When the kernel's queue overflows,
/// everything is looked at; directories that no watch is left for are looked at periodically; without inotify
/// all of them are.
#[derive(Debug)]
pub struct Watcher {
    tree: Tree,
    last_scan: Instant,
    must_rescan: bool,
    /// What was logged, each message once.
    told: Vec<&'static str>,
}

/// How often directories are looked at that cannot be watched.
const RESCAN_INTERVAL: Duration = Duration::from_secs(5);

/// Events that one call handles at most, so that a storm of them cannot hold the caller for ever. The next call goes
/// on where this one stopped.
const EVENTS_PER_CALL: usize = 65_536;

const NO_WATCH: &str = "no more control groups can be watched, the others are looked at periodically; raise \
                        `fs.inotify.max_user_watches` (sysctl)";

const NO_INOTIFY: &str = "inotify is not available, control groups are looked at periodically; raise \
                          `fs.inotify.max_user_instances` (sysctl) or the limit of open files";

const OVERFLOW: &str = "the inotify queue overflowed and all control groups were looked at; raise \
                        `fs.inotify.max_queued_events` (sysctl) if it happens often";

impl Watcher {
    /// Begins to watch the hierarchy that is mounted there. All control groups that exist are reported by the first call
    /// of [`Self::changes`]. `now` is the present time, as in all calls.
    ///
    /// # Errors
    /// `Gone` when the mount does not exist, `PermissionDenied` when it may not be listed.
    pub fn at(mount: &Path, now: Instant) -> Result<Self, ReadError> {
        Self::with_watches(usize::MAX, mount, now)
    }

    /// The same with at most so many watches.
    fn with_watches(most: usize, mount: &Path, now: Instant) -> Result<Self, ReadError> {
        folder::identity(mount).map_err(|error| of_cgroup(mount, errno(&error)))?;
        Ok(Self {
            tree: Tree::new(mount.to_path_buf(), most),
            last_scan: now,
            must_rescan: true,
            told: Vec::new(),
        })
    }

    /// Appends what changed since the last call, parents before children when they appear and after them when they
    /// vanish. Does not block.
    ///
    /// # Errors
    /// `Gone` when the mount vanished and its control groups were reported as vanished by an earlier call; should it
    /// come back at the same place, it is found. `Io` when inotify failed; the next call looks at everything.
    pub fn changes(&mut self, now: Instant, out: &mut Vec<Change>) -> Result<(), ReadError> {
        let drained = self.drain();
        let is_due = now.saturating_duration_since(self.last_scan) >= RESCAN_INTERVAL;
        if self.must_rescan || self.tree.nodes.is_empty() || drained.is_err() {
            self.scan(true, now);
        } else if is_due && self.tree.nodes.values().any(Node::is_unwatched) {
            self.scan(false, now);
        }
        if self.tree.is_short {
            self.tell(NO_WATCH);
        }
        let is_calm = self.tree.changes.is_empty();
        out.append(&mut self.tree.changes);
        drained?;
        if self.tree.nodes.is_empty() && is_calm {
            return Err(gone(self.tree.mount.clone()));
        }
        Ok(())
    }

    /// To wait until something may have changed; `None` when there is no inotify and [`Self::changes`] must be called
    /// every few seconds.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.tree.inotify.as_ref().map(AsFd::as_fd)
    }

    /// The control groups that were reported and exist, parents first.
    pub fn known(&self) -> impl ExactSizeIterator<Item = (&CgroupPath, CgroupId)> {
        self.tree.nodes.iter().map(|(path, node)| (path, node.id))
    }

    /// How many watches of inotify there are.
    pub fn watches(&self) -> usize {
        self.tree.watched.len()
    }

    fn scan(&mut self, everything: bool, now: Instant) {
        self.must_rescan = false;
        self.last_scan = now;
        if self.tree.inotify.is_none() {
            match Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK) {
                Ok(inotify) => self.tree.inotify = Some(inotify),
                Err(_) => self.tell(NO_INOTIFY),
            }
        }
        self.tree.scan(everything);
    }

    /// Handles the events that wait.
    fn drain(&mut self) -> Result<(), ReadError> {
        let mut handled = 0;
        while let Some(inotify) = &self.tree.inotify
            && handled < EVENTS_PER_CALL
        {
            match inotify.read_events() {
                Ok(events) => {
                    handled += events.len();
                    for event in &events {
                        self.handle(event);
                    }
                }
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(of_cgroup(&PathBuf::from("inotify"), error)),
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: &InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            self.must_rescan = true;
            self.tell(OVERFLOW);
            return;
        }
        // The kernel ended the watch by itself.
        let has_ended = event.mask.contains(AddWatchFlags::IN_IGNORED);
        let Some((path, target)) = self.tree.target(event.wd, has_ended) else {
            return; // of a directory that is known to be gone
        };
        match (target, &event.name) {
            (Target::Events, _) if has_ended => {}
            (Target::Events, _) => {
                if let Some(node) = self.tree.nodes.get(&path) {
                    self.tree.changes.push(Change::EventsChanged { id: node.id });
                }
            }
            (Target::Folder, Some(name)) if event.mask.contains(AddWatchFlags::IN_ISDIR) => {
                if let Ok(child) = path.child(name) {
                    self.tree.look_down_to(&child);
                }
            }
            (Target::Folder, Some(_)) => {}
            (Target::Folder, None) => {
                self.tree.look_down_to(&path);
                // Where numbers of directories are used again, another directory can look like the same one: its watch
                // has ended all the same.
                self.tree.watch_again(&path);
            }
        }
    }

    fn tell(&mut self, what: &'static str) {
        if !self.told.contains(&what) {
            self.told.push(what);
            tracing::warn!(watches = self.watches(), known = self.known().len(), "{what}");
        }
    }
}

#[cfg(test)]
mod tests;
