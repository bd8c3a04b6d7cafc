//! Adding elements, at the start and while the pipeline runs.

use std::io;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::output::{OnFull, QueuePolicy};
use crate::plugin::{
    AsyncOutputSpec, ElementSpecs, EventSourceSpec, OutputSpec, SourceSpec, StreamOutputSpec, TransformSpec,
};
use crate::series::Interner;

use super::backlog::Backlog;
use super::delivery::Delivery;
use super::element::{ElementCell, ElementKey, ElementKind};
use super::event_source;
use super::message::Ingest;
use super::poll::{Home, PollCommand, PollTask, PollThread};
use super::queue::Queue;
use super::records;
use super::router::{OutputLink, RouterCommand, TransformTask};
use super::shared::{Element, ElementHandle, Shared, Worker};
use super::writer::{self, Feed};

/// Why elements cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Two elements of the same kind and plugin have the same name.
    #[error("there are two elements named {0}; each needs a name of its own")]
    Duplicate(ElementKey),
    /// An interval is zero.
    #[error("{0} has an interval of zero; it must be longer")]
    ZeroInterval(ElementKey),
    /// An asynchronous element was added to a pipeline without a runtime.
    #[error(
        "{0} is asynchronous; start the pipeline within a tokio runtime, or give it one with `PipelineBuilder::runtime`"
    )]
    NoRuntime(ElementKey),
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

/// Adds all elements of a plugin: outputs before transforms before sources, so that no sample meets a missing element.
pub(crate) fn add(
    shared: &Arc<Shared>,
    plugin: &str,
    specs: ElementSpecs,
) -> Result<Vec<ElementKey>, AddError> {
    let keys = check(shared, plugin, &specs)?;
    let ElementSpecs {
        sources,
        event_sources,
        transforms,
        outputs,
        async_outputs,
        stream_outputs,
    } = specs;
    for spec in outputs {
        add_output(shared, plugin, spec)?;
    }
    for spec in async_outputs {
        add_async_output(shared, plugin, spec)?;
    }
    for spec in stream_outputs {
        add_stream_output(shared, plugin, spec)?;
    }
    for spec in transforms {
        add_transform(shared, plugin, spec)?;
    }
    add_sources(
        shared,
        sources
            .into_iter()
            .map(|spec| (plugin.to_owned(), spec))
            .collect(),
    )?;
    for spec in event_sources {
        add_event_source(shared, plugin, spec)?;
    }
    Ok(keys)
}

/// Finds what cannot work before anything is started.
pub(crate) fn check(
    shared: &Shared,
    plugin: &str,
    specs: &ElementSpecs,
) -> Result<Vec<ElementKey>, AddError> {
    let mut keys: Vec<ElementKey> = Vec::new();
    let mut add = |kind, name: &str, asynchronous: bool, zero: bool| {
        let key = ElementKey::new(kind, plugin, name);
        let taken = shared
            .elements
            .lock()
            .iter()
            .any(|element| *element.cell.key() == key);
        if taken || keys.contains(&key) {
            return Err(AddError::Duplicate(key));
        }
        if asynchronous && shared.runtime.is_none() {
            return Err(AddError::NoRuntime(key));
        }
        if zero {
            return Err(AddError::ZeroInterval(key));
        }
        keys.push(key);
        Ok(())
    };
    for spec in &specs.sources {
        let zero = spec.schedule.interval.is_some_and(|interval| interval.is_zero());
        add(ElementKind::Source, &spec.name, false, zero)?;
    }
    for spec in &specs.event_sources {
        add(ElementKind::Source, &spec.name, true, false)?;
    }
    for spec in &specs.transforms {
        add(ElementKind::Transform, &spec.name, false, false)?;
    }
    for spec in &specs.outputs {
        add(ElementKind::Output, &spec.name, false, false)?;
    }
    for spec in &specs.async_outputs {
        add(ElementKind::Output, &spec.name, true, false)?;
    }
    for spec in &specs.stream_outputs {
        add(ElementKind::Output, &spec.name, true, false)?;
    }
    Ok(keys)
}

/// Adds sources of one or several plugins; those of the same thread have their first poll at the same tick.
pub(crate) fn add_sources(shared: &Arc<Shared>, specs: Vec<(String, SourceSpec)>) -> Result<(), AddError> {
    let tasks = specs.into_iter().map(
        |(
            plugin,
            SourceSpec {
                name,
                source,
                schedule,
            },
        )| {
            let key = ElementKey::new(ElementKind::Source, &plugin, &name);
            let cell = Arc::new(ElementCell::new(key, Some(schedule)));
            shared.elements.lock().push(Element {
                cell: Arc::clone(&cell),
                handle: ElementHandle::Source,
            });
            PollTask::new(cell, source, schedule, Interner::new(shared.catalog.clone()))
        },
    );
    Ok(schedule(shared, tasks.collect())?)
}

/// Gives sources to the threads that poll them, starting threads as needed.
pub(crate) fn schedule(shared: &Arc<Shared>, tasks: Vec<PollTask>) -> io::Result<()> {
    let mut by_home: Vec<(Home, Vec<PollTask>)> = Vec::new();
    for task in tasks {
        let home = Home::of(task.key(), task.schedule(), shared.real_time_thread);
        match by_home.iter_mut().find(|(other, _)| *other == home) {
            Some((_, tasks)) => tasks.push(task),
            None => by_home.push((home, vec![task])),
        }
    }
    let mut threads = shared.poll_threads.lock();
    for (home, tasks) in by_home {
        let thread = match threads.iter().position(|thread| thread.home == home) {
            Some(index) => &threads[index],
            None => {
                threads.push(PollThread::spawn(home, Arc::clone(shared))?);
                &threads[threads.len() - 1]
            }
        };
        thread.send_all(tasks.into_iter().map(PollCommand::Add));
    }
    Ok(())
}

fn add_event_source(shared: &Arc<Shared>, plugin: &str, spec: EventSourceSpec) -> Result<(), AddError> {
    let key = ElementKey::new(ElementKind::Source, plugin, &spec.name);
    let runtime = shared
        .runtime
        .as_ref()
        .ok_or_else(|| AddError::NoRuntime(key.clone()))?;
    let cell = Arc::new(ElementCell::new(key, None));
    let stop = CancellationToken::new();
    // Known before it runs, so that it can be forgotten when it ends at once.
    let mut elements = shared.elements.lock();
    let worker = event_source::spawn(
        spec.source,
        Arc::clone(&cell),
        stop.clone(),
        Arc::clone(shared),
        runtime,
    );
    elements.push(Element {
        cell,
        handle: ElementHandle::EventSource { stop, worker },
    });
    Ok(())
}

fn add_transform(shared: &Arc<Shared>, plugin: &str, spec: TransformSpec) -> Result<(), AddError> {
    let cell = Arc::new(ElementCell::new(
        ElementKey::new(ElementKind::Transform, plugin, &spec.name),
        None,
    ));
    shared.elements.lock().push(Element {
        cell: Arc::clone(&cell),
        handle: ElementHandle::Transform,
    });
    command(
        shared,
        RouterCommand::AddTransform(TransformTask::new(cell, spec.transform, spec.after)),
    )
}

fn add_output(shared: &Arc<Shared>, plugin: &str, spec: OutputSpec) -> Result<(), AddError> {
    let OutputSpec {
        name,
        output,
        queue: policy,
    } = spec;
    let way = Way::of_policy(policy, shared);
    link_output(shared, plugin, &name, policy, way, |feed| {
        Ok(writer::spawn_thread(output, feed)?)
    })
}

fn add_async_output(shared: &Arc<Shared>, plugin: &str, spec: AsyncOutputSpec) -> Result<(), AddError> {
    let AsyncOutputSpec {
        name,
        output,
        queue: policy,
    } = spec;
    let way = Way::of_policy(policy, shared);
    link_output(shared, plugin, &name, policy, way, |feed| {
        let runtime = shared.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| AddError::NoRuntime(feed.delivery.cell.key().clone()))?;
        Ok(writer::spawn_task(output, feed, runtime))
    })
}

fn add_stream_output(shared: &Arc<Shared>, plugin: &str, spec: StreamOutputSpec) -> Result<(), AddError> {
    let StreamOutputSpec { name, output } = spec;
    link_output(
        shared,
        plugin,
        &name,
        QueuePolicy::default(),
        Way::Spool,
        |feed| {
            let key = feed.delivery.cell.key().clone();
            let runtime = shared.runtime.as_ref();
            let runtime = runtime.ok_or_else(|| AddError::NoRuntime(key.clone()))?;
            let backlog = feed.backlog.ok_or(AddError::NoSpool(key))?;
            Ok(records::spawn(
                output,
                feed.queue,
                feed.delivery,
                backlog,
                runtime,
            ))
        },
    )
}

/// How batches get from the router to an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Memory,
    /// Through memory, and through the spool when that is full.
    MemoryThenSpool,
    Spool,
}

impl Way {
    fn of_policy(policy: QueuePolicy, shared: &Shared) -> Self {
        if policy.durable.unwrap_or(shared.durable_by_default) {
            Self::Spool
        } else if policy.on_full == OnFull::Spill {
            Self::MemoryThenSpool
        } else {
            Self::Memory
        }
    }
}

fn link_output(
    shared: &Arc<Shared>,
    plugin: &str,
    name: &str,
    policy: QueuePolicy,
    way: Way,
    spawn: impl FnOnce(Feed) -> Result<Worker, AddError>,
) -> Result<(), AddError> {
    let key = ElementKey::new(ElementKind::Output, plugin, name);
    let queue = Arc::new(Queue::new(policy.capacity));
    let backlog = match way {
        Way::Memory => None,
        Way::MemoryThenSpool | Way::Spool => {
            let spool = shared.spool.get_or_open(&shared.catalog);
            let spool = spool.ok_or_else(|| AddError::NoSpool(key.clone()))?;
            let always = way == Way::Spool;
            let backlog = Backlog::new(spool, &format!("{plugin}/{name}"), always, &queue);
            Some(Arc::new(backlog))
        }
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
    let cell = Arc::new(ElementCell::new(key, None));
    let feed = Feed {
        queue: Arc::clone(&queue),
        delivery: Delivery {
            cell: Arc::clone(&cell),
            shared: Arc::clone(shared),
        },
        backlog: backlog.clone(),
    };
    let worker = spawn(feed)?;
    let handle = ElementHandle::Output {
        queue: Arc::clone(&queue),
        worker,
    };
    shared.elements.lock().push(Element {
        cell: Arc::clone(&cell),
        handle,
    });
    command(
        shared,
        RouterCommand::AddOutput(OutputLink {
            cell,
            queue,
            policy,
            backlog,
        }),
    )
}

fn command(shared: &Shared, command: RouterCommand) -> Result<(), AddError> {
    shared
        .ingest
        .push(Ingest::Command(command))
        .map_err(|_| AddError::Stopped)
}
