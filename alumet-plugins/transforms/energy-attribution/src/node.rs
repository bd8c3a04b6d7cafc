//! One node: the series that it has, how far their streams have come, and what waits for them.

use std::time::Duration;

use alumet_core::metric::MetricKind;
use alumet_core::progress::{Progress, StreamId};
use alumet_core::series::SeriesInfo;
use alumet_core::time::Monotonic;
use alumet_core::{Attributes, Batch, Consumer, Timestamp};

use crate::history::History;
use crate::join::{Input, Join, JoinSpec};

/// What is known of one node. Nothing of another one is ever joined with it.
#[derive(Debug)]
pub(crate) struct Node {
    tracks: Tracks,
    /// One for each formula and model.
    pub(crate) joins: Vec<Join>,
    streams: Vec<Stream>,
    /// The latest instant that any stream has reached.
    newest: Monotonic,
    /// Where `newest` was when what is not needed was dropped.
    forgotten: Monotonic,
    /// How many series have a part in something.
    pub(crate) series: usize,
}

/// The histories of series, in slots that are used again.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    tracks: Vec<Option<Track>>,
    free: Vec<usize>,
}

/// The history of a series that is not energy.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) history: History,
    pub(crate) is_delta: bool,
    /// Whether no sample will come any more.
    pub(crate) is_gone: bool,
    /// Whose use it is, or `local_machine`.
    consumer: Consumer,
    stream: StreamId,
    /// The joins that need it, a bit each.
    joins: u64,
}

/// A stream that has brought energy or what joins need.
#[derive(Debug)]
struct Stream {
    id: StreamId,
    until: Monotonic,
    /// When it was seen first.
    since: Option<Monotonic>,
    /// The longest time between two batches, of those long ago less and less.
    step: Duration,
    /// The joins that wait for it, a bit each.
    joins: u64,
    /// Whether it is waited for; one that was waited for in vain is not, until it comes again.
    is_awaited: bool,
}

/// The parts of a series.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) node: usize,
    track: Option<usize>,
    /// The joins that it gives energy to, with its place there.
    energies: Vec<(usize, usize)>,
}

impl Plan {
    pub(crate) fn has_energy(&self) -> bool {
        !self.energies.is_empty()
    }
}

/// A sample on the clock of its node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed {
    pub(crate) at: Monotonic,
    pub(crate) timestamp: Timestamp,
    pub(crate) value: f64,
}

impl Node {
    /// How long energy waits at least for what was used in its time, and at most.
    const PATIENCE: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];
    /// The time between two batches of a stream that is not known for twice as long.
    const UNKNOWN_STEP: Duration = Duration::from_secs(10);
    /// A new stream that is so much behind all others is on another clock: the machine was started anew.
    const OTHER_CLOCK: Duration = Duration::from_secs(10);
    /// Energy that has not come for so long, and for twice as long as ever before, is not kept ready for.
    const STALLED: Duration = Duration::from_secs(120);
    /// A stream that has not come for so long, and none of whose series is left, has ended.
    const ENDED: Duration = Duration::from_secs(600);
    /// The longest time without dropping what is not needed.
    const FORGETTING: Duration = Duration::from_secs(10);
    /// About 80 bytes each.
    const MOST_WAITING: usize = 65_536;

    pub(crate) fn new(attributes: &Attributes, joins: usize) -> Self {
        Self {
            tracks: Tracks::default(),
            joins: (0..joins).map(|_| Join::new(attributes.clone())).collect(),
            streams: Vec::new(),
            newest: Monotonic::default(),
            forgotten: Monotonic::default(),
            series: 0,
        }
    }

    /// Begins a batch of a stream, whose samples are to come before it is [ended](Self::end).
    pub(crate) fn begin(&mut self, progress: Progress, specs: &[JoinSpec], out: &mut Batch) {
        let is_new = self.streams.iter().all(|stream| stream.id != progress.stream);
        if is_new && progress.until.monotonic + Self::OTHER_CLOCK < self.newest {
            self.finish(specs, out);
            self.streams.clear();
            self.tracks
                .tracks
                .iter_mut()
                .flatten()
                .for_each(|track| track.history = History::default());
            self.joins
                .iter_mut()
                .for_each(|join| join.shared = Monotonic::default());
            self.newest = Monotonic::default();
            self.forgotten = Monotonic::default();
        }
    }

    /// Gives a series its parts; `None` if it has none.
    pub(crate) fn plan(
        &mut self,
        node: usize,
        series: &SeriesInfo,
        specs: &[JoinSpec],
        stream: StreamId,
        known_idle: impl Fn(&str) -> Option<f64>,
    ) -> Option<Plan> {
        let mut plan = Plan {
            node,
            track: None,
            energies: Vec::new(),
        };
        for (index, (spec, join)) in specs.iter().zip(&mut self.joins).enumerate() {
            for (slot, part) in spec.spec.parts(series) {
                let part = match part {
                    Ok(part) => part,
                    Err(reason) => {
                        join.refuse(spec, reason);
                        continue;
                    }
                };
                if part.role == crate::spec::Role::Energy {
                    plan.energies
                        .push((index, join.add_energy(spec, series, part.factor, &known_idle)));
                    continue;
                }
                let track = *plan.track.get_or_insert_with(|| self.tracks.add(series, stream));
                if let Some(track) = self.tracks.get_mut(track) {
                    track.joins |= 1 << index;
                }
                let input = Input {
                    slot,
                    track,
                    factor: part.factor,
                    resource: series.resource().clone(),
                };
                join.add_input(&spec.spec, input, part.role, series, &self.tracks);
            }
        }
        if let Some(track) = plan.track.and_then(|track| self.tracks.get(track)) {
            self.note_stream(stream, track.joins);
        }
        let has_part = plan.track.is_some() || !plan.energies.is_empty();
        self.series += usize::from(has_part);
        has_part.then_some(plan)
    }

    /// Takes a sample.
    pub(crate) fn take(&mut self, plan: &Plan, sample: Observed, progress: Progress, now: Monotonic) {
        if let Some(track) = plan.track.and_then(|track| self.tracks.get_mut(track)) {
            if track.is_delta {
                // What is negative or no number was not used.
                let amount = if sample.value.is_finite() {
                    sample.value.max(0.0)
                } else {
                    0.0
                };
                let shared = self
                    .joins
                    .iter()
                    .enumerate()
                    .filter(|(join, _)| track.joins & (1 << join) != 0);
                let shared = shared.map(|(_, join)| join.shared).max().unwrap_or_default();
                track.history.count(sample.at, amount, shared);
            } else if sample.value.is_finite() {
                track.history.read(sample.at, sample.value);
            }
            if track.stream != progress.stream {
                track.stream = progress.stream;
                let joins = track.joins;
                self.note_stream(progress.stream, joins);
            }
        }
        if !plan.energies.is_empty() {
            // Nobody waits for it.
            self.note_stream(progress.stream, 0);
        }
        for (join, energy) in &plan.energies {
            let at_the_latest = now + self.patience(*join);
            self.joins[*join].wait(*energy, sample, at_the_latest);
        }
    }

    fn note_stream(&mut self, id: StreamId, joins: u64) {
        match self.streams.iter_mut().find(|stream| stream.id == id) {
            Some(stream) => stream.joins |= joins,
            None => self.streams.push(Stream {
                id,
                until: Monotonic::default(),
                since: None,
                step: Duration::ZERO,
                joins,
                is_awaited: true,
            }),
        }
    }

    /// Ends a batch of a stream: notes how far it has come, and shares what is complete by that or has waited for too long.
    pub(crate) fn end(&mut self, progress: Progress, specs: &[JoinSpec], now: Monotonic, out: &mut Batch) {
        let until = progress.until.monotonic;
        self.newest = self.newest.max(until);
        if let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.id == progress.stream)
        {
            if stream.since.is_some() {
                stream.step = until.since(stream.until).max(stream.step * 7 / 8);
            }
            stream.since.get_or_insert(until);
            stream.until = until;
            stream.is_awaited = true;
        }
        self.share(specs, now, out);
    }

    /// Twice the longest time between two batches of what the join needs, within bounds.
    fn patience(&self, join: usize) -> Duration {
        let of_join = self
            .streams
            .iter()
            .filter(|stream| stream.joins & (1 << join) != 0);
        let steps = of_join.map(|stream| {
            let seen = stream
                .since
                .map_or(Duration::ZERO, |since| stream.until.since(since));
            // Not every batch of the first seconds is one of its interval.
            let is_known = seen >= Self::UNKNOWN_STEP * 2;
            if is_known {
                stream.step
            } else {
                stream.step.max(Self::UNKNOWN_STEP)
            }
        });
        let step = steps.max().unwrap_or(Self::UNKNOWN_STEP);
        let [least, most] = Self::PATIENCE;
        step.saturating_mul(2).clamp(least, most)
    }

    /// Whether all that was used up to an instant is known, as far as it is waited for.
    fn is_known(&self, join: usize, instant: Monotonic) -> bool {
        let mut of_join = self
            .streams
            .iter()
            .filter(|stream| stream.joins & (1 << join) != 0)
            .peekable();
        of_join.peek().is_some() && of_join.all(|stream| !stream.is_awaited || stream.until >= instant)
    }

    /// Shares what is complete or has waited for too long.
    pub(crate) fn share(&mut self, specs: &[JoinSpec], now: Monotonic, out: &mut Batch) {
        let mut has_shared = false;
        for (index, spec) in specs.iter().enumerate() {
            while let Some(next) = self.joins[index].next() {
                if !self.is_known(index, next.known_from) {
                    let is_full = self.joins[index].waiting() > Self::MOST_WAITING;
                    if next.at_the_latest > now && !is_full {
                        break;
                    }
                    let streams = self.streams.iter_mut();
                    let late = streams
                        .filter(|stream| stream.joins & (1 << index) != 0 && stream.until < next.known_from);
                    late.for_each(|stream| stream.is_awaited = false);
                    self.joins[index].late += 1;
                }
                self.joins[index].share_next(spec, &self.tracks, out);
                has_shared = true;
            }
        }
        if has_shared || self.newest.since(self.forgotten) > Self::FORGETTING {
            self.forget();
        }
    }

    /// Shares all that waits.
    pub(crate) fn finish(&mut self, specs: &[JoinSpec], out: &mut Batch) {
        for (spec, join) in specs.iter().zip(&mut self.joins) {
            while join.next().is_some() {
                join.share_next(spec, &self.tracks, out);
            }
        }
    }

    /// When the first of what waits is shared in any case.
    pub(crate) fn wake_at(&self) -> Option<Monotonic> {
        self.joins
            .iter()
            .filter_map(|join| Some(join.next()?.at_the_latest))
            .min()
    }

    /// Drops what no energy needs any more.
    fn forget(&mut self) {
        self.forgotten = self.newest;
        let newest = self.newest;
        let needed = self
            .joins
            .iter()
            .filter_map(|join| join.needed_from(newest, Self::STALLED))
            .min();
        let needed = needed.unwrap_or(newest);
        self.joins.iter_mut().for_each(Join::drop_energies);
        if self.tracks.forget(needed) {
            self.joins.iter_mut().for_each(|join| join.sweep(&self.tracks));
        }
        let tracks = &self.tracks;
        self.streams
            .retain(|stream| newest.since(stream.until) < Self::ENDED || tracks.has_stream(stream.id));
    }

    /// Notes that no sample of a series will come any more. What it used is needed until the energy of that time is shared.
    pub(crate) fn retire(&mut self, plan: &Plan) {
        self.series -= 1;
        if let Some(track) = plan.track.and_then(|track| self.tracks.get_mut(track)) {
            track.is_gone = true;
            let consumer = track.consumer.clone();
            self.joins
                .iter_mut()
                .for_each(|join| join.retire_input(&consumer, &self.tracks));
        }
        for (join, energy) in &plan.energies {
            self.joins[*join].retire_energy(*energy);
        }
    }

    /// The idle powers that are known, under the names of their series.
    pub(crate) fn idle_watts(&self) -> impl Iterator<Item = (&str, f64)> {
        self.joins.iter().flat_map(Join::idle_watts)
    }

    pub(crate) fn has_stream(&self, id: StreamId) -> bool {
        self.streams.iter().any(|stream| stream.id == id)
    }

    /// Whether nothing is left of the node.
    pub(crate) fn is_over(&self) -> bool {
        self.series == 0 && self.wake_at().is_none()
    }
}

impl Tracks {
    fn add(&mut self, series: &SeriesInfo, stream: StreamId) -> usize {
        let track = Some(Track {
            history: History::default(),
            is_delta: series.metric.kind == MetricKind::Delta,
            is_gone: false,
            consumer: series.consumer().clone(),
            stream,
            joins: 0,
        });
        match self.free.pop() {
            Some(slot) => {
                self.tracks[slot] = track;
                slot
            }
            None => {
                self.tracks.push(track);
                self.tracks.len() - 1
            }
        }
    }

    pub(crate) fn get(&self, slot: usize) -> Option<&Track> {
        self.tracks.get(slot)?.as_ref()
    }

    fn get_mut(&mut self, slot: usize) -> Option<&mut Track> {
        self.tracks.get_mut(slot)?.as_mut()
    }

    /// Drops what is before an instant; says whether a whole track is gone.
    fn forget(&mut self, instant: Monotonic) -> bool {
        let before = self.free.len();
        for (slot, entry) in self.tracks.iter_mut().enumerate() {
            let Some(track) = entry else { continue };
            track.history.forget(instant);
            if track.is_gone && track.history.ends_by(instant) {
                *entry = None;
                self.free.push(slot);
            }
        }
        self.free.len() > before
    }

    fn has_stream(&self, stream: StreamId) -> bool {
        self.tracks.iter().flatten().any(|track| track.stream == stream)
    }
}
