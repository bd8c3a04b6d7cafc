//! The transform: brings samples to their node, and the results of the node into the batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::progress::{Progress, StreamId};
use alumet_core::series::SeriesId;
use alumet_core::state::PluginState;
use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Attributes, Batch, Consumer, Failure, SeriesMap};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::join::{Join, JoinSpec};
use crate::node::{Node, Observed, Plan};

/// Shares energy over consumers. Locked once per batch, so that somebody else can ask how a result came about.
#[derive(Debug, Clone)]
pub(crate) struct Attribution(pub(crate) Arc<Mutex<Nodes>>);

/// All nodes, each of which is shared on its own.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) specs: Vec<JoinSpec>,
    /// The attribute by which nodes are told apart.
    node_attribute: String,
    /// `None` for a series that has no part in anything.
    plans: SeriesMap<Option<Plan>>,
    /// In slots that are used again.
    pub(crate) nodes: Vec<Option<Node>>,
    by_attribute: HashMap<Attributes, usize>,
    /// The node of each stream.
    streams: HashMap<StreamId, usize>,
    /// How many streams there may be before those that no node knows any more are dropped.
    most_streams: usize,
    /// The nodes of the batch in hand.
    touched: Vec<usize>,
    /// Not later than any node wants to be woken.
    wake_at: Option<Monotonic>,
    idle: KeptIdle,
}

/// The idle powers that were learnt, in watts, which outlive the program.
#[derive(Debug)]
struct KeptIdle {
    state: PluginState,
    watts: BTreeMap<String, f64>,
    next: Option<Monotonic>,
    has_changed: bool,
    /// Whether the state was written at the last attempt.
    is_kept: bool,
}

impl Nodes {
    pub(crate) fn new(specs: Vec<JoinSpec>, node_attribute: String, state: PluginState) -> Self {
        Self {
            specs,
            node_attribute,
            plans: SeriesMap::new(),
            nodes: Vec::new(),
            by_attribute: HashMap::new(),
            streams: HashMap::new(),
            most_streams: 64,
            touched: Vec::new(),
            wake_at: None,
            idle: KeptIdle::of(state),
        }
    }

    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) {
        let (Some(progress), now) = (batch.progress(), context.now.monotonic) else {
            // Nobody knows when its samples were made on the clock of their node.
            return;
        };
        self.touched.clear();
        if let Some(node) = self.streams.get(&progress.stream) {
            self.touch(*node, progress, batch);
        }
        for index in 0..batch.len() {
            let Some(sample) = batch.get(index) else { break };
            if self.plans.get(sample.series).is_none() {
                let plan = self.plan(sample.series, progress, batch);
                self.plans.insert(sample.series, plan);
            }
            let Some(Some(plan)) = self.plans.get(sample.series) else {
                continue;
            };
            if !self.touched.contains(&plan.node) {
                self.touch(plan.node, progress, batch);
            }
            let Some(Some(plan)) = self.plans.get(sample.series) else {
                continue;
            };
            let Some(Some(node)) = self.nodes.get_mut(plan.node) else {
                continue;
            };
            let observed = Observed {
                at: progress.monotonic_of(sample.timestamp),
                timestamp: sample.timestamp,
                value: sample.value().as_f64(),
            };
            node.take(plan, observed, progress, now);
        }
        for index in 0..self.touched.len() {
            let place = self.touched[index];
            let Some(Some(node)) = self.nodes.get_mut(place) else {
                continue;
            };
            node.end(progress, &self.specs, now, batch);
            self.wake_at = [self.wake_at, node.wake_at()].into_iter().flatten().min();
            if node.has_stream(progress.stream) {
                self.note_stream(progress.stream, place);
            }
        }
        self.keep_idle(now, false);
    }

    /// Notes that a batch concerns a node.
    fn touch(&mut self, place: usize, progress: Progress, batch: &mut Batch) {
        if let Some(Some(node)) = self.nodes.get_mut(place)
            && !self.touched.contains(&place)
        {
            self.touched.push(place);
            node.begin(progress, &self.specs, batch);
        }
    }

    /// Finds out what parts a series has, on the node that it is of.
    fn plan(&mut self, series: SeriesId, progress: Progress, batch: &mut Batch) -> Option<Plan> {
        let info = batch.catalog().describe(series)?;
        if self.specs.iter().all(|spec| spec.spec.parts(&info).is_empty()) {
            return None;
        }
        // What was measured here is of this machine, whether or not its name is told, as it is with pods.
        let is_from_elsewhere = batch.origin().is_some();
        let attribute = info
            .attributes()
            .iter()
            .filter(|(key, _)| is_from_elsewhere && *key == &self.node_attribute);
        let attributes: Attributes = attribute
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let place = match self.by_attribute.get(&attributes) {
            Some(place) => *place,
            None => {
                let node = Some(Node::new(&attributes, self.specs.len()));
                let place = match self.nodes.iter().position(Option::is_none) {
                    Some(free) => {
                        self.nodes[free] = node;
                        free
                    }
                    None => {
                        self.nodes.push(node);
                        self.nodes.len() - 1
                    }
                };
                self.by_attribute.insert(attributes, place);
                place
            }
        };
        self.touch(place, progress, batch);
        let node = self.nodes[place].as_mut()?;
        node.plan(place, &info, &self.specs, progress.stream, |key| {
            self.idle.watts.get(key).copied()
        })
    }

    fn note_stream(&mut self, stream: StreamId, node: usize) {
        self.streams.insert(stream, node);
        if self.streams.len() > self.most_streams {
            let nodes = &self.nodes;
            let is_known =
                |stream, node: usize| matches!(nodes.get(node), Some(Some(node)) if node.has_stream(stream));
            self.streams.retain(|stream, node| is_known(*stream, *node));
            self.most_streams = 64 + 2 * self.streams.len();
        }
    }

    fn tick(&mut self, out: &mut Batch, now: Monotonic) {
        for place in 0..self.nodes.len() {
            if let Some(node) = &mut self.nodes[place]
                && node.wake_at().is_some_and(|at| at <= now)
            {
                node.share(&self.specs, now, out);
            }
            self.drop_if_over(place);
        }
        self.wake_at = self.nodes.iter().flatten().filter_map(Node::wake_at).min();
    }

    fn retired(&mut self, series: SeriesId) {
        if let Some(Some(plan)) = self.plans.remove(series)
            && let Some(Some(node)) = self.nodes.get_mut(plan.node)
        {
            // What was learnt of energy that is gone now.
            self.idle
                .note(plan.has_energy().then(|| node.idle_watts()).into_iter().flatten());
            node.retire(&plan);
            self.drop_if_over(plan.node);
        }
    }

    fn drop_if_over(&mut self, place: usize) {
        if self.nodes[place].as_ref().is_some_and(Node::is_over) {
            self.nodes[place] = None;
            self.by_attribute.retain(|_, other| *other != place);
            self.streams.retain(|_, other| *other != place);
        }
    }

    fn finish(&mut self, out: &mut Batch, now: Monotonic) {
        for node in self.nodes.iter_mut().flatten() {
            node.finish(&self.specs, out);
        }
        self.keep_idle(now, true);
    }

    /// Keeps what was learnt, once a minute and at the end.
    fn keep_idle(&mut self, now: Monotonic, is_end: bool) {
        if self.idle.next.is_some_and(|next| now < next) && !is_end {
            return;
        }
        self.idle.next = Some(now + KeptIdle::INTERVAL);
        self.idle
            .note(self.nodes.iter().flatten().flat_map(Node::idle_watts));
        self.idle.write();
    }

    /// How the latest results of a consumer came about, and of what has no results, why.
    pub(crate) fn explain(&self, consumer: &Consumer) -> Option<String> {
        let nodes = self.nodes.iter().flatten();
        let joins = nodes.flat_map(|node| self.specs.iter().zip(&node.joins));
        // Of a kind of energy that this machine has not, there is nothing to say beside others.
        let (other, own): (Vec<_>, Vec<_>) = joins.partition(|(_, join)| join.is_untouched());
        let told = |joins: Vec<(&JoinSpec, &Join)>| -> Vec<String> {
            let texts = joins
                .into_iter()
                .filter_map(|(spec, join)| join.explain(spec, consumer));
            texts.collect()
        };
        let mut texts = told(own);
        if texts.is_empty() {
            texts = told(other);
        }
        if self.nodes.iter().all(Option::is_none) {
            let nothing = Join::new(Attributes::EMPTY);
            texts.extend(
                self.specs
                    .iter()
                    .filter_map(|spec| nothing.explain(spec, consumer)),
            );
        }
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    fn reset(&mut self) {
        self.plans.clear();
        self.nodes.clear();
        self.by_attribute.clear();
        self.streams.clear();
        self.wake_at = None;
    }
}

impl KeptIdle {
    const INTERVAL: Duration = Duration::from_secs(60);
    /// More than that are not kept, which a server of thousands of nodes has.
    const MOST: usize = 16_384;
    const KEY: &'static str = "idle_watts";

    fn of(state: PluginState) -> Self {
        Self {
            watts: state.get(Self::KEY).unwrap_or_default(),
            state,
            next: None,
            has_changed: false,
            is_kept: true,
        }
    }

    fn note<'a>(&mut self, learnt: impl Iterator<Item = (&'a str, f64)>) {
        for (key, watts) in learnt {
            if self.watts.len() < Self::MOST || self.watts.contains_key(key) {
                self.has_changed |= self.watts.insert(key.to_owned(), watts) != Some(watts);
            }
        }
    }

    fn write(&mut self) {
        if !std::mem::take(&mut self.has_changed) {
            return;
        }
        match self.state.set(Self::KEY, &self.watts) {
            Ok(()) => self.is_kept = true,
            Err(error) => {
                if std::mem::take(&mut self.is_kept) {
                    tracing::warn!(%error, "the idle power that was learnt is not kept over a restart");
                }
            }
        }
    }
}

impl Transform for Attribution {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.0.lock().apply(batch, context);
        Ok(())
    }

    fn waits(&self) -> bool {
        true
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.0.lock().wake_at
    }

    fn tick(&mut self, out: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.0.lock().tick(out, context.now.monotonic);
        Ok(())
    }

    fn retired(&mut self, series: SeriesId) {
        self.0.lock().retired(series);
    }

    fn finish(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.0.lock().finish(batch, context.now.monotonic);
        Ok(())
    }

    fn reset(&mut self) {
        self.0.lock().reset();
    }
}
