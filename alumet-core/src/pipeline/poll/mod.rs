//! The poll loop: one thread, several sources, absolute deadlines.

mod group;
mod realtime;
mod task;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::source::{Schedule, Tick};
use crate::time::{Alarm, Monotonic, Waker};

use super::element::{ElementKey, ElementState};
use super::lateness::Lateness;
use super::message::{Ingest, Problem, Ticket};
use super::shared::Shared;

use group::Group;
pub(crate) use task::PollTask;

/// Which thread polls a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Home {
    /// The thread that most sources share.
    Common,
    /// The thread for intervals below 10 ms.
    RealTime,
    /// A thread of its own.
    Own(ElementKey),
}

impl Home {
    pub(crate) fn of(key: &ElementKey, schedule: &Schedule, real_time_thread: bool) -> Self {
        if schedule.blocking {
            return Self::Own(key.clone());
        }
        match schedule.interval {
            Some(interval) if real_time_thread && interval < Schedule::REAL_TIME_BELOW => Self::RealTime,
            _ => Self::Common,
        }
    }

    /// The name of the thread, at most 15 bytes as the kernel wants it.
    fn thread_name(&self) -> String {
        match self {
            Self::Common => "alumet-poll".to_owned(),
            Self::RealTime => "alumet-rt".to_owned(),
            Self::Own(key) => format!("poll-{}", key.name)
                .chars()
                .filter(char::is_ascii)
                .take(15)
                .collect(),
        }
    }
}

/// What a poll thread is asked to do.
pub(crate) enum PollCommand {
    /// Polls one more source.
    Add(PollTask),
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
    /// Gives the source away, after handing on what it made.
    Take(Sender<PollTask>),
}

/// How punctual a poll thread is.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Punctuality {
    /// The name of the thread.
    pub thread: String,
    /// How late its ticks came.
    pub lateness: Lateness,
    /// Ticks that did not happen because an earlier one took too long or the machine was busy.
    pub missed_ticks: u64,
}

/// A poll thread, seen from outside.
pub(crate) struct PollThread {
    pub(crate) home: Home,
    mailbox: Arc<Mutex<Vec<PollCommand>>>,
    waker: Waker,
    punctuality: Arc<Mutex<Punctuality>>,
    pub(crate) ended: Receiver<()>,
    pub(crate) handle: JoinHandle<()>,
}

impl PollThread {
    pub(crate) fn spawn(home: Home, shared: Arc<Shared>) -> std::io::Result<Self> {
        let alarm = shared.clock.alarm()?;
        let waker = alarm.waker();
        let mailbox = Arc::new(Mutex::new(Vec::new()));
        let name = home.thread_name();
        let punctuality = Arc::new(Mutex::new(Punctuality {
            thread: name.clone(),
            lateness: Lateness::default(),
            missed_ticks: 0,
        }));
        let (done, ended) = channel();
        let poll_loop = PollLoop {
            mailbox: Arc::clone(&mailbox),
            punctuality: Arc::clone(&punctuality),
            alarm,
            shared,
            groups: Vec::new(),
        };
        let real_time = home == Home::RealTime;
        let handle = std::thread::Builder::new().name(name).spawn(move || {
            let _done: Sender<()> = done;
            if real_time {
                realtime::request();
            }
            poll_loop.run();
        })?;
        Ok(Self {
            home,
            mailbox,
            waker,
            punctuality,
            ended,
            handle,
        })
    }

    pub(crate) fn send(&self, command: PollCommand) {
        self.send_all([command]);
    }

    /// Sends commands that are carried out together.
    pub(crate) fn send_all(&self, commands: impl IntoIterator<Item = PollCommand>) {
        self.mailbox.lock().extend(commands);
        (self.waker)();
    }

    pub(crate) fn punctuality(&self) -> Punctuality {
        self.punctuality.lock().clone()
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
            for command in commands {
                match command {
                    PollCommand::Add(task) => self.add(task),
                    PollCommand::Apply(keys, action, ticket) => {
                        self.poll_fresh();
                        self.apply(&keys, &action, &ticket);
                    }
                    PollCommand::Stop => stop = true,
                }
            }
            self.poll_fresh();
            if stop {
                self.stop();
                return;
            }
            let deadline = self.groups.iter().filter_map(Group::deadline).min();
            self.alarm.wait(deadline);
        }
    }

    fn tick(&self, missed: u64) -> Tick {
        let now = self.shared.clock.now();
        Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed,
        }
    }

    fn poll_due(&mut self) {
        let tick = self.tick(0);
        for group in &mut self.groups {
            let Some(due) = group.due(tick.monotonic) else {
                continue;
            };
            {
                let mut punctuality = self.punctuality.lock();
                punctuality.lateness.record(due.lateness);
                punctuality.missed_ticks += due.missed;
            }
            group.poll(
                Tick {
                    missed: due.missed,
                    ..tick
                },
                &self.shared,
                |task| !task.is_fresh(),
            );
            if group.must_flush(due.at) {
                group.flush(&self.shared);
            }
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// The first poll of new sources, all at the same tick.
    fn poll_fresh(&mut self) {
        if !self.groups.iter().any(Group::has_fresh) {
            return;
        }
        let tick = self.tick(0);
        for group in &mut self.groups {
            if group.has_fresh() {
                group.poll(tick, &self.shared, PollTask::is_fresh);
                group.flush_if_immediate(&self.shared);
            }
        }
    }

    fn add(&mut self, task: PollTask) {
        let schedule = task.schedule();
        let (interval, flush) = (schedule.interval, schedule.flush);
        let group = match self
            .groups
            .iter_mut()
            .position(|group| group.serves(interval, flush))
        {
            Some(index) => &mut self.groups[index],
            None => {
                self.groups.push(Group::new(interval, flush, self.shared.origin));
                let last = self.groups.len() - 1;
                &mut self.groups[last]
            }
        };
        group.add(task, self.shared.clock.now().monotonic);
    }

    fn apply(&mut self, keys: &[ElementKey], action: &SourceAction, ticket: &Ticket) {
        let tick = self.tick(0);
        for group in &mut self.groups {
            if !group.has_any(keys) {
                continue;
            }
            match action {
                SourceAction::Pause => group.each(keys, PollTask::pause),
                SourceAction::Resume => {
                    group.each(keys, PollTask::resume);
                    group.realign(tick.monotonic);
                }
                SourceAction::Trigger => {
                    group.poll(tick, &self.shared, |task| keys.contains(task.key()));
                    for task in group.tasks().filter(|task| keys.contains(task.key())) {
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
                SourceAction::Take(taker) => {
                    group.flush(&self.shared);
                    for task in group.take(keys) {
                        // Whoever asked has given up waiting when this fails; the source ends then.
                        if let Err(task) = taker.send(task) {
                            self.shared.source_ended(task.0.key());
                        }
                    }
                }
            }
        }
        self.groups.retain(|group| !group.is_empty());
    }

    fn stop(mut self) {
        let tick = self.tick(0);
        for group in &mut self.groups {
            group.poll(tick, &self.shared, |task| {
                task.schedule().interval.is_some() && task.state() != ElementState::Paused
            });
            group.flush(&self.shared);
        }
    }
}

impl Shared {
    /// Hands a batch from a poll thread to the router; waits when the router is behind.
    fn hand_on(&self, batch: crate::batch::Batch) {
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
