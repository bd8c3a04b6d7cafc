//! Adding elements, at the start and while the pipeline runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::output::OutputFilter;
use crate::plugin::{ElementSpecs, EventSourceSpec, OutputSpec, SourceSpec, TransformSpec};
use crate::source::Schedule;

use super::backlog::Backlog;
use super::element::{ElementCell, ElementKey, ElementKind};
use super::event_source;
use super::message::Ingest;
use super::poll::{self, Answer, PollCommand, PollTask};
use super::queue::Queue;
use super::router::{OutputLink, Router, TransformTask};
use super::shared::{Element, ElementHandle, Shared};
use super::writer::{self, Writer};

/// Why elements cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Two elements of the same kind and plugin have the same name.
    #[error("there are two elements named {0}; each needs a name of its own")]
    Duplicate(ElementKey),
    /// An interval is shorter than [`Schedule::SHORTEST`].
    #[error("{0} has an interval of {1:?}; it must be 1 ms or longer")]
    ShortInterval(ElementKey, Duration),
    /// An asynchronous element was added to a pipeline whose runtime has no timer.
    #[error("{0} is asynchronous and the runtime of the pipeline has no timer; build it with `enable_time`")]
    NoTimer(ElementKey),
    /// An output needs the spool and the program has none.
    #[error("{0} needs a spool, and this program has none; give it one with `PipelineBuilder::spool`")]
    NoSpool(ElementKey),
    /// The system gives no thread or timer.
    #[error("no thread or timer can be had; raise the limits of the process (`ulimit -u`, `ulimit -n`)")]
    System(#[from] io::Error),
    /// The pipeline has stopped.
    #[error("the pipeline has stopped")]
    Stopped,
}

/// Adds all elements of a plugin, which were checked: outputs before transforms before sources, so that no sample meets
/// a missing element. The threads of the sources answer after the first poll.
///
/// After an error, those that come before it in this order are there.
pub(crate) fn add(shared: &Arc<Shared>, plugin: &str, specs: ElementSpecs) -> Result<Vec<Answer>, AddError> {
    let ElementSpecs {
        sources,
        event_sources,
        transforms,
        outputs,
    } = specs;
    for spec in outputs {
        add_output(shared, plugin, spec)?;
    }
    for spec in transforms {
        add_transform(shared, plugin, spec)?;
    }
    for spec in event_sources {
        add_event_source(shared, plugin, spec)?;
    }
    let sources = sources.into_iter().map(|spec| (plugin, spec));
    add_sources(shared, sources.collect())
}

/// Finds what cannot work before anything is started.
pub(crate) fn check(
    shared: &Shared,
    plugin: &str,
    specs: &ElementSpecs,
) -> Result<Vec<ElementKey>, AddError> {
    let mut keys: Vec<ElementKey> = Vec::new();
    let mut add = |kind, name: &str, asynchronous: bool, interval: Option<Duration>| {
        let key = ElementKey::new(kind, plugin, name);
        let taken = shared
            .elements
            .lock()
            .iter()
            .any(|element| *element.cell.key() == key);
        if taken || keys.contains(&key) {
            return Err(AddError::Duplicate(key));
        }
        if asynchronous {
            shared.runtime.get(&key)?;
        }
        if let Some(interval) = interval.filter(|interval| *interval < Schedule::SHORTEST) {
            return Err(AddError::ShortInterval(key, interval));
        }
        keys.push(key);
        Ok(())
    };
    for spec in &specs.sources {
        add(ElementKind::Source, &spec.name, false, spec.schedule.interval)?;
    }
    for spec in &specs.event_sources {
        add(ElementKind::Source, &spec.name, true, None)?;
    }
    for spec in &specs.transforms {
        add(ElementKind::Transform, &spec.name, false, None)?;
    }
    for spec in &specs.outputs {
        add(ElementKind::Output, &spec.name, spec.policy.in_task, None)?;
    }
    Ok(keys)
}

/// Adds sources of one or several plugins; those of the same thread have their first poll at the same tick. After an
/// error there is none of them.
pub(crate) fn add_sources(
    shared: &Arc<Shared>,
    specs: Vec<(&str, SourceSpec)>,
) -> Result<Vec<Answer>, AddError> {
    let named: Vec<_> = specs
        .into_iter()
        .map(|(plugin, spec)| (ElementKey::new(ElementKind::Source, plugin, &spec.name), spec))
        .collect();
    let threads = named
        .iter()
        .map(|(key, spec)| shared.thread_for(key, &spec.schedule));
    poll::start_threads(shared, threads)?;
    let tasks = named.into_iter().map(|(key, spec)| {
        let cell = Arc::new(ElementCell::new(key, Some(spec.schedule)));
        list(shared, &cell, ElementHandle::Source);
        PollTask::new(cell, spec)
    });
    let mut answers = Vec::new();
    poll::distribute(shared, tasks.collect(), |thread, tasks| {
        answers.push(thread.ask(|ticket| PollCommand::Add(tasks, ticket)));
    });
    Ok(answers)
}

pub(crate) fn add_event_source(
    shared: &Arc<Shared>,
    plugin: &str,
    spec: EventSourceSpec,
) -> Result<(), AddError> {
    let key = ElementKey::new(ElementKind::Source, plugin, &spec.name);
    let runtime = shared.runtime.get(&key)?;
    let cell = Arc::new(ElementCell::new(key, None));
    let stop = CancellationToken::new();
    // Known before it runs, so that it can be forgotten when it ends at once.
    let mut elements = shared.elements.lock();
    let worker = event_source::spawn(
        spec.source,
        Arc::clone(&cell),
        stop.clone(),
        Arc::clone(shared),
        &runtime,
    );
    elements.push(Element {
        cell,
        handle: ElementHandle::EventSource { stop, worker },
    });
    Ok(())
}

fn add_transform(shared: &Arc<Shared>, plugin: &str, spec: TransformSpec) -> Result<(), AddError> {
    let key = ElementKey::new(ElementKind::Transform, plugin, &spec.name);
    let cell = Arc::new(ElementCell::new(key, None));
    list(shared, &cell, ElementHandle::Transform);
    let waits = usize::from(spec.transform.waits());
    shared.waiting_transforms.fetch_add(waits, Ordering::Relaxed);
    let task = TransformTask::new(cell, spec);
    request(shared, |router| router.add_transform(task))
}

fn add_output(shared: &Arc<Shared>, plugin: &str, mut spec: OutputSpec) -> Result<(), AddError> {
    let key = ElementKey::new(ElementKind::Output, plugin, &spec.name);
    let queue = Arc::new(Queue::new(spec.queue.capacity));
    let policy = spec.policy;
    let is_durable = policy.encoded || spec.queue.durable.unwrap_or(shared.durable_by_default);
    let unchanged = spec.unchanged.take();
    if is_durable && unchanged.is_some() {
        tracing::warn!(output = %key, "samples that say nothing new are written as well: the output is durable");
    }
    let mut filter = OutputFilter::new(spec.filter.take(), unchanged.filter(|_| !is_durable));
    let backlog = if is_durable {
        let spool = shared.spool.get_or_open(&shared.catalog);
        let spool = spool.ok_or_else(|| AddError::NoSpool(key.clone()))?;
        let name = format!("{plugin}/{}", spec.name);
        Some(Arc::new(Backlog::new(
            spool,
            &name,
            policy.encoded,
            &queue,
            filter.take(),
        )))
    } else {
        None
    };
    {
        let mut ledger = shared.ledger.lock();
        ledger.outputs.entry(key.clone()).or_default();
        if let Some(backlog) = &backlog {
            // An output that was here before in this run has them in its account already.
            let known = ledger.outputs.get(&key).map_or(0, |account| account.spooled);
            let waiting = backlog.reader.waiting();
            ledger.recovered(&key, waiting.saturating_sub(known));
        }
    }
    let cell = Arc::new(ElementCell::new(key.clone(), None).writing_to(spec.destination.take()));
    let link = OutputLink {
        cell: Arc::clone(&cell),
        queue: Arc::clone(&queue),
        on_full: spec.queue.on_full,
        is_durable,
        filter,
    };
    let writer = Writer::new(
        spec,
        Arc::clone(&cell),
        Arc::clone(shared),
        Arc::clone(&queue),
        backlog,
    );
    let worker = if policy.in_task {
        writer::spawn_task(writer, &shared.runtime.get(&key)?)
    } else {
        writer::spawn_thread(writer)?
    };
    let handle = ElementHandle::Output {
        queue,
        worker,
        is_durable,
        joins_for: policy.joined.map_or(Duration::ZERO, |(_, age)| age),
    };
    list(shared, &cell, handle);
    request(shared, |router| router.add_output(link))
}

fn list(shared: &Shared, cell: &Arc<ElementCell>, handle: ElementHandle) {
    let cell = Arc::clone(cell);
    shared.elements.lock().push(Element { cell, handle });
}

fn request(shared: &Shared, request: impl FnOnce(&mut Router) + Send + 'static) -> Result<(), AddError> {
    let sent = shared.ingest.push(Ingest::request(request));
    sent.map_err(|_| AddError::Stopped)
}
