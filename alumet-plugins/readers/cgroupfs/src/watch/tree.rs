//! The known control groups of a hierarchy, and how they are brought into line with its directories.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor};

use super::folder;
use super::{CgroupId, Change};
use crate::CgroupPath;

/// All control groups that were reported as existing.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) mount: PathBuf,
    pub(super) inotify: Option<Inotify>,
    /// What has not been told yet.
    pub(super) changes: Vec<Change>,
    /// The most watches.
    most: usize,
    /// Sorted, so that parents come first and what is in a control group stands together.
    pub(super) nodes: BTreeMap<CgroupPath, Node>,
    pub(super) watched: HashMap<WatchDescriptor, (CgroupPath, Target)>,
    /// No watch was to be had; until the next scan no more are asked for.
    pub(super) is_short: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: CgroupId,
    /// Those of its targets. That of the directory is missing where it cannot be had, that of `cgroup.events` where there
    /// is no such file as well.
    watches: [Option<WatchDescriptor>; 2],
}

/// What of a control group is watched.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// Its directory.
    Folder,
    /// Its `cgroup.events`. A watch of the directory would not do: the kernel only reports changes of files that it has in
    /// its cache, and a watch keeps the file there.
    Events,
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
    pub(super) fn new(mount: PathBuf, most: usize) -> Self {
        Self {
            mount,
            inotify: None,
            changes: Vec::new(),
            most,
            nodes: BTreeMap::new(),
            watched: HashMap::new(),
            is_short: false,
        }
    }

    /// What a watch is for. One that `has_ended` is none any more.
    pub(super) fn target(&mut self, watch: WatchDescriptor, has_ended: bool) -> Option<(CgroupPath, Target)> {
        if !has_ended {
            return self.watched.get(&watch).cloned();
        }
        let (path, target) = self.watched.remove(&watch)?;
        self.take_watch(&path, target, watch);
        Some((path, target))
    }

    /// Takes a watch away from a control group that has it.
    fn take_watch(&mut self, path: &CgroupPath, target: Target, watch: WatchDescriptor) {
        if let Some(node) = self.nodes.get_mut(path) {
            node.watches[target as usize].take_if(|own| *own == watch);
        }
    }

    /// Looks at all directories, or at those that are not watched, and adds the missing watches.
    pub(super) fn scan(&mut self, everything: bool) {
        self.is_short = false;
        let is_due = |node: &Node| everything || node.is_unwatched();
        let due = self.nodes.iter().filter(|(_, node)| is_due(node));
        // Parents first, so that nothing appears in a directory that was replaced.
        let due: Vec<CgroupPath> = due.map(|(path, _)| path.clone()).collect();
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
        if !self.is_short && self.nodes.get(path).is_some_and(Node::is_unwatched) {
            self.watch_and_list(path);
        }
    }

    /// Reports a control group as new; `false` when the one that contains it is gone, whose return will bring it.
    fn insert(&mut self, path: &CgroupPath, id: CgroupId) -> bool {
        if path
            .parent()
            .is_some_and(|parent| !self.nodes.contains_key(&parent))
        {
            return false;
        }
        let watches = [None; 2];
        self.nodes.insert(path.clone(), Node { id, watches });
        let path = path.clone();
        self.changes.push(Change::Appeared { path, id });
        true
    }

    /// Watches a known directory if it is not watched yet and then takes up what is in it already: whatever is made
    /// after that causes an event.
    fn watch_and_list(&mut self, path: &CgroupPath) {
        let folder = path.below(&self.mount);
        for _ in 0..TRIES {
            let Some(node) = self.nodes.get(path) else { return };
            let id = node.id;
            self.add_watch(path, Target::Folder, &folder, EVENTS);
            let events = folder.join("cgroup.events");
            self.add_watch(path, Target::Events, &events, AddWatchFlags::IN_MODIFY);
            let listed = folder::children(&folder);
            if folder::identity(&folder).ok() == Some(id) {
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
        let is_child = |other: &CgroupPath| other.depth() == path.depth() + 1;
        let mut suspects: BTreeSet<_> = self.below(path).into_iter().filter(is_child).collect();
        for (name, id) in listed {
            let Ok(child) = path.child(&name) else { continue };
            match self.nodes.get(&child) {
                Some(node) if node.id == id => suspects.remove(&child),
                _ => suspects.insert(child),
            };
        }
        for child in suspects {
            self.look_at(&child);
        }
    }

    /// What is known to be in a control group, parents first.
    fn below(&self, path: &CgroupPath) -> Vec<CgroupPath> {
        let from = self.nodes.range(path..).map(|(other, _)| other);
        let alike = from.take_while(|other| other.as_bytes().starts_with(path.as_bytes()));
        alike.filter(|other| path.contains(other)).cloned().collect()
    }

    /// Watches a target of a control group, if it is not watched yet.
    fn add_watch(&mut self, path: &CgroupPath, target: Target, place: &Path, events: AddWatchFlags) {
        let Some(inotify) = self.inotify.as_ref().filter(|_| !self.is_short) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(path) else {
            return;
        };
        let own = &mut node.watches[target as usize];
        if own.is_some() {
            return;
        }
        let watch = match self.watched.len() < self.most {
            true => inotify.add_watch(place, events),
            false => Err(Errno::ENOSPC),
        };
        match watch {
            Ok(watch) => {
                *own = Some(watch);
                let previous = self.watched.insert(watch, (path.clone(), target));
                // A directory that was moved keeps its watch: its former path has none any more.
                if let Some((previous, target)) = previous.filter(|(previous, _)| previous != path) {
                    self.take_watch(&previous, target, watch);
                }
            }
            Err(Errno::ENOSPC | Errno::ENOMEM) => self.is_short = true,
            // Gone, or refused: a directory is looked at periodically while it is known. The root has no `cgroup.events`.
            Err(_) => {}
        }
    }

    /// Reports a control group and all below it as vanished, children first.
    fn forget(&mut self, path: &CgroupPath) {
        for path in self.below(path).iter().rev().chain([path]) {
            let Some(node) = self.nodes.remove(path) else {
                continue;
            };
            for watch in node.watches.into_iter().flatten() {
                if self
                    .watched
                    .get(&watch)
                    .is_some_and(|(watched, _)| watched == path)
                {
                    self.watched.remove(&watch);
                    if let Some(inotify) = &self.inotify {
                        // The kernel has ended it already when the directory is gone.
                        let _ = inotify.rm_watch(watch);
                    }
                }
            }
            let (path, id) = (path.clone(), node.id);
            self.changes.push(Change::Vanished { path, id });
        }
    }
}

impl Node {
    pub(super) fn is_unwatched(&self) -> bool {
        self.watches[Target::Folder as usize].is_none()
    }
}
