//! Adding elements, at the start and while the pipeline runs.

use std::io;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::plugin::{ElementSpecs, EventSourceSpec, OutputSpec, SourceSpec, TransformSpec};
use crate::series::Interner;

use super::backlog::Backlog;
use super::element::{ElementCell, ElementKey, ElementKind};
use super::event_source;
use super::message::Ingest;
use super::poll::{Home, PollCommand, PollTask, PollThread};
use super::queue::Queue;
use super::router::{OutputLink, RouterCommand, TransformTask};
use super::shared::{Element, ElementHandle, Shared};
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
    } = specs;
    for spec in outputs {
        add_output(shared, plugin, spec)?;
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
        add(ElementKind::Output, &spec.name, spec.policy.in_task, false)?;
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
        queue: queueing,
        policy,
    } = spec;
    let key = ElementKey::new(ElementKind::Output, plugin, &name);
    let queue = Arc::new(Queue::new(queueing.capacity));
    let durable = policy.encoded || queueing.durable.unwrap_or(shared.durable_by_default);
    let backlog = if durable {
        let spool = shared.spool.get_or_open(&shared.catalog);
        let spool = spool.ok_or_else(|| AddError::NoSpool(key.clone()))?;
        let backlog = Backlog::new(spool, &format!("{plugin}/{name}"), policy.encoded, &queue);
        Some(Arc::new(backlog))
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
    let cell = Arc::new(ElementCell::new(key.clone(), None));
    let feed = Feed {
        cell: Arc::clone(&cell),
        shared: Arc::clone(shared),
        queue: Arc::clone(&queue),
        policy,
        backlog,
    };
    let is_durable = feed.backlog.is_some();
    let worker = if policy.in_task {
        let runtime = shared.runtime.as_ref();
        let runtime = runtime.ok_or_else(|| AddError::NoRuntime(key))?;
        writer::spawn_task(output, feed, runtime)
    } else {
        writer::spawn_thread(output, feed)?
    };
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
            on_full: queueing.on_full,
            is_durable,
        }),
    )
}

fn command(shared: &Shared, command: RouterCommand) -> Result<(), AddError> {
    shared
        .ingest
        .push(Ingest::Command(command))
        .map_err(|_| AddError::Stopped)
}
