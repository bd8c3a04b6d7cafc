use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::output::{Keeps, Output, QueuePolicy};
use crate::series::SeriesInfo;
use crate::source::{EventSource, Schedule, Source, SourceWaker, Thread};
use crate::transform::Transform;

/// Elements to be added to a pipeline.
#[derive(Default)]
pub struct ElementSpecs {
    pub(crate) sources: Vec<SourceSpec>,
    pub(crate) event_sources: Vec<EventSourceSpec>,
    pub(crate) transforms: Vec<TransformSpec>,
    pub(crate) outputs: Vec<OutputSpec>,
}

impl ElementSpecs {
    /// Adds a source, polled once per second unless the spec says otherwise.
    pub fn source(&mut self, name: impl Into<String>, source: impl Source) -> &mut SourceSpec {
        let schedule = Schedule::every(Duration::from_secs(1));
        push(
            &mut self.sources,
            SourceSpec {
                name: name.into(),
                source: Box::new(source),
                schedule,
                waker: None,
                finest: Schedule::SHORTEST,
            },
        )
    }

    /// Adds a source that is driven by events.
    pub fn event_source(&mut self, name: impl Into<String>, source: impl EventSource) {
        self.event_sources.push(EventSourceSpec {
            name: name.into(),
            source: Box::new(source),
        });
    }

    /// Adds a transform.
    pub fn transform(&mut self, name: impl Into<String>, transform: impl Transform) -> &mut TransformSpec {
        push(
            &mut self.transforms,
            TransformSpec {
                name: name.into(),
                transform: Box::new(transform),
                after: Vec::new(),
            },
        )
    }

    /// Adds an output. It runs in a thread of its own, where it may block, unless the spec says otherwise.
    pub fn output(&mut self, name: impl Into<String>, output: impl Output) -> &mut OutputSpec {
        push(
            &mut self.outputs,
            OutputSpec {
                name: name.into(),
                output: Box::new(output),
                queue: QueuePolicy::default(),
                policy: DeliveryPolicy::default(),
                filter: None,
                unchanged: None,
                destination: None,
            },
        )
    }

    /// Lets all outputs have only what `keeps` wants.
    ///
    /// # Errors
    /// Why that cannot be.
    pub(super) fn filter_outputs(&mut self, keeps: &Keeps) -> Result<(), &'static str> {
        if self.outputs.is_empty() {
            return Err("`series` is for outputs, and this plugin has none; use the plugin `filter`");
        }
        if self.outputs.iter().any(|spec| spec.policy.encoded) {
            return Err("what is in the spool is sent as it is, all `series` of it; use the plugin `filter`");
        }
        self.filter_more(keeps);
        Ok(())
    }

    /// Lets all outputs have what does not change only once in this time.
    ///
    /// # Errors
    /// Why that cannot be.
    pub(super) fn thin_outputs(&mut self, unchanged: Duration) -> Result<(), &'static str> {
        if self.outputs.is_empty() {
            return Err("`unchanged_interval` is for outputs, and this plugin has none");
        }
        for spec in &mut self.outputs {
            spec.unchanged = Some(unchanged);
        }
        Ok(())
    }

    /// Lets all outputs have only what `keeps` wants as well, but for those to which that cannot be done.
    pub(crate) fn filter_more(&mut self, keeps: &Keeps) {
        for spec in self.outputs.iter_mut().filter(|spec| !spec.policy.encoded) {
            let keeps = Arc::clone(keeps);
            spec.filter = Some(match spec.filter.take() {
                Some(before) => Arc::new(move |series| before(series) && keeps(series)),
                None => keeps,
            });
        }
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> &mut T {
    let index = list.len();
    list.push(item);
    &mut list[index]
}

/// A source to be added.
pub struct SourceSpec {
    pub(crate) name: String,
    pub(crate) source: Box<dyn Source>,
    pub(crate) schedule: Schedule,
    pub(crate) waker: Option<SourceWaker>,
    /// No request makes the interval shorter.
    pub(crate) finest: Duration,
}

impl SourceSpec {
    /// Polls it every `interval`.
    pub const fn every(&mut self, interval: Duration) -> &mut Self {
        self.schedule.interval = Some(interval);
        self
    }

    /// Says that readings which are closer together tell nothing new: whoever wants everything polled more often, such as
    /// `exec --interval`, gets this interval. What a plugin chooses itself stays.
    pub const fn finest(&mut self, interval: Duration) -> &mut Self {
        self.finest = interval;
        self
    }

    /// Hands its samples on every `interval` instead of after every poll.
    pub const fn flush_every(&mut self, interval: Duration) -> &mut Self {
        self.schedule.flush = Some(interval);
        self
    }

    /// Polls it only on request.
    pub const fn on_request(&mut self) -> &mut Self {
        self.schedule.interval = None;
        self
    }

    /// Gives it a thread of its own, because a poll may wait for a device.
    pub const fn blocking(&mut self) -> &mut Self {
        self.schedule.thread = Thread::Own;
        self
    }

    /// Polls it on a thread that it shares with the sources of the plugin that say the same name, because a poll may wait
    /// for what they have in common, such as a driver or a bus.
    pub const fn thread(&mut self, name: &'static str) -> &mut Self {
        self.schedule.thread = Thread::Named(name);
        self
    }

    /// What lets it be polled between two ticks, or at all if it has no interval.
    pub fn waker(&mut self) -> SourceWaker {
        self.waker.get_or_insert_default().clone()
    }

    /// Does not poll it before it is resumed.
    pub const fn paused(&mut self) -> &mut Self {
        self.schedule.paused = true;
        self
    }
}

/// A source driven by events, to be added.
pub struct EventSourceSpec {
    pub(crate) name: String,
    pub(crate) source: Box<dyn EventSource>,
}

/// A transform to be added.
pub struct TransformSpec {
    pub(crate) name: String,
    pub(crate) transform: Box<dyn Transform>,
    pub(crate) after: Vec<String>,
}

impl TransformSpec {
    /// Runs it after the transforms of another plugin, if that is there.
    pub fn after(&mut self, plugin: impl Into<String>) -> &mut Self {
        self.after.push(plugin.into());
        self
    }
}

/// An output to be added.
pub struct OutputSpec {
    pub(crate) name: String,
    pub(crate) output: Box<dyn Output>,
    pub(crate) queue: QueuePolicy,
    pub(crate) policy: DeliveryPolicy,
    pub(crate) filter: Option<Keeps>,
    /// How often it gets what does not change.
    pub(crate) unchanged: Option<Duration>,
    pub(crate) destination: Option<String>,
}

/// How samples are given to an output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeliveryPolicy {
    /// The most samples that are given together, and how long the first of them waits for others; `None`: each batch alone.
    pub(crate) joined: Option<(NonZeroUsize, Duration)>,
    pub(crate) in_flight: NonZeroUsize,
    /// Whether deliveries are under way in a task; otherwise, the output has a thread.
    pub(crate) in_task: bool,
    pub(crate) timeout: Duration,
    pub(crate) encoded: bool,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            joined: None,
            in_flight: NonZeroUsize::MIN,
            in_task: false,
            timeout: Duration::from_secs(60),
            encoded: false,
        }
    }
}

impl OutputSpec {
    /// Chooses the size of its queue and what happens when it is full.
    pub const fn queue(&mut self, queue: QueuePolicy) -> &mut Self {
        self.queue = queue;
        self
    }

    /// Says where it writes, for people who look for the samples, such as the path of a file; without a secret.
    pub fn destination(&mut self, destination: impl Into<String>) -> &mut Self {
        self.destination = Some(destination.into());
        self
    }

    /// Gives it up to so many samples of several batches at once, and parts of larger ones; the first waits no longer than
    /// `age` for others.
    pub fn joined(&mut self, samples: usize, age: Duration) -> &mut Self {
        self.policy.joined = NonZeroUsize::new(samples).map(|samples| (samples, age));
        self
    }

    /// Runs it in the runtime of the pipeline with up to so many deliveries under way: for an output that gives futures
    /// and never blocks. It needs a destination for which the order of what is under way does not matter.
    pub fn in_flight(&mut self, deliveries: usize) -> &mut Self {
        self.policy.in_task = true;
        self.policy.in_flight = NonZeroUsize::new(deliveries).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Abandons a delivery that is under way for longer, and repeats it; 60 s unless something else is chosen.
    pub const fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.policy.timeout = timeout;
        self
    }

    /// Gives it only the samples of series for which `keeps` says so, which is asked once for each. Not for an output that is
    /// [given records](Self::encoded).
    pub fn filter(&mut self, keeps: impl Fn(&SeriesInfo) -> bool + Send + Sync + 'static) -> &mut Self {
        self.filter = Some(Arc::new(keeps));
        self
    }

    /// Gives it what does not change only once in this time: of a gauge or counter the same value again, of a delta another 0. The
    /// last of what was left out comes before the next change, so that a value stands until the next sample of its series. A
    /// durable output gets everything.
    pub const fn unchanged_every(&mut self, interval: Duration) -> &mut Self {
        self.unchanged = Some(interval);
        self
    }

    /// Gives it the records of the spool as they are, one by one; the output is durable.
    pub const fn encoded(&mut self) -> &mut Self {
        self.policy.encoded = true;
        self
    }
}
