//! The known control groups of a hierarchy, and how they are brought into line with its directories.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor};

use super::folder;
use super::options::{CgroupId, Change, Notice, WatchOptions};
use crate::CgroupPath;

/// All control groups that were reported as existing.
#[derive(Debug)]
pub(super) struct Tree {
    mount: PathBuf,
    pub(super) inotify: Option<Inotify>,
    /// What has not been told yet.
    pub(super) changes: Vec<Change>,
    max_watches: usize,
    /// Whether `cgroup.events` of each control group is watched as well.
    report_events: bool,
    nodes: HashMap<CgroupPath, Node>,
    watched: HashMap<WatchDescriptor, CgroupPath>,
    /// The watches of `cgroup.events`. A watch of the directory would not do: the kernel only reports changes of files
    /// that it has in its cache, and a watch keeps the file there.
    watched_events: HashMap<WatchDescriptor, CgroupPath>,
    /// No watch was to be had; until the next scan no more are asked for.
    is_short: bool,
    /// Directories that should be watched and are not.
    unwatched: usize,
}

#[derive(Debug)]
struct Node {
    id: CgroupId,
    /// `None`: it should be watched and cannot be.
    watch: Option<WatchDescriptor>,
    /// The watch of its `cgroup.events`.
    events: Option<WatchDescriptor>,
    children: BTreeSet<OsString>,
}

/// What a directory tells. `IN_ONLYDIR` and `IN_DONT_FOLLOW` concern the path, not the events.
const EVENTS: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR)
    .union(AddWatchFlags::IN_DONT_FOLLOW);

/// The walk is recursive; a hostile tree must not exhaust the stack.
const MAX_DEPTH: usize = 256;

/// A directory that is replaced again and again while it is looked at is left to its next event.
const TRIES: usize = 8;

impl Tree {
    pub(super) fn new(mount: PathBuf, options: &WatchOptions) -> Self {
        Self {
            mount,
            inotify: None,
            changes: Vec::new(),
            max_watches: options.max_watches,
            report_events: options.report_events,
            nodes: HashMap::new(),
            watched: HashMap::new(),
            watched_events: HashMap::new(),
            is_short: false,
            unwatched: 0,
        }
    }

    pub(super) fn mount(&self) -> &Path {
        &self.mount
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn watches(&self) -> usize {
        self.watched.len()
    }

    pub(super) fn has_unwatched(&self) -> bool {
        self.unwatched > 0
    }

    /// Whether watches ran short.
    pub(super) fn shortage(&self) -> Option<Notice> {
        self.is_short.then_some(Notice::WatchLimit {
            watched: self.watched.len(),
        })
    }

    /// The control group whose `cgroup.events` a watch is for.
    pub(super) fn watched_events(&self, watch: WatchDescriptor) -> Option<CgroupId> {
        let path = self.watched_events.get(&watch)?;
        self.nodes.get(path).map(|node| node.id)
    }

    /// The kernel ended a watch of a `cgroup.events` by itself; `false` when it was none.
    pub(super) fn events_watch_ended(&mut self, watch: WatchDescriptor) -> bool {
        let Some(path) = self.watched_events.remove(&watch) else {
            return false;
        };
        if let Some(node) = self
            .nodes
            .get_mut(&path)
            .filter(|node| node.events == Some(watch))
        {
            node.events = None;
        }
        true
    }

    /// The directory that a watch is for.
    pub(super) fn watched(&self, watch: WatchDescriptor) -> Option<CgroupPath> {
        self.watched.get(&watch).cloned()
    }

    /// The kernel ended a watch by itself.
    pub(super) fn watch_ended(&mut self, watch: WatchDescriptor) {
        if let Some(node) = self
            .watched
            .remove(&watch)
            .and_then(|path| self.nodes.get_mut(&path))
            && node.watch == Some(watch)
        {
            node.watch = None;
            self.unwatched += 1;
        }
    }

    /// Looks at all directories, or at those that are not watched, and adds the missing watches.
    pub(super) fn scan(&mut self, everything: bool) {
        self.is_short = false;
        let is_due = |node: &Node| everything || node.watch.is_none();
        let mut due: Vec<CgroupPath> = self
            .nodes
            .iter()
            .filter(|(_, node)| is_due(node))
            .map(|(path, _)| path.clone())
            .collect();
        // Parents first, so that nothing appears in a directory that was replaced.
        due.sort_unstable();
        self.look_at(&CgroupPath::root());
        for path in due {
            // An ancestor may have vanished meanwhile.
            if self.nodes.contains_key(&path) {
                self.look_at(&path);
                self.watch_and_list(&path);
            }
        }
    }

    /// Looks at a control group and before it at those that contain it: what is at its path now may be in another one
    /// of the same name.
    pub(super) fn look_down_to(&mut self, path: &CgroupPath) {
        if let Some(parent) = path.parent() {
            self.look_down_to(&parent);
        }
        self.look_at(path);
    }

    /// Brings one control group into line with what is at its path: reports it if it is new, or gone, or both.
    fn look_at(&mut self, path: &CgroupPath) {
        let present = folder::identity(&path.below(&self.mount)).ok();
        let known = self.nodes.get(path).map(|node| node.id);
        if known == present {
            return;
        }
        if known.is_some() {
            self.forget(path);
        }
        if let Some(id) = present
            && path.depth() <= MAX_DEPTH
            && self.insert(path, id)
        {
            self.watch_and_list(path);
        }
    }

    /// Watches a known directory whose watch has ended, and takes up what is in it.
    pub(super) fn watch_again(&mut self, path: &CgroupPath) {
        let is_missing = |node: &Node| node.watch.is_none();
        if !self.is_short && self.nodes.get(path).is_some_and(is_missing) {
            self.watch_and_list(path);
        }
    }

    /// Reports a control group as new; `false` when the one that contains it is gone, whose return will bring it.
    fn insert(&mut self, path: &CgroupPath, id: CgroupId) -> bool {
        if let Some(parent) = path.parent() {
            let Some(parent) = self.nodes.get_mut(&parent) else {
                return false;
            };
            parent.children.insert(path.name().to_os_string());
        }
        self.unwatched += 1;
        let node = Node {
            id,
            watch: None,
            events: None,
            children: BTreeSet::new(),
        };
        self.nodes.insert(path.clone(), node);
        let path = path.clone();
        self.changes.push(Change::Appeared { path, id });
        true
    }

    /// Watches a known directory if it is not watched yet and then takes up what is in it already: whatever is made
    /// after that causes an event.
    fn watch_and_list(&mut self, path: &CgroupPath) {
        let folder = path.below(&self.mount);
        for _ in 0..TRIES {
            self.watch_events(path, &folder);
            let Some(node) = self.nodes.get(path) else { return };
            let id = node.id;
            self.add_watch(path, &folder);
            let listed = folder::children(&folder);
            if folder::identity(&folder) == Ok(id) {
                if let Ok(children) = listed {
                    self.compare(path, children);
                }
                return;
            }
            // Replaced or gone meanwhile: the watch may be on the wrong directory.
            self.forget(path);
            let Ok(id) = folder::identity(&folder) else { return };
            if path.is_root() || !self.insert(path, id) {
                return;
            }
        }
    }

    /// Brings the children of a directory into line with its list.
    fn compare(&mut self, path: &CgroupPath, listed: Vec<(OsString, CgroupId)>) {
        let Some(node) = self.nodes.get(path) else { return };
        let mut lost = node.children.clone();
        let mut suspects = Vec::new();
        for (name, id) in listed {
            lost.remove(&name);
            if let Ok(child) = path.child(&name)
                && self.nodes.get(&child).map(|node| node.id) != Some(id)
            {
                suspects.push(child);
            }
        }
        suspects.extend(lost.iter().filter_map(|name| path.child(name).ok()));
        for child in suspects {
            self.look_at(&child);
        }
    }

    /// Watches the `cgroup.events` of a control group, if that is wanted and it is not watched yet.
    fn watch_events(&mut self, path: &CgroupPath, folder: &Path) {
        let Some(inotify) = self.inotify.as_ref().filter(|_| self.report_events) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(path).filter(|node| node.events.is_none()) else {
            return;
        };
        // The root has none, and when watches run short the directories need them more.
        if let Ok(watch) = inotify.add_watch(&folder.join("cgroup.events"), AddWatchFlags::IN_MODIFY) {
            node.events = Some(watch);
            self.watched_events.insert(watch, path.clone());
        }
    }

    fn add_watch(&mut self, path: &CgroupPath, folder: &Path) {
        let Some(inotify) = self.inotify.as_ref().filter(|_| !self.is_short) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(path).filter(|node| node.watch.is_none()) else {
            return;
        };
        if self.watched.len() >= self.max_watches {
            self.is_short = true;
            return;
        }
        match inotify.add_watch(folder, EVENTS) {
            Ok(watch) => {
                node.watch = Some(watch);
                self.unwatched -= 1;
                let previous = self.watched.insert(watch, path.clone());
                // A directory that was moved keeps its watch: its former path has none any more.
                if let Some(node) = previous
                    .filter(|previous| previous != path)
                    .and_then(|previous| self.nodes.get_mut(&previous))
                    && node.watch == Some(watch)
                {
                    node.watch = None;
                    self.unwatched += 1;
                }
            }
            Err(Errno::ENOSPC | Errno::ENOMEM) => self.is_short = true,
            // Gone, or refused: it is looked at periodically while it is known.
            Err(_) => {}
        }
    }

    /// Reports a control group and all below it as vanished, children first.
    fn forget(&mut self, path: &CgroupPath) {
        let Some(node) = self.nodes.remove(path) else {
            return;
        };
        for name in &node.children {
            if let Ok(child) = path.child(name) {
                self.forget(&child);
            }
        }
        if let Some(watch) = node.events
            && self.watched_events.remove(&watch).is_some()
            && let Some(inotify) = &self.inotify
        {
            // The kernel has ended it already when the file is gone.
            let _ = inotify.rm_watch(watch);
        }
        match node.watch {
            Some(watch) if self.watched.get(&watch) == Some(path) => {
                self.watched.remove(&watch);
                if let Some(inotify) = &self.inotify {
                    // The kernel has ended it already when the directory is gone.
                    let _ = inotify.rm_watch(watch);
                }
            }
            None => self.unwatched -= 1,
            Some(_) => {}
        }
        if let Some(parent) = path.parent().and_then(|parent| self.nodes.get_mut(&parent)) {
            parent.children.remove(path.name());
        }
        let id = node.id;
        let path = path.clone();
        self.changes.push(Change::Vanished { path, id });
    }
}
