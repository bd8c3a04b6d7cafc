//! The only place that makes samples of control groups.

use std::collections::BTreeMap;
use std::iter::successors;
use std::sync::Arc;

use alumet_core::events::{ConsumerEvent, ConsumerEvents};
use alumet_core::source::{Accumulator, Source, Tick};
use alumet_core::time::Clock;
use alumet_core::{Attributes, Consumer, Failure};
use alumet_reader_cgroupfs::engine::{FileEngine, Reading};
use alumet_reader_cgroupfs::mount::{Hierarchies, Version};
use alumet_reader_cgroupfs::watch::{CgroupId, Change};
use alumet_reader_cgroupfs::{CgroupPath, ReadError};
use alumet_reader_procfs::cpu_online::OnlineCpus;
use alumet_reader_procfs::{Capacity, CpuPercentBase};
use hashbrown::{HashMap, HashSet};
use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::columns::Columns;
use crate::devices::DeviceNames;
use crate::group::{Context, Group, Identity, Part};
use crate::names::Names;
use crate::resolver::{Claim, Resolution, Resolver};
use crate::tree::{Subscription, TreeEvent};
use crate::unresolved::Unresolved;

/// Makes samples of all control groups of a hierarchy that its resolver wants measured.
///
/// Two of them share their work: one reads everything at each poll; the other is polled on request and only reads what has
/// just appeared, filled or emptied.
pub(crate) struct CgroupSource<R> {
    pub(crate) measured: Arc<Mutex<Measured<R>>>,
    pub(crate) reads_all: bool,
}

pub(crate) struct Measured<R> {
    pub(crate) subscription: Subscription,
    pub(crate) claim: Option<Claim>,
    /// Counts the groups whose answer is not final, where that is of interest.
    pub(crate) unresolved: Option<Unresolved>,
    /// What others are told of the groups, where somebody asks.
    pub(crate) names: Option<Names>,
    pub(crate) resolver: R,
    /// What is read at each poll, and what is read slowly.
    pub(crate) columns: [Columns; 2],
    pub(crate) slow_interval: std::time::Duration,
    pub(crate) base: CpuPercentBase,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) events: ConsumerEvents,
    pub(crate) cpus: OnlineCpus,
    pub(crate) devices: DeviceNames,
    pub(crate) state: State,
}

/// What changes from poll to poll.
#[derive(Default)]
pub(crate) struct State {
    news: Vec<TreeEvent>,
    mounted: Option<(Version, Arc<Hierarchies>)>,
    engine: Option<FileEngine>,
    /// They lie one after the other, for all of them are passed through once a second, with cold caches.
    groups: IndexMap<CgroupId, Group>,
    /// Those of a plugin that names them, by their paths.
    paths: HashMap<Arc<str>, CgroupId>,
    /// Control groups that are not resolved or not opened yet, and the last look before their birth.
    waiting: BTreeMap<CgroupId, (CgroupPath, Option<Tick>)>,
    /// Those among the groups of which not all is known, and why.
    provisional: BTreeMap<CgroupId, (CgroupPath, &'static str)>,
    /// Control groups of the plugin that are not measured themselves, and the group that is and has them in it: its last reading
    /// is best taken when they empty, because it may be removed together with its own last process.
    inside: HashMap<CgroupId, CgroupId>,
    /// Those among the groups that are read between two polls.
    due: Vec<CgroupId>,
    reading: Reading,
    slow_at: Option<alumet_core::time::Monotonic>,
    /// The last look; `None` after a gap, in which what is born is not billed.
    heard_at: Option<Tick>,
    /// How many CPUs ran at the last pass.
    cpus: u64,
    /// When the last reading was over, or its pass began: an instant before the next one.
    read_at: alumet_core::time::Monotonic,
    started: Vec<Consumer>,
    ended: Vec<Consumer>,
    has_told: HashSet<&'static str>,
}

impl<R: Resolver> Source for CgroupSource<R> {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let measured = &mut *self.measured.lock();
        measured.hear(out.tick());
        measured.settle();
        measured.admit();
        measured.count_unresolved();
        if self.reads_all {
            measured.read_all(out);
            if let Some(unresolved) = &mut measured.unresolved {
                unresolved.push(out);
            }
        } else {
            measured.read_due(out);
        }
        measured.announce();
        Ok(())
    }

    fn reset(&mut self) {
        // The other source has nothing of its own.
        if self.reads_all {
            let state = &mut self.measured.lock().state;
            let groups = state.groups.values_mut();
            for part in groups.flat_map(|group| group.parts.iter_mut().flatten()) {
                part.forget();
            }
            state.slow_at = None;
            state.heard_at = None;
            for (_, born_after) in state.waiting.values_mut() {
                *born_after = None;
            }
        }
    }
}

impl<R: Resolver> Measured<R> {
    /// Takes in what the tree has to say.
    fn hear(&mut self, now: Tick) {
        let Self {
            subscription, state, ..
        } = self;
        let mut news = std::mem::take(&mut state.news);
        subscription.take(&mut news);
        let mut gone = HashSet::new();
        for event in news.drain(..) {
            match event {
                TreeEvent::Mounted { version, hierarchies } => state.mounted = Some((version, hierarchies)),
                TreeEvent::Unmounted => state.forget_everything(),
                TreeEvent::Exists { path, id } => {
                    state.waiting.insert(id, (path, None));
                }
                TreeEvent::Changed(Change::Appeared { path, id }) => {
                    // One that was renamed is not new.
                    let born_after = state.heard_at.filter(|_| !gone.contains(&id));
                    state.waiting.insert(id, (path, born_after));
                }
                TreeEvent::Changed(Change::EventsChanged { id }) => {
                    state.due.push(state.inside.get(&id).copied().unwrap_or(id));
                }
                // What came and went between two looks cannot be read any more.
                TreeEvent::Changed(Change::Vanished { id, .. }) => {
                    gone.insert(id);
                    state.waiting.remove(&id);
                    state.inside.remove(&id);
                    state.remove(id);
                }
            }
        }
        state.news = news;
        state.heard_at = Some(now);
    }

    /// Opens the control groups that wait, as far as it is known what to do with them.
    fn admit(&mut self) {
        if self.state.waiting.is_empty() || !self.state.prepare_engine() {
            return;
        }
        for (id, (path, born_after)) in std::mem::take(&mut self.state.waiting) {
            if self.subscription.is_claimed(&path, self.claim.as_ref()) {
                continue;
            }
            let (attributes, missing) = match self.resolver.resolve(&path) {
                Resolution::Ignore => {
                    if self.claim.as_ref().is_some_and(|claim| claim(&path)) {
                        self.state.note_inside(id, &path);
                    }
                    continue;
                }
                Resolution::Later => (None, None),
                Resolution::Measure { attributes } => (Some(attributes), None),
                Resolution::Provisional { attributes, missing } => (Some(attributes), Some(missing)),
            };
            if let Some(attributes) = attributes {
                match self.open(id, &path, born_after, attributes) {
                    Ok(()) => {
                        if let Some(missing) = missing {
                            self.state.provisional.insert(id, (path, missing));
                        }
                        continue;
                    }
                    Err(ReadError::Gone { .. }) => continue,
                    Err(error) if error.is_temporary() => {
                        tracing::debug!(%error, "a control group could not be opened this time");
                    }
                    Err(error) => {
                        if self.state.has_told.insert("refused") {
                            tracing::warn!(%error, "a control group is not measured; others may be concerned as well");
                        }
                        continue;
                    }
                }
            }
            self.state.waiting.insert(id, (path, born_after));
        }
    }

    /// Asks again about the control groups of which not all is known.
    fn settle(&mut self) {
        for (id, (path, missing)) in std::mem::take(&mut self.state.provisional) {
            let state = &mut self.state;
            match self.resolver.resolve(&path) {
                Resolution::Later => drop(state.provisional.insert(id, (path, missing))),
                Resolution::Ignore => state.remove(id),
                Resolution::Measure { attributes } => self.rename(id, attributes),
                Resolution::Provisional { attributes, missing } => {
                    self.rename(id, attributes);
                    self.state.provisional.insert(id, (path, missing));
                }
            }
        }
    }

    /// Gives a control group other attributes, if these are others.
    fn rename(&mut self, id: CgroupId, attributes: Attributes) {
        if let Some(group) = self.state.groups.get_mut(&id)
            && group.identity.attributes != attributes
        {
            let Consumer::ControlGroup { path } = group.identity.consumer.clone() else {
                return;
            };
            group.identity.attributes = attributes.clone();
            group.parts.iter_mut().flatten().for_each(Part::rename);
            self.state.due.push(id);
            self.name(path, &attributes);
        }
    }

    /// Tells others what is known of a control group.
    fn name(&self, path: Arc<str>, attributes: &Attributes) {
        if let Some(names) = &self.names {
            names.insert(&path, attributes.clone(), self.clock.now().monotonic);
        }
    }

    fn count_unresolved(&self) {
        if let Some(unresolved) = &self.unresolved {
            let waiting = self.state.waiting.values().map(|(path, _)| path);
            unresolved.count(self.state.provisional.values(), waiting);
        }
    }

    fn open(
        &mut self,
        id: CgroupId,
        path: &CgroupPath,
        born_after: Option<Tick>,
        attributes: Attributes,
    ) -> Result<(), ReadError> {
        let Some(engine) = &mut self.state.engine else {
            return Ok(());
        };
        let mut parts = [None, None];
        for (columns, part) in self.columns.iter().zip(&mut parts) {
            if columns.wanted.is_empty() {
                continue;
            }
            match engine.open(path, columns.wanted) {
                Ok(slot) => *part = Some(Part::new(slot, columns, born_after)),
                Err(error) => {
                    close(engine, &mut parts);
                    return Err(error);
                }
            }
        }
        self.name(path.to_string().into(), &attributes);
        let state = &mut self.state;
        state.remove(id);
        let identity = Identity::new(path, attributes);
        if self.claim.is_some()
            && let Consumer::ControlGroup { path } = &identity.consumer
        {
            state.paths.insert(Arc::clone(path), id);
        }
        state.started.push(identity.consumer.clone());
        state.due.push(id);
        state.groups.insert(id, Group { identity, parts });
        Ok(())
    }

    fn read_all(&mut self, out: &mut Accumulator<'_>) {
        let now = out.tick().monotonic;
        let is_slow_due = self
            .state
            .slow_at
            .is_none_or(|last| now.since(last) >= self.slow_interval);
        if is_slow_due {
            self.state.slow_at = Some(now);
        }
        let capacity = self.begin_pass();
        let mut groups = std::mem::take(&mut self.state.groups);
        groups.retain(|id, group| {
            let with_slow = is_slow_due || self.state.due.contains(id);
            self.read(group, with_slow, capacity, out)
        });
        self.state.groups = groups;
        self.state.due.clear();
    }

    fn read_due(&mut self, out: &mut Accumulator<'_>) {
        if self.state.due.is_empty() {
            return;
        }
        let mut due = std::mem::take(&mut self.state.due);
        due.sort_unstable();
        due.dedup();
        let capacity = self.begin_pass();
        let mut groups = std::mem::take(&mut self.state.groups);
        for id in due {
            if let Some(group) = groups.get_mut(&id)
                && !self.read(group, true, capacity, out)
            {
                groups.swap_remove(&id);
            }
        }
        self.state.groups = groups;
    }

    fn begin_pass(&mut self) -> Capacity {
        self.state.read_at = self.clock.now().monotonic;
        // A CPU that has just gone offline gave its time to this interval.
        let now = self.cpus.count();
        let before = std::mem::replace(&mut self.state.cpus, now);
        Capacity::new(self.base, now.max(before))
    }

    /// Reads one control group; `false` when it is gone.
    fn read(
        &mut self,
        group: &mut Group,
        with_slow: bool,
        capacity: Capacity,
        out: &mut Accumulator<'_>,
    ) -> bool {
        let Some(engine) = &mut self.state.engine else {
            return true;
        };
        let (Group { identity, parts }, reading) = (&mut *group, &mut self.state.reading);
        let paces = if with_slow { 2 } else { 1 };
        for (part, columns) in parts.iter_mut().zip(&self.columns).take(paces) {
            let Some(part) = part else { continue };
            match engine.read(&part.slot, reading) {
                Ok(()) => {}
                Err(ReadError::Gone { .. }) => {
                    self.state.end(group);
                    return false;
                }
                Err(error) => {
                    tracing::debug!(%error, "a file of a control group could not be read this time");
                }
            }
            let after = self.clock.now().monotonic;
            let context = Context {
                before: std::mem::replace(&mut self.state.read_at, after),
                after,
                capacity,
                names: &mut self.devices,
            };
            part.push(columns, reading, identity, context, out);
        }
        true
    }

    /// Tells others whose measurement began and ended.
    fn announce(&mut self) {
        let started = std::mem::take(&mut self.state.started);
        if !started.is_empty() {
            self.events.publish(ConsumerEvent::Started(started.into()));
        }
        let ended = std::mem::take(&mut self.state.ended);
        if !ended.is_empty() {
            let State { paths, groups, .. } = &mut self.state;
            for group in &ended {
                if let Consumer::ControlGroup { path } = group
                    && paths.get(path).is_some_and(|id| !groups.contains_key(id))
                {
                    paths.remove(path);
                }
            }
            if let Some(names) = &self.names {
                let now = self.clock.now().monotonic;
                ended.iter().for_each(|group| names.remove(&group.id(), now));
            }
            self.events.publish(ConsumerEvent::Ended(ended.into()));
        }
    }
}

impl State {
    /// Makes the engine if there is none yet and the hierarchy is mounted.
    fn prepare_engine(&mut self) -> bool {
        if self.engine.is_some() {
            return true;
        }
        let Some((version, hierarchies)) = &self.mounted else {
            return false;
        };
        match FileEngine::new(*version, hierarchies) {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => {
                if self.has_told.insert("engine") {
                    tracing::warn!(%error, "no control group can be measured at present; it is tried again at each poll");
                }
            }
        }
        self.engine.is_some()
    }

    /// Notes the nearest group around one that is not measured itself.
    fn note_inside(&mut self, id: CgroupId, path: &CgroupPath) {
        let path = path.to_string();
        let parents = successors(parent(&path), |path| parent(path));
        if let Some(nearest) = parents.filter_map(|path| self.paths.get(path)).next() {
            self.inside.insert(id, *nearest);
        }
    }

    fn remove(&mut self, id: CgroupId) {
        self.provisional.remove(&id);
        if let Some(mut group) = self.groups.swap_remove(&id) {
            self.end(&mut group);
        }
    }

    fn end(&mut self, group: &mut Group) {
        if let Some(engine) = &mut self.engine {
            close(engine, &mut group.parts);
        }
        self.ended.push(group.identity.consumer.clone());
    }

    fn forget_everything(&mut self) {
        let groups = std::mem::take(&mut self.groups).into_values();
        self.ended.extend(groups.map(|group| group.identity.consumer));
        self.waiting.clear();
        self.provisional.clear();
        self.inside.clear();
        self.paths.clear();
        self.due.clear();
        self.engine = None;
        self.mounted = None;
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

fn close(engine: &mut FileEngine, parts: &mut [Option<Part>; 2]) {
    for part in parts.iter_mut().filter_map(Option::take) {
        engine.close(part.slot);
    }
}
