use std::fmt;
use std::time::Duration;

use crate::output::{AsyncOutput, Output, QueuePolicy, StreamOutput};
use crate::source::{EventSource, Schedule, Source};
use crate::transform::Transform;

/// Elements to be added to a pipeline.
#[derive(Debug, Default)]
pub struct ElementSpecs {
    pub(crate) sources: Vec<SourceSpec>,
    pub(crate) event_sources: Vec<EventSourceSpec>,
    pub(crate) transforms: Vec<TransformSpec>,
    pub(crate) outputs: Vec<OutputSpec>,
    pub(crate) async_outputs: Vec<AsyncOutputSpec>,
    pub(crate) stream_outputs: Vec<StreamOutputSpec>,
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

    /// Adds an output that blocks while it writes; it gets a thread of its own.
    pub fn output(&mut self, name: impl Into<String>, output: impl Output) -> &mut OutputSpec {
        let queue = QueuePolicy::default();
        push(
            &mut self.outputs,
            OutputSpec {
                name: name.into(),
                output: Box::new(output),
                queue,
            },
        )
    }

    /// Adds an asynchronous output.
    pub fn async_output(
        &mut self,
        name: impl Into<String>,
        output: impl AsyncOutput,
    ) -> &mut AsyncOutputSpec {
        let queue = QueuePolicy::default();
        push(
            &mut self.async_outputs,
            AsyncOutputSpec {
                name: name.into(),
                output: Box::new(output),
                queue,
            },
        )
    }

    /// Adds an output that takes encoded batches from the spool.
    pub fn stream_output(&mut self, name: impl Into<String>, output: impl StreamOutput) {
        self.stream_outputs.push(StreamOutputSpec {
            name: name.into(),
            output: Box::new(output),
        });
    }

    /// Changes the schedule of every source, for example to poll only on request.
    pub fn reschedule(&mut self, change: impl Fn(&mut Schedule)) {
        self.sources
            .iter_mut()
            .for_each(|spec| change(&mut spec.schedule));
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
}

impl SourceSpec {
    /// Polls it every `interval`.
    pub const fn every(&mut self, interval: Duration) -> &mut Self {
        self.schedule.interval = Some(interval);
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
        self.schedule.blocking = true;
        self
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
}

impl OutputSpec {
    /// Chooses the size of its queue and what happens when it is full.
    pub const fn queue(&mut self, queue: QueuePolicy) -> &mut Self {
        self.queue = queue;
        self
    }
}

/// An asynchronous output to be added.
pub struct AsyncOutputSpec {
    pub(crate) name: String,
    pub(crate) output: Box<dyn AsyncOutput>,
    pub(crate) queue: QueuePolicy,
}

impl AsyncOutputSpec {
    /// Chooses the size of its queue and what happens when it is full.
    pub const fn queue(&mut self, queue: QueuePolicy) -> &mut Self {
        self.queue = queue;
        self
    }
}

/// An output that takes encoded batches, to be added.
pub struct StreamOutputSpec {
    pub(crate) name: String,
    pub(crate) output: Box<dyn StreamOutput>,
}

macro_rules! debug_by_name {
    ($($spec:ident),+) => {
        $(impl fmt::Debug for $spec {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($spec), self.name)
            }
        })+
    };
}

debug_by_name!(
    SourceSpec,
    EventSourceSpec,
    TransformSpec,
    OutputSpec,
    AsyncOutputSpec,
    StreamOutputSpec
);
