//! Follows the coming and going of control groups.

mod folder;
mod options;
mod tree;

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};

use crate::ReadError;
use crate::error::{gone, of_cgroup};
use options::Notice;
pub use options::{CgroupId, Change, WatchOptions};
use tree::Tree;

/// Knows all control groups of a hierarchy and tells what changed since the last time it was asked.
///
/// It watches each directory with inotify. Events only say where to look: what is reported is what the directories
/// show, so that events that come late, twice or not at all change nothing. When the kernel's queue overflows,
/// everything is looked at; directories that no watch is left for are looked at periodically; without inotify
/// all of them are.
#[derive(Debug)]
pub struct Watcher {
    tree: Tree,
    options: WatchOptions,
    last_scan: Instant,
    must_rescan: bool,
    /// What was logged, each kind once.
    told: Vec<Notice>,
}

/// Events that one call handles at most, so that a storm of them cannot hold the caller for ever. The next call goes
/// on where this one stopped.
const EVENTS_PER_CALL: usize = 65_536;

impl Watcher {
    /// Begins to watch the hierarchy that is mounted there. All control groups that exist are reported by the first call
    /// of [`Self::changes`]. `now` is the present time, as in all calls.
    ///
    /// # Errors
    /// `Gone` when the mount does not exist, `PermissionDenied` when it may not be listed.
    pub fn at(mount: &Path, options: WatchOptions, now: Instant) -> Result<Self, ReadError> {
        folder::identity(mount).map_err(|error| of_cgroup(mount, error))?;
        let mut watcher = Self {
            tree: Tree::new(mount.to_path_buf(), &options),
            options,
            last_scan: now,
            must_rescan: true,
            told: Vec::new(),
        };
        if !watcher.options.poll_only {
            watcher.start_inotify();
        }
        Ok(watcher)
    }

    /// Appends what changed since the last call, parents before children when they appear and after them when they
    /// vanish. Does not block.
    ///
    /// # Errors
    /// `Gone` when the mount vanished and its control groups were reported as vanished by an earlier call; should it
    /// come back at the same place, it is found. `Io` when inotify failed; the next call looks at everything.
    pub fn changes(&mut self, now: Instant, out: &mut Vec<Change>) -> Result<(), ReadError> {
        let drained = self.drain();
        let is_due = now.saturating_duration_since(self.last_scan) >= self.options.rescan_interval;
        if self.must_rescan || self.tree.is_empty() || drained.is_err() {
            self.scan(true, now);
        } else if is_due && (self.tree.inotify.is_none() || self.tree.has_unwatched()) {
            self.scan(self.tree.inotify.is_none(), now);
        }
        if let Some(notice) = self.tree.shortage() {
            self.tell(notice);
        }
        let is_calm = self.tree.changes.is_empty();
        out.append(&mut self.tree.changes);
        drained?;
        if self.tree.is_empty() && is_calm {
            let path = self.mount().to_path_buf();
            return Err(gone(path));
        }
        Ok(())
    }

    /// To wait until something may have changed; `None` when there is no inotify and [`Self::changes`] must be called
    /// every [`WatchOptions::rescan_interval`].
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.tree.inotify.as_ref().map(AsFd::as_fd)
    }

    /// How many control groups are known.
    pub fn known(&self) -> usize {
        self.tree.len()
    }

    /// How many directories are watched with inotify.
    pub fn watches(&self) -> usize {
        self.tree.watches()
    }

    /// The directory that is the root of the hierarchy.
    pub fn mount(&self) -> &Path {
        self.tree.mount()
    }

    fn start_inotify(&mut self) {
        match Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK) {
            Ok(inotify) => self.tree.inotify = Some(inotify),
            Err(_) => self.tell(Notice::NoInotify),
        }
    }

    fn scan(&mut self, everything: bool, now: Instant) {
        self.must_rescan = false;
        self.last_scan = now;
        if self.tree.inotify.is_none() && !self.options.poll_only {
            self.start_inotify();
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
            self.tell(Notice::Overflow);
            return;
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) && self.tree.events_watch_ended(event.wd) {
            return;
        }
        if let Some(id) = self.tree.watched_events(event.wd) {
            self.tree.changes.push(Change::EventsChanged { id });
            return;
        }
        let Some(folder) = self.tree.watched(event.wd) else {
            return; // of a directory that is known to be gone
        };
        match &event.name {
            Some(name) if event.mask.contains(AddWatchFlags::IN_ISDIR) => {
                if let Ok(child) = folder.child(name) {
                    self.tree.look_down_to(&child);
                }
            }
            Some(_) => {}
            None => {
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.tree.watch_ended(event.wd);
                }
                self.tree.look_down_to(&folder);
                // Where numbers of directories are used again, another directory can look like the same one: its watch
                // has ended all the same.
                self.tree.watch_again(&folder);
            }
        }
    }

    fn tell(&mut self, notice: Notice) {
        let is_it = |told: &Notice| mem::discriminant(told) == mem::discriminant(&notice);
        if !self.told.iter().any(is_it) {
            tracing::warn!("{notice}");
            self.told.push(notice);
        }
    }
}

#[cfg(test)]
mod tests;
