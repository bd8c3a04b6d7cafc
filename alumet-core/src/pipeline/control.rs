//! Control: list and steer the elements of a running pipeline. Every request gets an answer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::catalog::IncompatibleMetric;
use crate::consumer::Consumer;
use crate::plugin::ElementSpecs;
use crate::source::Schedule;
use crate::spool::SpoolStatus;

use super::add::{self, AddError};
use super::element::{ElementKey, ElementKind, ElementState, ElementStatus};
use super::health::{self, CertificateStatus};
use super::ledger::Ledger;
use super::message::{Ingest, Problem, Ticket};
use super::pattern::Pattern;
use super::poll::{self, Patience, PollCommand, Punctuality, SourceAction};
use super::router::Router;
use super::shared::{Element, ElementHandle, Phase, Shared};

/// Lists and steers the elements of a pipeline. Cheap to clone.
///
/// The methods wait for the answer, usually some microseconds and at most [`Self::PATIENCE`]; in asynchronous code
/// call them where blocking is allowed. They wait only for the threads that poll what they are about. A source that is in
/// a poll that does not end is named in a [`ControlError::Failed`], soon, and all others are served; what was asked of it
/// is done when the poll ends.
#[derive(Clone, Default)]
pub struct Control {
    /// Empty until the pipeline starts, so that plugins can have a control handle before.
    shared: Arc<OnceLock<Weak<Shared>>>,
    /// What the program does to read its configuration again.
    reload: Arc<OnceLock<Reload>>,
    /// Plugins that can explain numbers; gone with the plugin.
    explaining: Arc<Mutex<Vec<Weak<Explain>>>>,
    /// Who adds to a status; gone with whom it is about.
    adding: Arc<Mutex<Vec<Weak<dyn AddToStatus>>>>,
}

/// Reads the configuration again and applies what has changed; says what it did, or why nothing changed.
pub type Reload = Box<dyn Fn() -> Result<String, String> + Send + Sync>;

/// Says how the latest numbers of a consumer have come about, in a few lines; `None` if it has none.
pub type Explain = dyn Fn(&Consumer) -> Option<String> + Send + Sync;

/// Something around a pipeline that knows more than the pipeline: [obstacles](PipelineStatus::obstacles),
/// [notes](PipelineStatus::notes) and [certificates](PipelineStatus::certificates).
pub trait AddToStatus: Send + Sync {
    /// Adds what it knows. Must be quick, and must not ask for a status.
    fn add_to(&self, status: &mut PipelineStatus);
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The pipeline does not run, or not any more.
    #[error("the pipeline is not running")]
    NotRunning,
    /// The pattern selects nothing.
    #[error("`{pattern}` selects no element; there are: {}", joined(.known, ", "))]
    NothingSelected {
        /// The pattern.
        pattern: Pattern,
        /// All elements.
        known: Vec<ElementKey>,
    },
    /// The request makes no sense for the element.
    #[error("{element} cannot {action}: {why}")]
    NotApplicable {
        /// The element.
        element: ElementKey,
        /// What it was asked to do.
        action: &'static str,
        /// Why it cannot.
        why: &'static str,
    },
    /// The elements did not answer in time; the request may still be carried out.
    #[error("no answer within {} s: an element is busy; see which with a list of all elements", Control::PATIENCE.as_secs())]
    Timeout,
    /// Some elements failed while the request was carried out.
    #[error("{}", joined(.0, "; "))]
    Failed(Vec<Problem>),
    /// The program has no configuration that could be read again.
    #[error("this program has no configuration that it could read again")]
    NothingToReload,
    /// The configuration was refused; the old one stays in effect.
    #[error("the configuration is refused and the old one stays:\n{0}")]
    ReloadRefused(String),
    /// Nothing that can explain its numbers knows the consumer.
    #[error("nothing is computed for {0}; `energy-attribution` explains what it gives to its consumers")]
    NothingToExplain(Consumer),
    /// Elements cannot be added.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The metric of marks is another one of a plugin.
    #[error(transparent)]
    Mark(#[from] IncompatibleMetric),
}

fn joined(items: &[impl ToString], separator: &str) -> String {
    let texts: Vec<_> = items.iter().map(ToString::to_string).collect();
    texts.join(separator)
}

/// Everything about a pipeline at one instant.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PipelineStatus {
    /// All elements.
    pub elements: Vec<ElementStatus>,
    /// Where every sample is.
    pub ledger: Ledger,
    /// How punctual the poll threads are.
    pub punctuality: Vec<Punctuality>,
    /// What waits in the spool; `None` if nobody needs one.
    pub spool: Option<SpoolStatus>,
    /// Series that have a handle.
    pub live_series: usize,
    /// Time since the start.
    #[serde(rename = "uptime_seconds", serialize_with = "crate::duration::as_seconds")]
    pub uptime: Duration,
    /// What keeps the pipeline from measuring and delivering all that it should, each in words; empty if it does.
    pub obstacles: Vec<String>,
    /// What else whoever looks should know, each in words; it keeps nothing from being measured or delivered.
    pub notes: Vec<String>,
    /// The certificates that are in use.
    pub certificates: Vec<CertificateStatus>,
    /// Whether the program shows what others have measured, so that it needs no source of its own.
    #[serde(skip)]
    pub shows_others: bool,
}

impl Control {
    /// The longest time that a request waits for its answer.
    pub const PATIENCE: Duration = Patience::LONGEST;

    pub(crate) fn link(&self, shared: &Arc<Shared>) {
        let _ = self.shared.set(Arc::downgrade(shared));
    }

    fn shared(&self) -> Result<Arc<Shared>, ControlError> {
        self.shared
            .get()
            .and_then(Weak::upgrade)
            .ok_or(ControlError::NotRunning)
    }

    /// Everything about the pipeline.
    ///
    /// # Errors
    /// When the pipeline does not exist any more.
    pub fn status(&self) -> Result<PipelineStatus, ControlError> {
        let shared = self.shared()?;
        let moment = shared.clock.now();
        let now = moment.monotonic;
        let ledger = shared.ledger.lock().clone();
        let elements = shared
            .elements
            .lock()
            .iter()
            .map(|element| {
                let status = element.cell.status();
                ElementStatus {
                    stalled: element.stalled(&ledger, now),
                    in_vain: element.in_vain(&status, &ledger, now),
                    ..status
                }
            })
            .collect();
        let mut status = PipelineStatus {
            elements,
            ledger,
            punctuality: shared
                .poll_threads
                .lock()
                .iter()
                .map(|thread| thread.punctuality.lock().clone())
                .collect(),
            spool: shared.spool.opened().map(|spool| spool.status()),
            live_series: shared.catalog.live_series(),
            uptime: now.since(shared.origin),
            obstacles: Vec::new(),
            notes: Vec::new(),
            certificates: Vec::new(),
            shows_others: false,
        };
        // They are asked without the lock, for they have locks of their own.
        let adding: Vec<_> = self.adding.lock().iter().filter_map(Weak::upgrade).collect();
        adding.iter().for_each(|add| add.add_to(&mut status));
        let step = shared.wall_clock.lock().look(moment);
        health::judge(&mut status, moment.wall, step);
        Ok(status)
    }

    /// Lets a [status](Self::status) say what `add` knows, as long as somebody keeps it.
    pub fn on_status(&self, add: Weak<dyn AddToStatus>) {
        let mut adding = self.adding.lock();
        adding.retain(|add| add.strong_count() > 0);
        adding.push(add);
    }

    /// The elements that `pattern` selects.
    ///
    /// # Errors
    /// When the pipeline does not exist any more.
    pub fn list(&self, pattern: &Pattern) -> Result<Vec<ElementStatus>, ControlError> {
        let shared = self.shared()?;
        let elements = shared.elements.lock();
        let selected = elements
            .iter()
            .filter(|element| pattern.matches(element.cell.key()));
        Ok(selected.map(|element| element.cell.status()).collect())
    }

    /// Lets elements wait: a source is not polled, a transform lets samples pass, an output keeps them in its queue.
    ///
    /// # Errors
    /// When nothing is selected, or an event source is, which cannot wait.
    pub fn pause(&self, pattern: &Pattern) -> Result<Vec<ElementKey>, ControlError> {
        self.set_paused(pattern, true)
    }

    /// Lets paused elements go on; a source starts anew.
    ///
    /// # Errors
    /// When nothing is selected.
    pub fn resume(&self, pattern: &Pattern) -> Result<Vec<ElementKey>, ControlError> {
        self.set_paused(pattern, false)
    }

    fn set_paused(&self, pattern: &Pattern, paused: bool) -> Result<Vec<ElementKey>, ControlError> {
        let shared = self.running()?;
        let keys = select(&shared, pattern, |element| match element.handle {
            ElementHandle::EventSource { .. } => Some((
                if paused { "pause" } else { "resume" },
                "it is driven by events; stop it instead",
            )),
            _ => None,
        })?;
        let (state, action) = if paused {
            (ElementState::Paused, SourceAction::Pause)
        } else {
            (ElementState::Running, SourceAction::Resume)
        };
        let elements = shared.elements.lock();
        for element in elements
            .iter()
            .filter(|element| keys.contains(element.cell.key()))
        {
            match &element.handle {
                ElementHandle::Source | ElementHandle::EventSource { .. } => continue,
                ElementHandle::Transform => {}
                ElementHandle::Output { queue, .. } => queue.set_paused(paused),
            }
            element.cell.set_state(state);
        }
        drop(elements);
        apply(&shared, &keys, &action)?;
        Ok(keys)
    }

    /// Polls sources now, and waits until they have been.
    ///
    /// # Errors
    /// When nothing is selected or a poll failed.
    pub fn trigger(&self, pattern: &Pattern) -> Result<Vec<ElementKey>, ControlError> {
        let shared = self.running()?;
        let keys = select(&shared, pattern, only_polled("be triggered"))?;
        apply(&shared, &keys, &SourceAction::Trigger)?;
        Ok(keys)
    }

    /// Polls sources every `interval` from now on, or as often as tells [anything new](crate::plugin::SourceSpec::finest).
    ///
    /// # Errors
    /// When nothing is selected or the interval is shorter than [`Schedule::SHORTEST`].
    pub fn set_interval(
        &self,
        pattern: &Pattern,
        interval: Duration,
    ) -> Result<Vec<ElementKey>, ControlError> {
        let shared = self.running()?;
        let keys = select(&shared, pattern, |element| {
            let short = (interval < Schedule::SHORTEST)
                .then_some(("get this interval", "an interval must not be shorter than 1 ms"));
            only_polled("get an interval")(element).or(short)
        })?;
        let intervals = [interval, interval.max(Schedule::REAL_TIME_BELOW)];
        let threads = intervals.map(|interval| shared.thread_for(&keys[0], &Schedule::every(interval)));
        poll::start_threads(&shared, threads).map_err(AddError::from)?;
        apply(&shared, &keys, &SourceAction::SetInterval(interval))?;
        Ok(keys)
    }

    /// Hands everything on that has been measured, and waits until all outputs have written and flushed it.
    ///
    /// # Errors
    /// When an output failed to flush or did not do it in time, or a source hangs and keeps what its thread has.
    pub fn flush(&self) -> Result<(), ControlError> {
        self.flush_to(Pattern::all())
    }

    /// As [`Self::flush`], but waits for none but these outputs.
    pub(super) fn flush_to(&self, outputs: Pattern) -> Result<(), ControlError> {
        let shared = self.running()?;
        let keys: Vec<_> = shared
            .elements
            .lock()
            .iter()
            .map(|element| element.cell.key().clone())
            .collect();
        let mut problems = ask(&shared, &keys, &SourceAction::Flush, Patience::LITTLE, |_| true)?;
        problems.extend(route(&shared, move |router, ticket| {
            router.flush(&outputs, &ticket);
        })?);
        outcome(problems)
    }

    /// Ends elements: a source is dropped after its samples were handed on, a transform emits what it holds, an output
    /// writes what it has queued.
    ///
    /// An output that fails or does not end in time is not listed any more, and another one of its name can start. It
    /// goes on until it has written what it has or the pipeline ends. A durable one is abandoned instead: what it has
    /// not written stays in the spool, for the other one.
    ///
    /// # Errors
    /// When nothing is selected, an output failed, or an element did not end in time.
    pub fn stop(&self, pattern: &Pattern) -> Result<Vec<ElementKey>, ControlError> {
        let shared = self.running()?;
        let keys = select(&shared, pattern, |_| None)?;
        let basket = Arc::new(Mutex::new(Some(Vec::new())));
        let take = SourceAction::Take(Arc::clone(&basket));
        let taken = apply(&shared, &keys, &take);
        let sources = basket.lock().take().unwrap_or_default();
        let ended = end(&shared, &keys);
        // Last of all: when no source is left, the program may end the pipeline at once.
        for task in sources {
            shared.source_ended(task.cell());
        }
        ended.and(taken).map(|()| keys)
    }

    /// Keeps samples back before the transforms until the hold is dropped, so that elements can be exchanged without losing
    /// any. Meanwhile, the end of the last source or output is not announced, for it may have a successor.
    ///
    /// # Errors
    /// When the transforms do not answer in time.
    pub fn hold(&self) -> Result<Hold, ControlError> {
        let shared = self.running()?;
        shared.begin_exchange();
        // Released even if the answer is late.
        let hold = Hold {
            shared: Arc::downgrade(&shared),
        };
        route(&shared, |router, _| router.hold())?;
        Ok(hold)
    }

    /// Adds elements under the name of a plugin, while the pipeline runs. Returns after the first poll of its sources,
    /// but for those on a thread that hangs.
    ///
    /// # Errors
    /// When a name is taken, a schedule is impossible, or the system has no thread left; then nothing was added.
    pub fn add(&self, plugin: &str, specs: ElementSpecs) -> Result<Vec<ElementKey>, ControlError> {
        let shared = self.running()?;
        let keys = add::check(&shared, plugin, &specs)?;
        match add::add(&shared, plugin, specs) {
            Ok(answers) => {
                // Whoever holds it up is in the log.
                let _ = poll::wait(answers, &shared, Patience::LITTLE);
                Ok(keys)
            }
            Err(error) => {
                if let Err(rest) = end(&shared, &keys) {
                    tracing::error!(plugin, error = %rest, "what was added already does not end");
                }
                Err(error.into())
            }
        }
    }

    /// Chooses what [`Self::reload`] does; the first choice stays.
    pub fn on_reload(&self, reload: Reload) {
        let _ = self.reload.set(reload);
    }

    /// Lets the program read its configuration again and apply what has changed; says what that was.
    ///
    /// # Errors
    /// When the program cannot do that, or refuses the configuration; nothing has changed then.
    pub fn reload(&self) -> Result<String, ControlError> {
        let reload = self.reload.get().ok_or(ControlError::NothingToReload)?;
        reload().map_err(ControlError::ReloadRefused)
    }

    /// Lets [`Self::explain`] ask `explain`, as long as its plugin keeps it.
    pub fn on_explain(&self, explain: &Arc<Explain>) {
        let mut explaining = self.explaining.lock();
        explaining.retain(|explain| explain.strong_count() > 0);
        explaining.push(Arc::downgrade(explain));
    }

    /// How the latest computed numbers of a consumer have come about: what each plugin that computes some says of it.
    ///
    /// # Errors
    /// When none does.
    pub fn explain(&self, consumer: &Consumer) -> Result<String, ControlError> {
        // They are asked without the lock, for they have locks of their own.
        let explaining: Vec<_> = self.explaining.lock().iter().filter_map(Weak::upgrade).collect();
        let explained: Vec<_> = explaining
            .iter()
            .filter_map(|explain| explain(consumer))
            .collect();
        match explained.is_empty() {
            true => Err(ControlError::NothingToExplain(consumer.clone())),
            false => Ok(explained.join("\n")),
        }
    }

    /// Waits until the threads that sources share have answered, which shows that measuring goes on. A source that hangs
    /// on a thread of its own, or one that the plugin has named, keeps nobody else from it.
    ///
    /// # Errors
    /// When a thread is stuck in a source or waits for an output.
    pub fn ping(&self) -> Result<(), ControlError> {
        let shared = self.running()?;
        let is_shared = |thread: &str| [poll::SHARED, poll::REAL_TIME].contains(&thread);
        outcome(ask(&shared, &[], &SourceAction::Flush, Patience::ALL, is_shared)?)
    }

    /// Asks the program to stop the pipeline and end.
    ///
    /// # Errors
    /// When the pipeline does not exist any more.
    pub fn request_shutdown(&self) -> Result<(), ControlError> {
        let shared = self.shared()?;
        shared.shutdown_requested.cancel();
        Ok(())
    }

    /// Whether the pipeline takes requests: it has started, and has not stopped yet.
    pub fn is_running(&self) -> bool {
        self.running().is_ok()
    }

    pub(super) fn running(&self) -> Result<Arc<Shared>, ControlError> {
        let shared = self.shared()?;
        let is_running = *shared.phase.lock() == Phase::Running;
        if is_running {
            Ok(shared)
        } else {
            Err(ControlError::NotRunning)
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
}

/// Keeps samples back until it is dropped; made by [`Control::hold`].
#[must_use = "samples flow again when the hold is dropped"]
pub struct Hold {
    shared: Weak<Shared>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            // A pipeline that has stopped holds nothing.
            let _ = shared.ingest.push(Ingest::request(Router::release));
            shared.end_exchange();
        }
    }
}

/// The keys that `pattern` selects; an error if there is none or if `objection` has something against one of them.
///
/// With a pattern that leaves the kind open, elements with an objection are passed over instead.
fn select(
    shared: &Shared,
    pattern: &Pattern,
    objection: impl Fn(&Element) -> Option<(&'static str, &'static str)>,
) -> Result<Vec<ElementKey>, ControlError> {
    let elements = shared.elements.lock();
    let mut keys = Vec::new();
    let mut refused = None;
    for element in elements
        .iter()
        .filter(|element| pattern.matches(element.cell.key()))
    {
        let key = element.cell.key().clone();
        match objection(element) {
            None => keys.push(key),
            Some((action, why)) => {
                refused = Some(ControlError::NotApplicable {
                    element: key,
                    action,
                    why,
                });
            }
        }
    }
    match (keys.is_empty(), refused) {
        (false, _) => Ok(keys),
        (true, Some(refused)) => Err(refused),
        (true, None) => Err(ControlError::NothingSelected {
            pattern: pattern.clone(),
            known: elements
                .iter()
                .map(|element| element.cell.key().clone())
                .collect(),
        }),
    }
}

fn only_polled(action: &'static str) -> impl Fn(&Element) -> Option<(&'static str, &'static str)> {
    move |element| match (&element.handle, element.cell.key().kind) {
        (ElementHandle::Source, _) => None,
        (_, ElementKind::Source) => Some((action, "it is driven by events")),
        _ => Some((action, "it is no source")),
    }
}

/// Does something to all named sources and waits until it is done.
fn apply(shared: &Shared, keys: &[ElementKey], action: &SourceAction) -> Result<(), ControlError> {
    let elements = shared.elements.lock();
    let selected = elements
        .iter()
        .filter(|element| keys.contains(element.cell.key()));
    let owners: BTreeSet<_> = selected
        .filter_map(|element| shared.thread_of(&element.cell))
        .collect();
    drop(elements);
    outcome(ask(shared, keys, action, Patience::SOME, |thread| {
        owners.contains(thread)
    })?)
}

/// Asks the chosen poll threads to do something to those of the named sources that they have, and waits for them.
fn ask(
    shared: &Shared,
    keys: &[ElementKey],
    action: &SourceAction,
    patience: Patience,
    which: impl Fn(&str) -> bool,
) -> Result<Vec<Problem>, ControlError> {
    let keys: Arc<[ElementKey]> = keys.into();
    let command = |ticket| PollCommand::Apply(Arc::clone(&keys), action.clone(), ticket);
    let threads = shared.poll_threads.lock();
    let chosen = threads.iter().filter(|thread| which(&thread.name));
    let answers = chosen.map(|thread| thread.ask(command)).collect();
    drop(threads);
    poll::wait(answers, shared, patience).map_err(|_late| ControlError::Timeout)
}

/// Sends something after all that has been measured, and waits until nobody has the ticket any more.
fn route(
    shared: &Shared,
    request: impl FnOnce(&mut Router, Ticket) + Send + 'static,
) -> Result<Vec<Problem>, ControlError> {
    let (ticket, answers) = channel();
    let sent = shared
        .ingest
        .push(Ingest::request(|router| request(router, ticket)));
    sent.map_err(|_| ControlError::NotRunning)?;
    let deadline = Instant::now() + Control::PATIENCE;
    let mut problems = Vec::new();
    loop {
        match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(problem) => problems.push(problem),
            Err(RecvTimeoutError::Timeout) => return Err(ControlError::Timeout),
            Err(RecvTimeoutError::Disconnected) => return Ok(problems),
        }
    }
}

fn outcome(problems: Vec<Problem>) -> Result<(), ControlError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ControlError::Failed(problems))
    }
}

/// Ends event sources, transforms and outputs, and waits until they have. Whatever the answer is, they are not listed any
/// more.
fn end(shared: &Shared, keys: &[ElementKey]) -> Result<(), ControlError> {
    let deadline = Instant::now() + Control::PATIENCE;
    let is_named = |element: &Element| keys.contains(element.cell.key());
    for element in shared.elements.lock().iter().filter(|element| is_named(element)) {
        match &element.handle {
            ElementHandle::EventSource { stop, .. } => stop.cancel(),
            // What comes before the end must not wait for an output that is stuck.
            ElementHandle::Output { queue, .. } => queue.open_wide(),
            ElementHandle::Source | ElementHandle::Transform => {}
        }
    }
    let named = keys.to_vec();
    let remove = move |router: &mut Router, ticket| router.remove(&named, &ticket);
    let (mut problems, is_late) = match route(shared, remove) {
        Ok(problems) => (problems, false),
        Err(ControlError::Timeout) => (Vec::new(), true),
        Err(error) => return Err(error),
    };
    // A source that is polled is forgotten when its thread has given it away.
    let ended: Vec<_> = shared
        .elements
        .lock()
        .extract_if(.., |element| {
            is_named(element) && !matches!(element.handle, ElementHandle::Source)
        })
        .collect();
    for element in ended {
        let key = element.cell.key();
        let failed = problems.iter().position(|problem| problem.element == *key);
        let Some(rest) = element.handle.leave(deadline, failed.is_some()) else {
            continue;
        };
        match failed {
            Some(index) => problems[index].error += &format!("; {rest}"),
            None => problems.push(Problem {
                element: key.clone(),
                error: format!("it does not end within {} s; {rest}", Control::PATIENCE.as_secs()),
            }),
        }
        let mut leaving = shared.leaving.lock();
        leaving.retain(|element| element.cell.state() != ElementState::Ended);
        leaving.push(element);
    }
    if is_late && problems.is_empty() {
        // A transform keeps the router busy.
        return Err(ControlError::Timeout);
    }
    outcome(problems)
}

impl ElementHandle {
    /// Waits until an element that was asked to end has; if it goes on, says how.
    fn leave(&self, deadline: Instant, fails: bool) -> Option<&'static str> {
        match self {
            Self::Source | Self::Transform => None,
            Self::EventSource { worker, .. } => {
                (!worker.wait(deadline)).then_some("it is waited for when the pipeline ends")
            }
            Self::Output {
                queue,
                worker,
                is_durable: true,
                ..
            } => {
                if !worker.wait(deadline) {
                    // Two must not read one cursor.
                    queue.abandon();
                    worker.wait(Instant::now() + Duration::from_millis(500));
                    return Some("it is abandoned, and what it has not written stays in the spool");
                }
                fails.then_some("what it has not written stays in the spool")
            }
            Self::Output { worker, .. } => {
                let deadline = if fails { Instant::now() } else { deadline };
                (!worker.wait(deadline)).then_some(
                    "it goes on in the background until it has written what it has or the pipeline ends",
                )
            }
        }
    }
}
