//! The watcher: finds processes, tells which group has them, and when they were born.

mod matcher;
mod program;

use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::events::{ConsumerEvent, Subscription};
use alumet_core::time::Monotonic;
use alumet_reader_procfs::process::{Process, ProcessStat, Processes};
use alumet_reader_procfs::{ReadError, SystemRoot};
use hashbrown::HashMap;

use crate::boot_clock::ticks_since_boot;

use matcher::Candidate;
pub(crate) use matcher::{Matcher, command_line};
pub(crate) use program::Program;

/// Finds processes for all sources of the plugin: one list of what is known, however many groups there are.
#[derive(Debug)]
pub(crate) struct Watcher {
    processes: Processes,
    matchers: Vec<Matcher>,
    /// One for each group, and one for announced processes that are in no group.
    inboxes: Vec<Inbox>,
    known: HashMap<u32, Known>,
    events: Subscription,
    /// Announced processes that could not be read yet.
    unread: Vec<u32>,
    refresh: Duration,
    scanned: Option<Monotonic>,
    /// The ticks since boot when the last scan began.
    scanned_ticks: u64,
    scan_at_once: bool,
    round: u64,
    started_ticks: u64,
    stat: ProcessStat,
}

/// What waits for a source.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Processes to be measured from now on.
    pub(crate) arrivals: Vec<Arrival>,
    /// Numbers of processes that were announced to have ended.
    pub(crate) ended: Vec<u32>,
}

/// A process that was found.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) process: Process,
    /// The instant before which it was not born: its whole life is billed. `None` when it was there before anybody looked:
    /// its life so far is not ours to bill.
    pub(crate) birth: Option<Monotonic>,
}

#[derive(Debug)]
struct Known {
    start_ticks: u64,
    program: Program,
    owner: Owner,
    round: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The source with this inbox.
    Source(usize),
    /// No group has it.
    Nobody,
    /// It ended after this instant; whoever has its number now was born later.
    Gone(Monotonic),
}

/// How many `stat` files of measured processes stay open. They are read only of processes that ran since the last poll.
const KEPT_STAT_FILES: usize = 128;

impl Watcher {
    /// Begins to watch. Processes that exist now are known to be older.
    ///
    /// Without groups nothing is scanned. Processes that are announced and in no group go to the inbox after those of
    /// the groups.
    ///
    /// # Errors
    /// When there is no list of processes. One that cannot be read this time is read at the next look.
    pub(crate) fn start(
        root: &SystemRoot,
        matchers: Vec<Matcher>,
        events: Subscription,
        refresh: Duration,
        now: Monotonic,
    ) -> Result<Self, ReadError> {
        let processes = Processes::open(root, KEPT_STAT_FILES)?;
        let started_ticks = ticks_since_boot(processes.ticks_per_second());
        let inboxes = (0..=matchers.len()).map(|_| Inbox::default()).collect();
        let mut watcher = Self {
            processes,
            matchers,
            inboxes,
            known: HashMap::new(),
            events,
            unread: Vec::new(),
            refresh,
            scanned: None,
            scanned_ticks: 0,
            scan_at_once: false,
            round: 0,
            started_ticks,
            stat: ProcessStat::default(),
        };
        if watcher.scans()
            && let Err(error) = watcher.scan(now)
            && !error.is_temporary()
        {
            return Err(error);
        }
        Ok(watcher)
    }

    /// Empties the inbox of a source, after a scan if one is due; says as well whether the processes could be listed.
    pub(crate) fn collect(&mut self, index: usize, now: Monotonic) -> (Inbox, Result<(), ReadError>) {
        self.take_events(now);
        let scan = match self.is_scan_due(now) {
            true => self.scan(now),
            false => Ok(()),
        };
        (std::mem::take(&mut self.inboxes[index]), scan)
    }

    /// Scans at the next call of [`collect`](Self::collect), whenever the previous scan was.
    pub(crate) const fn scan_at_once(&mut self) {
        self.scan_at_once = true;
    }

    /// A source does not measure a process any more: it is gone and was read for the last time at that instant, or it may
    /// still exist.
    pub(crate) fn release(&mut self, pid: u32, start_ticks: u64, gone: Option<Monotonic>) {
        let scans = self.scans();
        if let Some(known) = self.known.get_mut(&pid)
            && known.start_ticks == start_ticks
        {
            known.owner = gone.map_or(Owner::Nobody, Owner::Gone);
            if !scans {
                self.known.remove(&pid);
            }
        }
    }

    const fn scans(&self) -> bool {
        !self.matchers.is_empty()
    }

    fn is_scan_due(&self, now: Monotonic) -> bool {
        // A poll that comes a little early must not wait for the next one.
        let slack = self.refresh / 10;
        let is_old = |scanned| now.since(scanned) + slack >= self.refresh;
        self.scans() && (self.scan_at_once || self.scanned.is_none_or(is_old))
    }

    fn scan(&mut self, now: Monotonic) -> Result<(), ReadError> {
        let ticks = ticks_since_boot(self.processes.ticks_per_second());
        let pids = self.processes.pids()?;
        self.round += 1;
        for pid in pids {
            self.look_at(pid, now);
        }
        let (known, round) = (&mut self.known, self.round);
        known.retain(|_, known| known.round == round);
        // A source that is paused does not empty its inbox: what has ended meanwhile must not pile up in it.
        for inbox in &mut self.inboxes {
            let arrivals = &mut inbox.arrivals;
            arrivals.retain(|arrival| known.contains_key(&arrival.process.pid()));
            inbox.ended.retain(|pid| known.contains_key(pid));
        }
        self.scanned = Some(now);
        self.scanned_ticks = ticks;
        self.scan_at_once = false;
        Ok(())
    }

    /// A scan has found this number.
    fn look_at(&mut self, pid: u32, now: Monotonic) {
        let birth = match self.known.get_mut(&pid) {
            None => self.scanned,
            Some(known) => {
                known.round = self.round;
                match known.owner {
                    // The source reads it and will notice its end.
                    Owner::Source(_) => return,
                    Owner::Gone(last) => Some(last),
                    Owner::Nobody => match self.processes.stat(pid, &mut self.stat) {
                        // Gone before the next scan does its work.
                        Err(_) => return,
                        Ok(()) if self.stat.start_ticks != known.start_ticks => self.scanned,
                        // It runs another program now, which a group may have.
                        Ok(()) if !known.program.is_run_by(&self.stat) => None,
                        Ok(()) => return,
                    },
                }
            }
        };
        match self.processes.follow(pid) {
            Ok(process) => self.meet(process, birth, false, now),
            Err(error) => {
                // It has ended already, or the next scan finds it again.
                tracing::trace!(%error, pid, "a process cannot be followed");
                self.known.remove(&pid);
            }
        }
    }

    /// Begins to know a process and gives it to whom it belongs.
    fn meet(&mut self, process: Process, birth: Option<Monotonic>, announced: bool, now: Monotonic) {
        let pid = process.pid();
        let birth = birth.filter(|instant| !self.was_hidden(&process, *instant));
        let birth = birth.map(|instant| match self.processes.is_live() {
            true => instant.max(self.birth_of(process.start_ticks(), now)),
            false => instant,
        });
        let mut candidate = Candidate::new(&process, &mut self.processes);
        let group = self
            .matchers
            .iter()
            .position(|matcher| matcher.has(&mut candidate));
        if group.is_none() && candidate.is_incomplete {
            self.known.remove(&pid);
            self.unread.extend(announced.then_some(pid));
            return;
        }
        let owner = group.or(announced.then_some(self.matchers.len()));
        let known = Known {
            start_ticks: process.start_ticks(),
            program: Program::of(process.last_stat()),
            owner: owner.map_or(Owner::Nobody, Owner::Source),
            round: self.round,
        };
        self.known.insert(pid, known);
        if let Some(owner) = owner {
            self.inboxes[owner].arrivals.push(Arrival { process, birth });
        }
    }

    /// Whether a process that the last scan did not find was there all the same: hidden by `hidepid`, or refused. A
    /// second is more than lies between the start of a process and its appearance in the list.
    fn was_hidden(&self, process: &Process, birth: Monotonic) -> bool {
        let second = self.processes.ticks_per_second();
        self.processes.is_live()
            && Some(birth) == self.scanned
            && process.start_ticks().saturating_add(second) < self.scanned_ticks
    }

    fn take_events(&mut self, now: Monotonic) {
        for pid in std::mem::take(&mut self.unread) {
            self.announced(pid, now);
        }
        loop {
            match self.events.try_next() {
                Ok(None) => return,
                Ok(Some(ConsumerEvent::Started(consumers))) => {
                    pids_of(&consumers).for_each(|pid| self.announced(pid, now));
                }
                Ok(Some(ConsumerEvent::Ended(consumers))) => {
                    pids_of(&consumers).for_each(|pid| self.ended(pid));
                }
                Ok(Some(_)) => {}
                Err(lost) if self.scans() => {
                    tracing::debug!(%lost, "scanning for processes instead");
                    self.scan_at_once = true;
                }
                Err(lost) => tracing::warn!(
                    %lost,
                    "some announced processes are not measured; use `processes.strategy = \"watcher\"` to find them by scanning"
                ),
            }
        }
    }

    fn announced(&mut self, pid: u32, now: Monotonic) {
        let process = match self.processes.follow(pid) {
            Ok(process) => process,
            Err(error) => {
                self.unread.extend(error.is_temporary().then_some(pid));
                return;
            }
        };
        let start_ticks = process.start_ticks();
        if let Some(known) = self.known.get(&pid)
            && known.start_ticks == start_ticks
            && matches!(known.owner, Owner::Source(_))
        {
            return;
        }
        let is_younger = start_ticks >= self.started_ticks;
        let birth = is_younger.then(|| self.birth_of(start_ticks, now));
        self.meet(process, birth, true, now);
    }

    fn ended(&mut self, pid: u32) {
        if let Some(Owner::Source(owner)) = self.known.get(&pid).map(|known| known.owner) {
            self.inboxes[owner].ended.push(pid);
        }
    }

    /// An instant before which a process with this start was not born. Both numbers of ticks are rounded down, so its
    /// life can be one tick longer than their difference.
    fn birth_of(&self, start_ticks: u64, now: Monotonic) -> Monotonic {
        let ticks_per_second = self.processes.ticks_per_second();
        let ticks = ticks_since_boot(ticks_per_second)
            .saturating_sub(start_ticks)
            .saturating_add(1);
        let life = ticks.saturating_mul(1_000_000_000 / ticks_per_second.max(1));
        Monotonic::from_nanos(now.as_nanos().saturating_sub(life))
    }
}

fn pids_of(consumers: &[Consumer]) -> impl Iterator<Item = u32> {
    consumers.iter().filter_map(|consumer| match consumer {
        Consumer::Process { pid } => Some(*pid),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use alumet_core::events::ConsumerEvents;
    use alumet_core::testkit::FakeRoot;

    use super::*;
    use crate::config::GroupConfig;

    fn put(root: &FakeRoot, pid: u32, start: u64) {
        let stat = format!("{pid} (app) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 {start} 4096 1\n");
        root.write(format!("proc/{pid}/stat"), stat);
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    /// A watcher with one group for process 1 and one for all others, refreshed every two seconds from second 10 on.
    fn watcher(root: &FakeRoot) -> Watcher {
        root.write("proc/stat", "");
        let first = GroupConfig {
            pid: Some(1),
            ..GroupConfig::default()
        };
        let matchers = [first, GroupConfig::default()].map(|group| Matcher::of(&group).unwrap());
        Watcher::start(
            &SystemRoot::at(root.path()),
            matchers.into(),
            ConsumerEvents::new().subscribe(),
            Duration::from_secs(2),
            at(10),
        )
        .unwrap()
    }

    fn arrivals(watcher: &mut Watcher, index: usize, seconds: u64) -> Vec<(u32, Option<Monotonic>)> {
        let (inbox, scan) = watcher.collect(index, at(seconds));
        scan.unwrap();
        let arrived = inbox.arrivals.iter();
        arrived
            .map(|arrival| (arrival.process.pid(), arrival.birth))
            .collect()
    }

    #[test]
    fn a_birth_is_after_the_last_scan_and_not_before_the_last_reading_of_a_predecessor() {
        let root = FakeRoot::new();
        put(&root, 7, 1);
        let mut watcher = watcher(&root);
        put(&root, 8, 2);
        let found = [(7, None), (8, Some(at(10)))];
        assert_eq!(arrivals(&mut watcher, 1, 12), found);
        watcher.release(7, 1, Some(at(13)));
        // This is not the start of process 8: somebody else is gone, and process 8 stays.
        watcher.release(8, 1, Some(at(13)));
        put(&root, 7, 3);
        assert_eq!(arrivals(&mut watcher, 1, 14), [(7, Some(at(13)))]);
    }

    #[test]
    fn what_ends_before_a_paused_source_collects_it_does_not_pile_up() {
        let root = FakeRoot::new();
        let mut watcher = watcher(&root);
        for round in 0..20_u32 {
            put(&root, 100 + round, 5);
            assert!(arrivals(&mut watcher, 0, 12 + 2 * u64::from(round)).is_empty());
            root.remove(format!("proc/{}", 100 + round));
        }
        assert_eq!((watcher.inboxes[1].arrivals.len(), watcher.known.len()), (1, 1));
    }

    #[test]
    fn a_process_that_could_not_be_seen_before_is_not_billed_for_its_whole_life() {
        let mut watcher = Watcher::start(
            &SystemRoot::default(),
            vec![Matcher::of(&GroupConfig::default()).unwrap()],
            ConsumerEvents::new().subscribe(),
            Duration::from_secs(2),
            at(10),
        )
        .unwrap();
        arrivals(&mut watcher, 0, 10);
        watcher.known.remove(&1);
        assert!(arrivals(&mut watcher, 0, 12).contains(&(1, None)));
    }

    #[test]
    fn a_poll_that_comes_a_little_early_scans() {
        let root = FakeRoot::new();
        let mut watcher = watcher(&root);
        put(&root, 8, 2);
        let early = Monotonic::from_nanos(at(12).as_nanos() - 1_000_000);
        let (inbox, scan) = watcher.collect(1, early);
        scan.unwrap();
        assert_eq!(inbox.arrivals.len(), 1);
    }
}
