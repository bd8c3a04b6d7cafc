//! The source: opens counters for whoever is announced, and makes samples of them.

use std::io;
use std::sync::Arc;

use alumet_core::events::{ConsumerEvent, Subscription};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Series};
use alumet_reader_kernel_file::{ReadError, errno, is_exhausted};
use alumet_reader_perf_event::Target;
use hashbrown::HashSet;
use indexmap::{IndexMap, IndexSet};
use nix::errno::Errno;
use parking_lot::Mutex;

use crate::config::Config;
use crate::counted::{Counted, Events, Part, Room};
use crate::machine::Machine;
use crate::notes::rights;

/// Counts for all consumers.
///
/// Two of them share their work: one reads everything at each tick, the other is polled when somebody was announced, and only
/// begins. Its samples are handed on at once, those of a tick later; so the last ones are left to the tick, to come in order.
pub(crate) struct PerfSource {
    pub(crate) measured: Arc<Mutex<Measured>>,
    pub(crate) reads_all: bool,
}

pub(crate) struct Measured {
    pub(crate) config: Config,
    pub(crate) events: Events,
    pub(crate) machine: Machine,
    pub(crate) subscription: Subscription,
    /// The most descriptors that may be open.
    pub(crate) most: usize,
    pub(crate) descriptors: Series<u64>,
    pub(crate) left_out: Series<u64>,
    pub(crate) state: State,
}

/// What changes from poll to poll.
#[derive(Default)]
pub(crate) struct State {
    counted: IndexMap<Consumer, Counted>,
    /// Those that are read for the last time at the next tick.
    ended: Vec<Consumer>,
    /// Those that are to be counted and are not.
    left_out: IndexSet<Consumer>,
    /// Whether descriptors were closed since those were tried.
    has_room: bool,
    room: Room,
    has_told: HashSet<&'static str>,
}

/// Why somebody is not counted.
enum Unopened {
    /// There is nobody any more.
    Gone,
    /// No descriptors are left.
    Full,
    Refused(io::Error),
    Unreadable(ReadError),
}

impl Source for PerfSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let measured = &mut *self.measured.lock();
        measured.hear(out);
        if self.reads_all {
            measured.end_all(out);
            measured.follow_cpus(out);
            measured.begin_others(out);
            measured.read_all(out);
        }
        Ok(())
    }

    fn reset(&mut self) {
        // The other source has nothing of its own.
        if self.reads_all {
            self.measured
                .lock()
                .state
                .counted
                .values_mut()
                .for_each(Counted::forget);
        }
    }
}

impl Measured {
    /// Takes in who was announced.
    fn hear(&mut self, out: &mut Accumulator<'_>) {
        loop {
            match self.subscription.try_next() {
                Ok(None) => return,
                Ok(Some(ConsumerEvent::Started(consumers))) => {
                    for consumer in consumers.iter() {
                        if self.config.counts(consumer) {
                            self.begin(consumer.clone(), out);
                        }
                    }
                }
                Ok(Some(ConsumerEvent::Ended(consumers))) => {
                    let state = &mut self.state;
                    let is_known = |consumer: &&Consumer| {
                        state.counted.contains_key(*consumer) || state.left_out.contains(*consumer)
                    };
                    state.ended.extend(consumers.iter().filter(is_known).cloned());
                }
                Ok(Some(_)) => {}
                Err(lost) => tracing::warn!(%lost, "some processes or control groups are not counted"),
            }
        }
    }

    /// Counts a consumer from now on; it is left out when that is not possible.
    fn begin(&mut self, consumer: Consumer, out: &mut Accumulator<'_>) {
        if self.state.ended.contains(&consumer) {
            // Another one has its name now.
            self.end_all(out);
        }
        if self.state.counted.contains_key(&consumer) {
            return;
        }
        match self.open(&consumer, self.machine.cpus()) {
            Ok(parts) => {
                self.state.left_out.swap_remove(&consumer);
                let mut counted = Counted::new(consumer.clone());
                counted.add(parts, self.config.per_cpu, &self.events, out);
                self.state.counted.insert(consumer, counted);
            }
            Err(Unopened::Gone) => {
                self.state.left_out.swap_remove(&consumer);
            }
            Err(unopened) => {
                self.state.tell(&consumer, &unopened);
                self.state.left_out.insert(consumer);
            }
        }
    }

    /// Reads the last counts of those that have ended.
    fn end_all(&mut self, out: &mut Accumulator<'_>) {
        let state = &mut self.state;
        for consumer in state.ended.drain(..) {
            state.left_out.swap_remove(&consumer);
            if let Some(mut counted) = state.counted.swap_remove(&consumer) {
                counted.read(&self.events, &mut state.room, out);
                state.has_room = true;
            }
        }
    }

    /// The counters of a consumer; on these CPUs, if it is counted on each.
    fn open(&self, consumer: &Consumer, cpus: &[u32]) -> Result<Vec<Part>, Unopened> {
        let open = |target| match Part::open(target, &self.events.events) {
            // The thread has ended, or the CPU does not run any more.
            Err(error) if matches!(errno(&error), Errno::ESRCH | Errno::ENODEV) => Ok(None),
            Err(error) if is_exhausted(&error) => Err(Unopened::Full),
            Err(error) => Err(Unopened::Refused(error)),
            Ok(part) => Ok(part),
        };
        let has_room = |targets: usize| {
            let open: usize = self.state.counted.values().map(Counted::descriptors).sum();
            let needed = targets.saturating_mul(self.events.events.len() + 1);
            (open.saturating_add(needed) <= self.most)
                .then_some(())
                .ok_or(Unopened::Full)
        };
        let parts: Result<Vec<_>, _> = match consumer {
            Consumer::Process { pid } => {
                let threads = self.machine.threads_of(*pid);
                has_room(threads.len())?;
                threads
                    .into_iter()
                    .map(Target::Thread)
                    .filter_map(|target| open(target).transpose())
                    .collect()
            }
            Consumer::ControlGroup { path } => {
                let folder = self.machine.open_group(path)?;
                has_room(cpus.len())?;
                cpus.iter()
                    .filter_map(|cpu| open(Target::Cgroup(&folder, *cpu)).transpose())
                    .collect()
            }
            _ => {
                has_room(cpus.len())?;
                cpus.iter()
                    .filter_map(|cpu| open(Target::Cpu(*cpu)).transpose())
                    .collect()
            }
        };
        parts.and_then(|parts| {
            if parts.is_empty() {
                Err(Unopened::Gone)
            } else {
                Ok(parts)
            }
        })
    }

    /// Counts on the CPUs that run now.
    fn follow_cpus(&mut self, out: &mut Accumulator<'_>) {
        if !self.machine.look_at_cpus() {
            return;
        }
        let cpus = self.machine.cpus();
        for index in 0..self.state.counted.len() {
            let Some((consumer, counted)) = self.state.counted.get_index_mut(index) else {
                break;
            };
            counted.keep_cpus(cpus);
            let known: Vec<u32> = counted.cpus().collect();
            let new: Vec<u32> = cpus.iter().copied().filter(|cpu| !known.contains(cpu)).collect();
            let consumer = consumer.clone();
            if new.is_empty() || matches!(consumer, Consumer::Process { .. }) {
                continue;
            }
            match self.open(&consumer, &new) {
                Ok(parts) => {
                    if let Some(counted) = self.state.counted.get_mut(&consumer) {
                        counted.add(parts, self.config.per_cpu, &self.events, out);
                    }
                }
                Err(unopened) => self.state.tell(&consumer, &unopened),
            }
        }
    }

    /// Counts the machine if that is wanted, and those for whom there was no room.
    fn begin_others(&mut self, out: &mut Accumulator<'_>) {
        if self.config.system && !self.state.left_out.contains(&Consumer::LocalMachine) {
            self.begin(Consumer::LocalMachine, out);
        }
        if std::mem::take(&mut self.state.has_room) {
            for consumer in self.state.left_out.clone() {
                self.begin(consumer, out);
            }
        }
    }

    fn read_all(&mut self, out: &mut Accumulator<'_>) {
        let state = &mut self.state;
        let is_gone =
            |consumer: &Consumer| matches!(consumer, Consumer::Process { pid } if Machine::is_gone(*pid));
        state.left_out.retain(|consumer| !is_gone(consumer));
        state.counted.retain(|consumer, counted| {
            // Asked before the reading, so that nothing comes after the last one.
            let is_gone = is_gone(consumer);
            counted.read(&self.events, &mut state.room, out);
            state.has_room |= is_gone;
            !is_gone
        });
        let descriptors: usize = state.counted.values().map(Counted::descriptors).sum();
        out.push(&self.descriptors, descriptors as u64);
        out.push(&self.left_out, state.left_out.len() as u64);
    }
}

impl Config {
    /// Whether a consumer is counted when it is announced.
    fn counts(&self, consumer: &Consumer) -> bool {
        match consumer {
            Consumer::Process { .. } => self.processes,
            Consumer::ControlGroup { .. } => self.cgroups,
            _ => false,
        }
    }
}

impl State {
    /// Says, once for each reason, that somebody is not counted.
    fn tell(&mut self, consumer: &Consumer, unopened: &Unopened) {
        let first = |state: &mut Self, reason| state.has_told.insert(reason);
        match unopened {
            Unopened::Gone => {}
            Unopened::Full if first(self, "full") => tracing::warn!(
                %consumer,
                "it is not counted, and others may not be, until descriptors are free; raise `max_descriptors` and the limit of \
                 open files (`LimitNOFILE=` of the service, `ulimit -Hn`), or count fewer events"
            ),
            Unopened::Refused(error) if first(self, "refused") => {
                let remedy = rights(error, "0").unwrap_or_else(|| match errno(error) {
                    Errno::EBADF => "boot with `systemd.unified_cgroup_hierarchy=1`, so that `perf_event` is in the unified hierarchy".to_owned(),
                    _ => "see `dmesg`".to_owned(),
                });
                tracing::warn!(%consumer, %error, remedy, "the kernel refuses to count for it; others may be concerned as well");
            }
            Unopened::Unreadable(error) if first(self, "unreadable") => {
                tracing::warn!(%consumer, %error, "it is not counted; others may be concerned as well");
            }
            _ => {}
        }
    }
}

impl From<ReadError> for Unopened {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Gone { .. } => Self::Gone,
            error => Self::Unreadable(error),
        }
    }
}
