//! A model check of the group commit: what others do while a transaction is on its way to the disk.
//!
//! The log, the thread that writes and the file are the real ones. What the thread does in one turn is done here in three steps,
//! because others are kept from the state of the log only in the first and the last: it takes a job, the disk stores it, and what
//! has become of it is noted. Between them, records are appended and acknowledged in any order, the disk fails before or after the
//! transaction is in the file, and the program is killed. At each kill, whatever anybody was told to be safe must be in the file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::spool::{InstanceId, Origin, Spooled};
use alumet_core::testkit::ManualClock;
use alumet_shared_batch_encoding::Encoded;
use alumet_shared_sqlite_file::DiskError;
use proptest::prelude::*;

use super::writer::Writer;
use super::{Log, SpoolConfig};
use crate::disk::Disk;
use crate::record::{Job, Outcome};

const OUTPUTS: [&str; 2] = ["output/a", "output/b"];
const SENDERS: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Append {
        bytes: usize,
        sender: usize,
    },
    /// Of a batch that has no sample left.
    NoteOrigin {
        sender: usize,
    },
    Read {
        output: usize,
    },
    Acknowledge {
        output: usize,
        back: u64,
    },
    /// Somebody asks for all so far to be on disk.
    Await,
    Take,
    Store(Fate),
    Settle,
    Kill,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Stored,
    Refused,
    /// It is in the file, and nobody knows.
    StoredButFailed,
}

fn step() -> impl Strategy<Value = Step> {
    let (output, sender) = (0..OUTPUTS.len(), 0..SENDERS);
    let fate = prop_oneof![
        6 => Just(Fate::Stored),
        1 => Just(Fate::Refused),
        1 => Just(Fate::StoredButFailed),
    ];
    prop_oneof![
        6 => (1..600_usize, sender.clone()).prop_map(|(bytes, sender)| Step::Append { bytes, sender }),
        2 => sender.prop_map(|sender| Step::NoteOrigin { sender }),
        3 => output.clone().prop_map(|output| Step::Read { output }),
        3 => (output, 0..3_u64).prop_map(|(output, back)| Step::Acknowledge { output, back }),
        2 => Just(Step::Await),
        4 => Just(Step::Take),
        4 => fate.prop_map(Step::Store),
        4 => Just(Step::Settle),
        1 => Just(Step::Kill),
    ]
}

/// What is so at one moment.
#[derive(Debug, Default, Clone)]
struct Stand {
    head: u64,
    done: [u64; OUTPUTS.len()],
    /// The last batch of each sender.
    senders: [u64; SENDERS],
}

/// A transaction on its way.
struct OnItsWay {
    disk: Disk,
    job: Job,
    stored: Option<Result<Outcome, DiskError>>,
}

struct World {
    _folder: tempfile::TempDir,
    config: SpoolConfig,
    log: Arc<Log>,
    writer: Writer,
    on_its_way: Option<OnItsWay>,
    /// All records that may be somewhere.
    records: BTreeMap<u64, Arc<[u8]>>,
    /// Of each sender the record of each batch; 0 for one without.
    arrived: [BTreeMap<u64, u64>; SENDERS],
    now: Stand,
    given: [u64; OUTPUTS.len()],
    /// What somebody waits for, and at which number of changes it is there.
    awaited: Vec<(u64, Stand)>,
    /// What somebody was told to be safe.
    safe: Stand,
}

impl World {
    fn new(max_bytes: u64, memory_bytes: usize) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let config = SpoolConfig {
            path: Some(folder.path().join("spool.db")),
            max_bytes,
            memory_bytes,
            root: folder.path().to_owned(),
            ..SpoolConfig::default()
        };
        let (log, writer) = open(&config);
        for output in OUTPUTS {
            log.change(output, |state| state.open_cursor(output));
        }
        Self {
            _folder: folder,
            config,
            log,
            writer,
            on_its_way: None,
            records: BTreeMap::new(),
            arrived: Default::default(),
            now: Stand::default(),
            given: [0; _],
            awaited: Vec::new(),
            safe: Stand::default(),
        }
    }

    fn go(&mut self, step: &Step) {
        match *step {
            Step::Append { bytes, sender } => {
                let payload: Arc<[u8]> = vec![self.now.head as u8; bytes].into();
                let encoded = Encoded {
                    definitions: None,
                    generation: self.log.state.lock().generation,
                    samples: 1,
                    checksum: crc32fast::hash(&payload),
                    time: None,
                    payload: Arc::clone(&payload),
                };
                let origin = self.arrive(sender);
                let number = self.log.append(Some(encoded), Some(origin));
                assert!(number > self.now.head);
                self.now.head = number;
                self.records.insert(number, payload);
                self.arrived[sender].insert(origin.sequence, number);
            }
            Step::NoteOrigin { sender } => {
                let origin = self.arrive(sender);
                self.log.append(None, Some(origin));
                self.arrived[sender].insert(origin.sequence, 0);
            }
            Step::Read { output } => self.read(output),
            Step::Acknowledge { output, back } => {
                let up_to = self.given[output].saturating_sub(back);
                if up_to > self.now.done[output] {
                    self.log.acknowledge(OUTPUTS[output], up_to, None);
                    self.now.done[output] = self.log.state.lock().cursors[OUTPUTS[output]].done.sequence;
                }
            }
            Step::Await => self
                .awaited
                .push((self.log.state.lock().changes, self.now.clone())),
            Step::Take => self.take(),
            Step::Store(fate) => self.store(fate),
            Step::Settle => self.settle(),
            Step::Kill => self.kill(),
        }
        self.hear();
    }

    fn arrive(&mut self, sender: usize) -> Origin {
        self.now.senders[sender] += 1;
        Origin {
            instance: id(sender),
            sequence: self.now.senders[sender],
            checksum: 0,
        }
    }

    fn read(&mut self, output: usize) {
        // The file cannot be read while the thread has it.
        let Ok(spooled) = self.log.read(OUTPUTS[output], 1000) else {
            return;
        };
        for one in spooled {
            let first = match &one {
                Spooled::Gap(gap) => gap.first,
                Spooled::Record(record) => {
                    assert_eq!(self.records.get(&record.sequence), Some(&record.payload));
                    record.sequence
                }
            };
            let between = self.given[output] + 1..first;
            assert_eq!(
                self.records.range(between).next(),
                None,
                "left out before {first}"
            );
            self.given[output] = one.last();
        }
    }

    fn take(&mut self) {
        if self.on_its_way.is_some() {
            return;
        }
        let disk = self.log.disk.lock().take();
        let disk = disk.unwrap_or_else(|| self.writer.connect(false).unwrap());
        self.log.evict(Some(&disk)).unwrap();
        let job = self.writer.take_job();
        self.on_its_way = Some(OnItsWay {
            disk,
            job,
            stored: None,
        });
    }

    fn store(&mut self, fate: Fate) {
        let Some(it) = self.on_its_way.as_mut().filter(|it| it.stored.is_none()) else {
            return;
        };
        let refused = || Err(DiskError::Refused("for the test".to_owned()));
        let stored = match fate {
            Fate::Stored => it.disk.store(&it.job, false),
            Fate::Refused => refused(),
            Fate::StoredButFailed => it.disk.store(&it.job, false).and_then(|_| refused()),
        };
        it.stored = Some(stored);
    }

    fn settle(&mut self) {
        let Some(OnItsWay {
            disk,
            job,
            stored: Some(stored),
        }) = self.on_its_way.take_if(|it| it.stored.is_some())
        else {
            return;
        };
        if self.writer.settle(job, stored).is_ok() {
            *self.log.disk.lock() = Some(disk);
        }
    }

    /// Notes what anybody who waits or follows is told now.
    fn hear(&mut self) {
        let state = self.log.state.lock();
        let committed = state.committed_changes;
        for (_, stand) in self.awaited.extract_if(.., |(changes, _)| *changes <= committed) {
            self.safe.head = self.safe.head.max(stand.head);
            for output in 0..OUTPUTS.len() {
                self.safe.done[output] = self.safe.done[output].max(stand.done[output]);
            }
            for sender in 0..SENDERS {
                self.safe.senders[sender] = self.safe.senders[sender].max(stand.senders[sender]);
            }
        }
        for sender in 0..SENDERS {
            let told = state
                .origins
                .committed(id(sender))
                .map_or(0, |mark| mark.sequence);
            self.safe.senders[sender] = self.safe.senders[sender].max(told);
        }
    }

    /// All that was in memory is gone. What is in the file is compared, and gone on with.
    fn kill(&mut self) {
        self.on_its_way = None;
        *self.log.disk.lock() = None;
        (self.log, self.writer) = open(&self.config);
        let state = self.log.state.lock();
        let disk = self.log.disk.lock();
        let found = disk.as_ref().unwrap().fetch(0, u64::MAX, usize::MAX).unwrap();
        for entry in &found {
            assert_eq!(self.records.get(&entry.end.sequence), Some(&entry.payload));
        }
        let is_kept = |number: u64| {
            let lost = state.losses.after(number - 1);
            found.iter().any(|entry| entry.end.sequence == number)
                || lost.is_some_and(|loss| loss.begin.sequence < number)
        };
        let done = OUTPUTS.map(|output| state.cursors.get(output).map_or(0, |cursor| cursor.done.sequence));
        for (output, &done) in done.iter().enumerate() {
            let acknowledged = self.now.done[output];
            let told = self.safe.done[output]..=acknowledged;
            assert!(
                told.contains(&done),
                "{output} is done up to {done}, not {told:?}"
            );
        }
        let needed = |number: u64| done.iter().any(|done| *done < number);
        for (&number, _) in self.records.range(..=self.safe.head) {
            assert!(!needed(number) || is_kept(number), "{number} is missing");
        }
        for sender in 0..SENDERS {
            let known = state
                .origins
                .committed(id(sender))
                .map_or(0, |mark| mark.sequence);
            let told = self.safe.senders[sender]..=self.now.senders[sender];
            assert!(
                told.contains(&known),
                "{known} of {sender} is known, not {told:?}"
            );
            for (batch, &number) in self.arrived[sender].range(..=known) {
                let is_there = number == 0 || !needed(number) || is_kept(number);
                assert!(is_there, "batch {batch} of {sender} is missing: {number}");
            }
            self.arrived[sender].retain(|batch, _| *batch <= known);
            self.now.senders[sender] = known;
        }
        self.records
            .retain(|number, _| found.iter().any(|entry| entry.end.sequence == *number));
        self.now.head = state.head.sequence;
        self.now.done = done;
        self.given = done;
        self.awaited.clear();
        drop((state, disk));
        for output in OUTPUTS {
            self.log.change(output, |state| state.open_cursor(output));
        }
    }
}

/// A log whose thread is not started, with its file.
fn open(config: &SpoolConfig) -> (Arc<Log>, Writer) {
    Log::with_writer(config.clone(), Arc::new(ManualClock::default()))
}

fn id(sender: usize) -> InstanceId {
    InstanceId([sender as u8 + 1; 16])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_anybody_was_told_to_be_safe_is_in_the_file_whenever_the_program_is_killed(
        steps in prop::collection::vec(step(), 1..80),
        max_bytes in prop_oneof![Just(3000_u64), Just(1 << 30)],
        memory_bytes in prop_oneof![Just(1500_usize), Just(1 << 24)],
    ) {
        let mut world = World::new(max_bytes, memory_bytes);
        for step in &steps {
            world.go(step);
        }
        world.go(&Step::Kill);
        // Whatever has happened, the next transaction has all.
        for step in [Step::Await, Step::Take, Step::Store(Fate::Stored), Step::Settle] {
            world.go(&step);
        }
        prop_assert!(world.log.commit(Duration::ZERO));
    }
}
