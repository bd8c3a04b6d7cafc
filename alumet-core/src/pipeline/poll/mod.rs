//! The poll loop: one thread, several sources, absolute deadlines.

mod answer;
mod group;
mod realtime;
mod task;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::source::{Schedule, Thread, Tick};
use crate::time::{Alarm, Monotonic, Waker};

use super::element::{ElementCell, ElementKey, ElementState};
use super::lateness::Lateness;
use super::message::{Ingest, Problem, Ticket};
use super::shared::{Shared, Worker};

pub(crate) use answer::{Answer, Patience, wait};
use group::Group;
pub(crate) use task::PollTask;

/// The thread that most sources share.
pub(crate) const SHARED: &str = "alumet-poll";
/// The thread for intervals below 10 ms.
pub(crate) const REAL_TIME: &str = "alumet-rt";

impl Shared {
    /// The unique name of the thread that polls a source; `None` for other elements.
    pub(crate) fn thread_of(&self, cell: &ElementCell) -> Option<String> {
        cell.schedule()
            .map(|schedule| self.thread_for(cell.key(), &schedule))
    }

    pub(crate) fn thread_for(&self, key: &ElementKey, schedule: &Schedule) -> String {
        let is_quick = |interval| self.real_time_thread && interval < Schedule::REAL_TIME_BELOW;
        match schedule.thread {
            Thread::Own => key.to_string(),
            Thread::Named(name) => format!("threads/{}/{name}", key.plugin),
            Thread::Shared if schedule.interval.is_some_and(is_quick) => REAL_TIME.to_owned(),
            Thread::Shared => SHARED.to_owned(),
        }
    }
}

/// What a poll thread is asked to do. The answer has been given when the ticket is dropped.
pub(crate) enum PollCommand {
    /// Polls more sources.
    Add(Vec<PollTask>, Ticket),
    /// Does something to those of the named sources that are here.
    Apply(Arc<[ElementKey]>, SourceAction, Ticket),
    /// Ends the thread: a last poll of all sources that have an interval, then everything is handed on.
    Stop,
}

/// What can be done to a source.
#[derive(Clone)]
pub(crate) enum SourceAction {
    Pause,
    Resume,
    /// Polls now.
    Trigger,
    /// Hands on what waits.
    Flush,
    /// Polls in another interval from now on; the thread for it must be there.
    SetInterval(Duration),
    /// Gives the source away, after handing on what it made.
    Take(Basket),
}

/// Where sources are put that are taken; `None` when nobody waits for them any more, and they end.
pub(crate) type Basket = Arc<Mutex<Option<Vec<PollTask>>>>;

/// How punctual a poll thread is.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Punctuality {
    /// The unique name of the thread: `alumet-poll`, `alumet-rt`, the name of the source whose own it is, or
    /// `threads/<plugin>/<name>`. The kernel shows at most 15 bytes of it.
    pub thread: String,
    /// How late its ticks came.
    pub lateness: Lateness,
    /// Ticks that did not happen because an earlier one took too long or the machine was busy.
    pub missed_ticks: u64,
}

/// A poll thread, seen from outside.
pub(crate) struct PollThread {
    pub(crate) name: String,
    kernel_name: String,
    mailbox: Arc<Mutex<Vec<PollCommand>>>,
    waker: Waker,
    pub(crate) punctuality: Arc<Mutex<Punctuality>>,
    pub(crate) worker: Worker,
}

/// Starts those of the named threads that do not run yet.
pub(crate) fn start_threads(shared: &Arc<Shared>, names: impl IntoIterator<Item = String>) -> io::Result<()> {
    let mut threads = shared.poll_threads.lock();
    for name in names {
        if !threads.iter().any(|thread| thread.name == name) {
            let kernel_name = kernel_name(&name, &threads);
            threads.push(PollThread::spawn(name, kernel_name, Arc::clone(shared))?);
        }
    }
    Ok(())
}

/// Gives sources to the threads that poll them, which run already; those of the same thread come together.
pub(crate) fn distribute(
    shared: &Shared,
    tasks: Vec<PollTask>,
    mut give: impl FnMut(&PollThread, Vec<PollTask>),
) {
    let mut by_thread: Vec<(String, Vec<PollTask>)> = Vec::new();
    for task in tasks {
        let name = shared.thread_for(task.key(), task.schedule());
        match by_thread.iter_mut().find(|(other, _)| *other == name) {
            Some((_, tasks)) => tasks.push(task),
            None => by_thread.push((name, vec![task])),
        }
    }
    let threads = shared.poll_threads.lock();
    for (name, tasks) in by_thread {
        // None when the pipeline stops meanwhile.
        if let Some(thread) = threads.iter().find(|thread| thread.name == name) {
            give(thread, tasks);
        }
    }
}

/// What the kernel shows of a name, 15 bytes, and different for each thread.
fn kernel_name(name: &str, taken: &[PollThread]) -> String {
    let name = match name.splitn(3, '/').nth(2) {
        Some(of_source) => format!("poll-{of_source}"),
        None => name.to_owned(),
    };
    let shorten = |suffix: String| {
        let printable = name.chars().filter(|c| c.is_ascii() && !c.is_ascii_control());
        let start = printable.take(15 - suffix.len());
        start.chain(suffix.chars()).collect::<String>()
    };
    let mut names = std::iter::once(String::new()).chain((2..).map(|n| format!("~{n}")));
    let free = |name: &String| taken.iter().all(|thread| thread.kernel_name != *name);
    names.by_ref().map(shorten).find(free).unwrap_or_default()
}

impl PollThread {
    fn spawn(name: String, kernel_name: String, shared: Arc<Shared>) -> io::Result<Self> {
        let alarm = shared.clock.alarm()?;
        let waker = alarm.waker();
        let mailbox = Arc::new(Mutex::new(Vec::new()));
        let punctuality = Arc::new(Mutex::new(Punctuality {
            thread: name.clone(),
            lateness: Lateness::default(),
            missed_ticks: 0,
        }));
        let poll_loop = PollLoop {
            mailbox: Arc::clone(&mailbox),
            punctuality: Arc::clone(&punctuality),
            alarm,
            shared,
            groups: Vec::new(),
        };
        let real_time = name == REAL_TIME;
        let worker = Worker::thread(kernel_name.clone(), move || {
            if real_time {
                realtime::request();
            }
            poll_loop.run();
        })?;
        Ok(Self {
            name,
            kernel_name,
            mailbox,
            waker,
            punctuality,
            worker,
        })
    }

    pub(crate) fn send(&self, command: PollCommand) {
        self.mailbox.lock().push(command);
        (self.waker)();
    }

    /// Sends a command whose answer somebody may wait for.
    pub(crate) fn ask(&self, command: impl FnOnce(Ticket) -> PollCommand) -> Answer {
        let (ticket, problems) = channel();
        let asked = Instant::now();
        self.send(command(ticket));
        Answer {
            thread: self.name.clone(),
            asked,
            problems,
        }
    }
}

struct PollLoop {
    mailbox: Arc<Mutex<Vec<PollCommand>>>,
    punctuality: Arc<Mutex<Punctuality>>,
    alarm: Box<dyn Alarm>,
    shared: Arc<Shared>,
    groups: Vec<Group>,
}

impl PollLoop {
    fn run(mut self) {
        loop {
            // Commands first and the clock after them: whoever moves the clock and then sends a command can rely on
            // the ticks of that time being polled before the command is carried out.
            let commands = std::mem::take(&mut *self.mailbox.lock());
            self.poll_due();
            let mut stop = false;
            let mut added = Vec::new();
            for command in commands {
                match command {
                    PollCommand::Add(tasks, ticket) => {
                        tasks.into_iter().for_each(|task| self.add(task));
                        added.push(ticket);
                    }
                    PollCommand::Apply(keys, action, ticket) => {
                        self.poll_wanted();
                        self.apply(&keys, &action, &ticket);
                    }
                    PollCommand::Stop => stop = true,
                }
            }
            self.poll_wanted();
            drop(added);
            if stop {
                self.stop();
                return;
            }
            let deadline = self.groups.iter().filter_map(Group::deadline).min();
            self.alarm.wait(deadline);
        }
    }

    fn tick(&self) -> Tick {
        let now = self.shared.clock.now();
        Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        }
    }

    /// A poll that takes longer makes the thread miss a tick.
    fn allowed(&self) -> Option<Duration> {
        self.groups.iter().filter_map(Group::interval).min()
    }

    fn poll_due(&mut self) {
        let (tick, allowed) = (self.tick(), self.allowed());
        for group in &mut self.groups {
            let Some(due) = group.due(tick.monotonic) else {
                continue;
            };
            {
                let mut punctuality = self.punctuality.lock();
                punctuality.lateness.record(due.lateness);
                punctuality.missed_ticks += due.missed;
            }
            let missed = due.missed;
            let tick = Tick { missed, ..tick };
            group.poll(tick, allowed, &self.shared, |task| !task.is_fresh());
            if group.must_flush(due.at) {
                group.flush(&self.shared);
            }
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// The first poll of new sources and one of those that were woken, all at the same tick.
    fn poll_wanted(&mut self) {
        if !self.groups.iter().any(Group::has_wanted) {
            return;
        }
        let (tick, allowed) = (self.tick(), self.allowed());
        for group in &mut self.groups {
            if group.has_wanted() {
                group.poll(tick, allowed, &self.shared, PollTask::is_wanted);
                group.flush_if_immediate(&self.shared);
            }
        }
    }

    fn add(&mut self, task: PollTask) {
        task.wakes(self.alarm.waker());
        let schedule = task.schedule();
        let (interval, flush) = (schedule.interval, schedule.flush);
        let known = self.groups.iter().position(|group| group.serves(interval, flush));
        let index = known.unwrap_or_else(|| {
            self.groups.push(Group::new(interval, flush, self.shared.origin));
            self.groups.len() - 1
        });
        self.groups[index].add(task, self.shared.clock.now().monotonic);
    }

    fn apply(&mut self, keys: &[ElementKey], action: &SourceAction, ticket: &Ticket) {
        let (tick, allowed) = (self.tick(), self.allowed());
        for group in &mut self.groups {
            if group.named(keys).next().is_none() {
                continue;
            }
            match action {
                SourceAction::Pause => group.named(keys).for_each(PollTask::pause),
                SourceAction::Resume => {
                    group.named(keys).for_each(PollTask::resume);
                    group.realign(tick.monotonic);
                }
                SourceAction::Trigger => {
                    group.poll(tick, allowed, &self.shared, |task| keys.contains(task.key()));
                    for task in group.named(keys) {
                        if let Some(error) = task.last_failure() {
                            let _ = ticket.send(Problem {
                                element: task.key().clone(),
                                error,
                            });
                        }
                    }
                    group.flush_if_immediate(&self.shared);
                }
                SourceAction::Flush => group.flush(&self.shared),
                SourceAction::SetInterval(interval) => {
                    group.flush(&self.shared);
                    let mut tasks = group.take(keys);
                    tasks.iter_mut().for_each(|task| task.set_interval(*interval));
                    distribute(&self.shared, tasks, |thread, tasks| {
                        thread.send(PollCommand::Add(tasks, ticket.clone()));
                    });
                }
                SourceAction::Take(basket) => {
                    group.flush(&self.shared);
                    let tasks = group.take(keys);
                    match &mut *basket.lock() {
                        Some(basket) => basket.extend(tasks),
                        None => tasks
                            .iter()
                            .for_each(|task| self.shared.source_ended(task.cell())),
                    }
                }
            }
        }
        self.groups.retain(|group| !group.is_empty());
    }

    fn stop(mut self) {
        let (tick, allowed) = (self.tick(), self.allowed());
        for group in &mut self.groups {
            group.poll(tick, allowed, &self.shared, |task| {
                task.schedule().interval.is_some() && task.state() != ElementState::Paused
            });
            group.flush(&self.shared);
        }
    }
}

impl Shared {
    /// Hands a batch, whose samples count as pending, to the router; waits when the router is behind.
    pub(super) fn hand_on(&self, batch: crate::batch::Batch) {
        let samples = batch.len();
        self.ledger.lock().handed_on(samples);
        if self.ingest.push(Ingest::Batch(batch)).is_err() {
            self.ledger.lock().refused(samples);
        }
    }
}

/// A tick that is due.
struct Due {
    at: Monotonic,
    lateness: Duration,
    missed: u64,
}
