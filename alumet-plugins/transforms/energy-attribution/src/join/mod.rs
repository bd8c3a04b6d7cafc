//! What one formula or model joins on one node: energy, consumers, and what they have in common.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alumet_core::catalog::MetricHandle;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::series::{Series, SeriesInfo};
use alumet_core::time::Monotonic;
use alumet_core::{Attributes, Batch, Catalog, Consumer, Resource, Timestamp};
use hashbrown::HashMap;

use crate::formula::Value;
use crate::model::counters::Weights;
use crate::model::idle::Idle;
use crate::node::{Observed, Tracks};
use crate::spec::{Role, Slot, Spec, Work};

mod evaluate;
mod explain;
mod relation;
mod share;
mod user;

use relation::{Relation, groups_around};
use user::{User, UserInput};

/// A formula or model with its metric.
#[derive(Debug)]
pub(crate) struct JoinSpec {
    pub(crate) spec: Spec,
    /// Of what is modelled, and of what is made of estimated energy.
    pub(crate) metrics: [MetricHandle<f64>; 2],
    /// Keeps the second one, which no plugin has registered.
    pub(crate) _held: Arc<Metric>,
    /// What was said in the log, for all nodes.
    pub(crate) said: Said,
}

#[derive(Debug, Default)]
pub(crate) struct Said {
    refused: AtomicBool,
    failed: AtomicBool,
    idle_unknown: AtomicBool,
}

/// Whether it is time to say something: it is so once.
fn is_first(said: &AtomicBool) -> bool {
    !said.swap(true, Ordering::Relaxed)
}

/// The state of a formula or model on one node.
#[derive(Debug)]
pub(crate) struct Join {
    /// The attribute of the node, if any.
    node: Attributes,
    /// In slots that are used again.
    energies: Vec<Option<Energy>>,
    rows: Vec<Row>,
    /// What concerns the machine.
    machine: Vec<Input>,
    users: Vec<User>,
    by_consumer: HashMap<Consumer, usize>,
    kinds: Vec<Kind>,
    /// Whether consumers have come or gone since it was last seen which contain which.
    must_nest: bool,
    /// Energy that is not shared yet, oldest first.
    ticks: VecDeque<Tick>,
    /// Those that are shared together.
    group: Vec<Tick>,
    /// Until when energy was shared: what is used before it and known later counts after it.
    pub(crate) shared: Monotonic,
    /// How often energy was shared though not all of its consumers were known.
    pub(crate) late: u64,
    /// Why a series that is selected is not used.
    refused: Option<String>,
    last: Last,
    /// For the evaluation of a formula: what concerns the machine, and a stack.
    values: Vec<f64>,
    stack: Vec<Value>,
    /// How often a formula had no result for a consumer.
    failed: u64,
}

/// A series of energy, or of the `ref` of a formula.
#[derive(Debug)]
struct Energy {
    row: usize,
    factor: f64,
    is_delta: bool,
    quality: Quality,
    /// When its latest interval ended, on both clocks.
    until: Option<(Monotonic, Timestamp)>,
    /// Its longest interval.
    step: Duration,
    /// Under which its idle power is kept.
    key: String,
    idle: Idle,
    is_gone: bool,
}

/// Where results stand: a resource, and attributes that all of them have.
#[derive(Debug)]
struct Row {
    metric: MetricHandle<f64>,
    resource: Resource,
    attributes: Attributes,
    /// What the model `counters` has learnt.
    weights: Weights,
    idle: Option<Series<f64>>,
    /// For each kind of consumers.
    unattributed: Vec<Option<Series<f64>>>,
    last: Last,
}

/// A series that is not energy, in a slot.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) slot: usize,
    pub(crate) track: usize,
    pub(crate) factor: f64,
    pub(crate) resource: Resource,
}

/// The consumers of one kind, which together share all energy.
#[derive(Debug)]
struct Kind {
    name: String,
    /// What was used by those that no other contains, and by the one that used most, in the interval that was shared last.
    used: f64,
    most: f64,
    energy_per_use: f64,
    left: f64,
    /// Why CPU time was taken instead of counters.
    fallback: Option<&'static str>,
}

/// Energy of an interval, or the value of a `ref`.
#[derive(Debug, Clone, Copy)]
struct Tick {
    energy: usize,
    row: usize,
    from: Monotonic,
    to: Monotonic,
    /// The wall clock at both.
    begins: Timestamp,
    timestamp: Timestamp,
    value: f64,
    /// What is known up to here is enough.
    known_from: Monotonic,
    at_the_latest: Monotonic,
}

/// The oldest energy that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next {
    pub(crate) known_from: Monotonic,
    pub(crate) at_the_latest: Monotonic,
}

/// How the last result came about.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    row: usize,
    timestamp: Timestamp,
    seconds: f64,
    energy: f64,
    idle: f64,
    busy: Option<f64>,
    /// A slot that concerns the machine and has no value, so that nobody has a result.
    lacks: Option<usize>,
}

impl Join {
    /// How much later than the usage of the same tick energy may be read, if its interval is ten times as long: a source that reads slow
    /// registers says when it did.
    const SLACK: Duration = Duration::from_millis(5);

    pub(crate) fn new(node: Attributes) -> Self {
        Self {
            node,
            energies: Vec::new(),
            rows: Vec::new(),
            machine: Vec::new(),
            users: Vec::new(),
            by_consumer: HashMap::new(),
            kinds: Vec::new(),
            must_nest: false,
            ticks: VecDeque::new(),
            group: Vec::new(),
            shared: Monotonic::default(),
            late: 0,
            refused: None,
            last: Last::default(),
            values: Vec::new(),
            stack: Vec::new(),
            failed: 0,
        }
    }

    /// Says once why a series that is selected is not used.
    pub(crate) fn refuse(&mut self, spec: &JoinSpec, reason: String) {
        if is_first(&spec.said.refused) {
            tracing::warn!(
                metric = spec.spec.name,
                reason,
                "a series that is selected is not used"
            );
        }
        self.refused = Some(reason);
    }

    /// Adds a series of energy; gives its place.
    pub(crate) fn add_energy(
        &mut self,
        spec: &JoinSpec,
        series: &SeriesInfo,
        factor: f64,
        known_idle: impl Fn(&str) -> Option<f64>,
    ) -> usize {
        let row = self.row(spec, series);
        let spec = &spec.spec;
        let key = format!("{} {series}", spec.name);
        let quality = if spec.is_model() {
            series.metric.quality
        } else {
            Quality::Measured
        };
        let energy = Energy {
            row,
            factor,
            is_delta: series.metric.kind == MetricKind::Delta,
            quality,
            until: None,
            step: Duration::ZERO,
            idle: Idle::known(known_idle(&key)),
            key,
            is_gone: false,
        };
        let place = match self.energies.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.energies.push(None);
                self.energies.len() - 1
            }
        };
        self.energies[place] = Some(energy);
        let mut ticks = std::mem::take(&mut self.ticks);
        ticks.retain(|tick| {
            let energy = self.energies[tick.energy].as_ref();
            energy.is_some_and(|energy| energy.quality as u8 <= self.best_quality(energy.row))
        });
        self.ticks = ticks;
        place
    }

    /// The row of the results for a series of energy.
    fn row(&mut self, spec: &JoinSpec, series: &SeriesInfo) -> usize {
        let metric = spec.metrics[usize::from(series.metric.quality == Quality::Estimated)];
        let spec = &spec.spec;
        let (resource, attributes) = match &spec.work {
            Work::Model {
                per_domain: false, ..
            } => (Resource::LocalMachine, self.node.clone()),
            Work::Model { per_domain: true, .. } => (series.resource().clone(), series.attributes().clone()),
            Work::Formula(_) => {
                let keeps = |slot: &Slot| slot.role == Role::Energy && slot.keep_attributes;
                let attributes = if spec.slots.iter().any(keeps) {
                    series.attributes()
                } else {
                    &self.node
                };
                (series.resource().clone(), attributes.clone())
            }
        };
        let is_it = |row: &Row| {
            row.metric.id() == metric.id() && row.resource == resource && row.attributes == attributes
        };
        if let Some(row) = self.rows.iter().position(is_it) {
            return row;
        }
        self.rows.push(Row {
            metric,
            resource,
            attributes,
            weights: Weights::default(),
            idle: None,
            unattributed: Vec::new(),
            last: Last::default(),
        });
        self.rows.len() - 1
    }

    /// The best quality of energies that may be of the same joules as those of a row.
    fn best_quality(&self, row: usize) -> u8 {
        let resource = |row: usize| &self.rows[row].resource;
        let live = self.energies.iter().flatten().filter(|energy| !energy.is_gone);
        let related = live.filter(|energy| Relation::of(resource(energy.row), resource(row)).is_some());
        related
            .map(|energy| energy.quality as u8)
            .min()
            .unwrap_or(u8::MAX)
    }

    /// Adds a series that is not energy.
    pub(crate) fn add_input(
        &mut self,
        spec: &Spec,
        input: Input,
        role: Role,
        series: &SeriesInfo,
        tracks: &Tracks,
    ) {
        if role != Role::Consumer {
            self.machine.push(input);
            return;
        }
        let slot = &spec.slots[input.slot];
        let keeps = |key: &str| match spec.work {
            Work::Model { .. } => !slot.asks_for(key),
            Work::Formula(_) => slot.keep_attributes,
        };
        let attributes = series.attributes().iter().filter(|(key, _)| keeps(key));
        let own = attributes
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let user = self.user(series.consumer(), spec.slots.len());
        let user = &mut self.users[user];
        user.inputs.push(UserInput {
            input,
            attributes: own,
        });
        user.merge_attributes(tracks);
    }

    fn user(&mut self, consumer: &Consumer, slots: usize) -> usize {
        if let Some(user) = self.by_consumer.get(consumer) {
            return *user;
        }
        let kind = match self.kinds.iter().position(|kind| kind.name == consumer.kind()) {
            Some(kind) => kind,
            None => {
                self.kinds.push(Kind::new(consumer.kind()));
                self.kinds.len() - 1
            }
        };
        self.users.push(User::new(consumer, kind, slots));
        self.by_consumer.insert(consumer.clone(), self.users.len() - 1);
        self.users.len() - 1
    }

    /// Lets energy wait for those who used it.
    pub(crate) fn wait(&mut self, place: usize, sample: Observed, at_the_latest: Monotonic) {
        let Some(row) = self.energies[place].as_ref().map(|energy| energy.row) else {
            return;
        };
        let best = self.best_quality(row);
        let Some(energy) = &mut self.energies[place] else {
            return;
        };
        if !sample.value.is_finite() || (energy.is_delta && sample.value < 0.0) {
            return;
        }
        let now = (sample.at, sample.timestamp);
        // What is counted before the first sample, or when the clock began anew, was used in a time that nobody knows.
        let (from, begins) = energy
            .until
            .replace(now)
            .filter(|(from, _)| *from <= sample.at)
            .unwrap_or(now);
        energy.step = energy.step.max(sample.at.since(from));
        if energy.quality as u8 > best {
            return;
        }
        let slack = Self::SLACK.min(sample.at.since(from) / 10);
        self.ticks.push_back(Tick {
            energy: place,
            row: energy.row,
            from,
            to: sample.at,
            begins,
            timestamp: sample.timestamp,
            value: sample.value * energy.factor,
            known_from: Monotonic::from_nanos(sample.at.as_nanos() - slack.as_nanos() as u64),
            at_the_latest,
        });
    }

    pub(crate) fn next(&self) -> Option<Next> {
        self.ticks.front().map(|tick| Next {
            known_from: tick.known_from,
            at_the_latest: tick.at_the_latest,
        })
    }

    pub(crate) fn waiting(&self) -> usize {
        self.ticks.len()
    }

    /// Shares the oldest energy that waits with all of the same interval and row.
    pub(crate) fn share_next(&mut self, spec: &JoinSpec, tracks: &Tracks, out: &mut Batch) {
        let Some(first) = self.ticks.pop_front() else {
            return;
        };
        self.shared = self.shared.max(first.to);
        let mut group = std::mem::take(&mut self.group);
        group.push(first);
        let is_of_group = |tick: &Tick| (tick.row, tick.from, tick.to) == (first.row, first.from, first.to);
        while let Some(tick) = self.ticks.front().filter(|tick| is_of_group(tick)) {
            group.push(*tick);
            self.ticks.pop_front();
        }
        match &spec.spec.work {
            Work::Model { kind, .. } => self.share(spec, *kind, &group, tracks, out),
            Work::Formula(program) => self.evaluate(spec, program, &group, tracks, out),
        }
        group.clear();
        self.group = group;
    }

    /// From when on amounts are needed; `None` if there is no energy.
    pub(crate) fn needed_from(&self, newest: Monotonic, stalled: Duration) -> Option<Monotonic> {
        let energies = self.energies.iter().flatten().filter(|energy| !energy.is_gone);
        let coming = energies.filter_map(|energy| {
            let (until, _) = energy.until?;
            (newest.since(until) <= stalled.max(energy.step * 2)).then_some(until)
        });
        self.ticks.iter().map(|tick| tick.from).chain(coming).min()
    }

    /// Notes that a series of one of the consumers is gone: another one may tell now what it contradicted.
    pub(crate) fn retire_input(&mut self, consumer: &Consumer, tracks: &Tracks) {
        if let Some(user) = self.by_consumer.get(consumer) {
            self.users[*user].merge_attributes(tracks);
        }
    }

    /// Drops what had tracks that are gone.
    pub(crate) fn sweep(&mut self, tracks: &Tracks) {
        self.machine.retain(|input| tracks.get(input.track).is_some());
        let before = self.users.len();
        for user in &mut self.users {
            let inputs = user.inputs.len();
            user.inputs
                .retain(|input| tracks.get(input.input.track).is_some());
            if user.inputs.len() < inputs {
                user.merge_attributes(tracks);
            }
        }
        self.users.retain(|user| !user.inputs.is_empty());
        if self.users.len() < before {
            self.must_nest = true;
            self.by_consumer.clear();
            let places = self
                .users
                .iter()
                .enumerate()
                .map(|(place, user)| (user.consumer.clone(), place));
            self.by_consumer.extend(places);
        }
    }

    /// The idle powers that are known, under the names of their series.
    pub(crate) fn idle_watts(&self) -> impl Iterator<Item = (&str, f64)> {
        let energies = self.energies.iter().flatten();
        energies.filter_map(|energy| Some((&*energy.key, energy.idle.watts()?)))
    }

    /// Notes that a series of energy brings nothing more.
    pub(crate) fn retire_energy(&mut self, place: usize) {
        if let Some(energy) = &mut self.energies[place] {
            energy.is_gone = true;
        }
    }

    /// Drops series of energy that are gone and of which nothing waits.
    pub(crate) fn drop_energies(&mut self) {
        for place in 0..self.energies.len() {
            let is_gone = self.energies[place].as_ref().is_some_and(|energy| energy.is_gone);
            if is_gone && self.ticks.iter().all(|tick| tick.energy != place) {
                self.energies[place] = None;
            }
        }
    }

    /// Notes which control groups are contained in others that are measured.
    fn nest(&mut self) {
        if !std::mem::take(&mut self.must_nest) {
            return;
        }
        let path = |user: &User| match &user.consumer {
            Consumer::ControlGroup { path } => Some(path.clone()),
            _ => None,
        };
        let there = self.users.iter().filter(|user| user.is_there);
        let paths: HashSet<_> = there.filter_map(path).collect();
        for user in &mut self.users {
            if let Consumer::ControlGroup { path } = &user.consumer {
                user.is_nested = groups_around(path).any(|group| paths.contains(group));
            }
        }
    }
}

impl Kind {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            used: 0.0,
            most: 0.0,
            energy_per_use: 0.0,
            left: 0.0,
            fallback: None,
        }
    }
}

/// The series in a place, which begins with a 0 at the instant from which it counts if it is new.
fn begun<'a>(
    place: &'a mut Option<Series<f64>>,
    tick: &Tick,
    out: &mut Batch,
    register: impl FnOnce(&Catalog) -> Series<f64>,
) -> &'a Series<f64> {
    place.get_or_insert_with(|| {
        let series = register(out.catalog());
        if tick.from < tick.to {
            out.push(&series, tick.begins, 0.0);
        }
        series
    })
}

/// What series show in a slot for a resource, in the interval of a tick or at its end; `None` if nothing is known.
fn value<'a>(
    inputs: impl Iterator<Item = &'a Input>,
    slot: usize,
    resource: &Resource,
    tracks: &Tracks,
    tick: &Tick,
) -> Option<f64> {
    let mut best: Option<(Relation, f64)> = None;
    for input in inputs.filter(|input| input.slot == slot) {
        let (Some(relation), Some(track)) =
            (Relation::of(&input.resource, resource), tracks.get(input.track))
        else {
            continue;
        };
        let value = if track.is_delta {
            let has_begun = track.history.begins_before(tick.to);
            has_begun.then(|| track.history.within(tick.from, tick.to))
        } else {
            track.history.at(tick.to, tick.known_from)
        };
        let Some(value) = value.map(|value| value * input.factor) else {
            continue;
        };
        best = match best {
            Some((known, sum)) if known == relation => Some((known, sum + value)),
            Some((known, _)) if known < relation => best,
            _ => Some((relation, value)),
        };
    }
    best.map(|(_, value)| value)
}
