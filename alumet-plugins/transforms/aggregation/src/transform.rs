//! The transform: opens, fills and closes the windows of all series.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::progress::StreamId;
use alumet_core::series::{SeriesHandle, SeriesId, SeriesInfo};
use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::value::Value;
use alumet_core::{Batch, Catalog, Failure, MetricKind, SeriesMap, Timestamp};
use alumet_shared_metric_names::Selection;

use crate::config::Config;
use crate::model::{Function, Window, increase};

/// Replaces the samples of some metrics by one per window.
///
/// A series has at most one open window. Its next sample beyond the end closes it; else it is closed when the stream of the
/// series is complete until the end, and at the latest when the clock is beyond the end and the lateness. A sample
/// that is older than the open window counts in it, so that nothing is lost.
#[derive(Debug)]
pub(crate) struct Aggregation {
    selection: Selection,
    functions: Vec<Function>,
    /// In nanoseconds.
    interval: i64,
    lateness: Duration,
    keep_originals: bool,
    /// `None` for a series that passes.
    series: SeriesMap<Option<Box<Aggregated>>>,
    /// The earliest end of an open window in each stream.
    ends: HashMap<Option<StreamId>, i64>,
    /// The earliest instant at which a window is closed in any case.
    wake_at: Option<Monotonic>,
    late: u64,
    held: u64,
    has_thinned: bool,
}

/// What became of windows.
#[derive(Debug, Default)]
struct Closed {
    /// Sums that are held at the end of the range.
    held: u64,
    /// Whether percentiles are of a part of the values.
    has_thinned: bool,
}

/// A series that is aggregated.
#[derive(Debug)]
struct Aggregated {
    outputs: Vec<(Function, SeriesHandle)>,
    kind: MetricKind,
    /// The time and the reading of the sample before the next window; nothing where the series begins.
    before: Option<(i64, Value)>,
    stream: Option<StreamId>,
    /// The wall clock of its node less the monotonic one, when its latest sample was made.
    clock_offset: i64,
    /// Where the open window begins, or the next one at the earliest; nanoseconds since 1970.
    start: i64,
    open: Option<Window>,
    close_at: Monotonic,
    /// Whether no sample will come any more.
    gone: bool,
}

impl Aggregation {
    pub(crate) fn new(config: &Config, selection: Selection) -> Self {
        Self {
            selection,
            functions: config.function.all().to_vec(),
            interval: i64::try_from(config.interval.as_nanos()).unwrap_or(i64::MAX),
            lateness: *config.lateness,
            keep_originals: config.keep_originals,
            series: SeriesMap::new(),
            ends: HashMap::new(),
            wake_at: None,
            late: 0,
            held: 0,
            has_thinned: false,
        }
    }

    /// Closes the windows that `is_due` selects, and finds out when the others end.
    fn close(&mut self, out: &mut Batch, is_due: impl Fn(&Aggregated, i64) -> bool) {
        self.ends.clear();
        self.wake_at = None;
        let Self {
            series,
            ends,
            wake_at,
            interval,
            ..
        } = self;
        let mut closed = Closed::default();
        series.retain(|_, aggregated| {
            let Some(aggregated) = aggregated else { return true };
            let end = aggregated.start.saturating_add(*interval);
            if is_due(aggregated, end) {
                closed.add(aggregated.close(end, out));
            }
            if aggregated.open.is_some() {
                note_open(aggregated, end, ends, wake_at);
            }
            aggregated.open.is_some() || !aggregated.gone
        });
        self.say(0, &closed);
    }

    /// Says once that something has happened that the user should know.
    fn say(&mut self, late: u64, closed: &Closed) {
        if self.late == 0 && late > 0 {
            tracing::warn!(
                "samples came after their window was closed, or the clock was set back; they count in the window that is open"
            );
        }
        if closed.has_thinned && !std::mem::replace(&mut self.has_thinned, true) {
            tracing::warn!(
                "there are too many values in a window for exact percentiles, which are now of a part of them, evenly spread; \
                 choose a shorter `interval`"
            );
        }
        if self.held == 0 && closed.held > 0 {
            tracing::warn!(
                "a sum is too large for its type and was held at the end of its range; choose a shorter `interval`"
            );
        }
        self.late += late;
        self.held += closed.held;
    }
}

impl Closed {
    const fn add(&mut self, other: Self) {
        self.held += other.held;
        self.has_thinned |= other.has_thinned;
    }
}

impl Aggregated {
    fn new(functions: &[Function], info: &SeriesInfo, catalog: &Catalog) -> Self {
        let output = |function: &Function| {
            let (metric, _held) = catalog.admit_metric(function.of(&info.metric));
            let mut key = info.key.clone();
            key.metric = metric;
            (*function, catalog.register(key))
        };
        Self {
            outputs: functions.iter().map(output).collect(),
            kind: info.metric.kind,
            before: None,
            stream: None,
            clock_offset: 0,
            start: i64::MIN,
            open: None,
            close_at: Monotonic::default(),
            gone: false,
        }
    }

    /// Emits the open window, if any, and says what the user should know of it.
    fn close(&mut self, end: i64, out: &mut Batch) -> Closed {
        let mut closed = Closed::default();
        let Some(mut window) = self.open.take() else {
            return closed;
        };
        for (function, output) in &self.outputs {
            let Some((value, is_held)) = window.result(*function, self.kind) else {
                continue;
            };
            // The metric was registered with the type of the result.
            let _ = out.push_value(output, Timestamp::from_nanos(self.start), value);
            closed.held += u64::from(is_held);
        }
        closed.has_thinned = window.is_thinned();
        self.before = Some(window.end());
        self.start = end;
        closed
    }
}

/// Remembers when a window is to be closed.
fn note_open(
    aggregated: &Aggregated,
    end: i64,
    ends: &mut HashMap<Option<StreamId>, i64>,
    wake_at: &mut Option<Monotonic>,
) {
    let earliest = ends.entry(aggregated.stream).or_insert(end);
    *earliest = end.min(*earliest);
    let close_at = aggregated.close_at;
    *wake_at = Some(wake_at.map_or(close_at, |at| at.min(close_at)));
}

impl Transform for Aggregation {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let progress = batch.progress();
        let stream = progress.map(|progress| progress.stream);
        let clock_offset = progress.map(|progress| {
            let until = progress.until;
            until
                .wall
                .as_nanos()
                .saturating_sub_unsigned(until.monotonic.as_nanos())
        });
        let mut out = context.catalog.batch();
        let (mut late, mut closed) = (0, Closed::default());
        let Self {
            selection,
            functions,
            interval,
            series,
            ends,
            wake_at,
            ..
        } = self;
        let wants_values = functions.iter().any(|function| function.percent().is_some());
        let plan = |id: SeriesId| {
            let info: Arc<SeriesInfo> = context.catalog.describe(id)?;
            selection
                .contains(&info)
                .then(|| Box::new(Aggregated::new(functions, &info, context.catalog)))
        };
        batch.retain(|sample| {
            let Some(aggregated) = series.get_or_insert_with(sample.series, || plan(sample.series)) else {
                return true;
            };
            let time = sample.timestamp.as_nanos();
            let start = time.saturating_sub(time.rem_euclid(*interval));
            let offset = clock_offset.unwrap_or(aggregated.clock_offset);
            let stepped = offset.saturating_sub(aggregated.clock_offset) <= -*interval;
            if start > aggregated.start || stepped {
                // Beyond the open window, or in a time that comes again because the clock was set back far.
                closed.add(aggregated.close(start, &mut out));
                aggregated.start = start;
                if stepped {
                    // How long it was since then is not known.
                    aggregated.before = None;
                }
            } else if start < aggregated.start {
                late += 1;
            }
            (aggregated.stream, aggregated.clock_offset) = (stream, offset);
            let reading = sample.value();
            let before = aggregated.open.as_ref().map(Window::end).or(aggregated.before);
            let value = match aggregated.kind {
                MetricKind::Counter => increase(before.map(|(_, reading)| reading), reading),
                MetricKind::Gauge | MetricKind::Delta => reading,
            };
            match &mut aggregated.open {
                Some(window) => window.add(value, reading, time),
                None => {
                    aggregated.open = Some(Window::new(value, reading, time, before, wants_values));
                    let end = aggregated.start.saturating_add(*interval);
                    let left = end.saturating_sub(time).clamp(0, 2 * *interval);
                    let left = Duration::from_nanos(left.unsigned_abs());
                    aggregated.close_at = context.now.monotonic + left + self.lateness;
                    note_open(aggregated, end, ends, wake_at);
                }
            }
            self.keep_originals
        });
        self.say(late, &closed);
        if let Some(progress) = progress {
            let until = progress.until.wall.as_nanos();
            if self.ends.get(&stream).is_some_and(|end| *end <= until) {
                self.close(&mut out, |aggregated, end| {
                    aggregated.stream == stream && end <= until
                });
            }
        }
        batch.extend(out.samples());
        Ok(())
    }

    fn waits(&self) -> bool {
        true
    }

    fn wake_at(&self) -> Option<Monotonic> {
        [self.wake_at, self.selection.check_at()]
            .into_iter()
            .flatten()
            .min()
    }

    fn tick(&mut self, out: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let now = context.now.monotonic;
        self.selection.check(context.catalog, now);
        self.close(out, |aggregated, _| aggregated.close_at <= now);
        Ok(())
    }

    fn retired(&mut self, series: SeriesId) {
        // Its last window is closed at its time.
        match self.series.get_mut(series) {
            Some(Some(aggregated)) if aggregated.open.is_some() => aggregated.gone = true,
            _ => drop(self.series.remove(series)),
        }
    }

    fn finish(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        self.close(batch, |_, _| true);
        if self.late > 0 {
            tracing::info!(
                samples = self.late,
                "so many samples came after their window was closed"
            );
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.series.clear();
        self.ends.clear();
        self.wake_at = None;
    }
}
