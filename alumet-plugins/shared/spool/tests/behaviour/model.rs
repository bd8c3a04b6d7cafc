//! Random actions on the spool and on a model of it that is too simple to be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_core::spool::{Spool, SpoolReader, Spooled};
use alumet_shared_spool::DiskSpool;
use proptest::prelude::*;

use crate::bench::{Bench, Readers, commit};

#[derive(Debug, Clone)]
enum Action {
    Append { samples: usize },
    Follow { output: usize, follow: bool },
    Read { output: usize, bytes: usize },
    Acknowledge { output: usize, back: u64 },
    Commit,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    let output = 0..3_usize;
    prop_oneof![
        8 => (1..400_usize).prop_map(|samples| Action::Append { samples }),
        2 => (output.clone(), any::<bool>()).prop_map(|(output, follow)| Action::Follow { output, follow }),
        4 => (output.clone(), 1..5000_usize).prop_map(|(output, bytes)| Action::Read { output, bytes }),
        3 => (output, 0..4_u64).prop_map(|(output, back)| Action::Acknowledge { output, back }),
        2 => Just(Action::Commit),
        1 => Just(Action::Reopen),
    ]
}

/// What must be so for one output.
#[derive(Debug, Default, Clone)]
struct Follower {
    done: u64,
    next: u64,
    position: Option<Vec<u8>>,
    /// What it was given since, with the samples of a record or 0 for a gap.
    given: BTreeMap<u64, (u64, u64)>,
}

struct World {
    bench: Bench,
    spool: Option<Arc<DiskSpool>>,
    readers: Vec<Arc<dyn SpoolReader>>,
    /// The samples of all records.
    samples: BTreeMap<u64, u64>,
    followers: BTreeMap<usize, Follower>,
    head: u64,
}

impl World {
    fn new(max_bytes: u64, memory_bytes: usize) -> Self {
        let mut bench = Bench::new();
        bench.config.max_bytes = max_bytes;
        bench.config.memory_bytes = memory_bytes;
        let mut world = Self {
            bench,
            spool: None,
            readers: Vec::new(),
            samples: BTreeMap::new(),
            followers: BTreeMap::new(),
            head: 0,
        };
        world.reopen();
        world
    }

    fn reopen(&mut self) {
        self.readers.clear();
        self.spool = None;
        let spool = self.bench.open();
        self.readers = (0..3)
            .map(|output| spool.reader_of(&format!("output/{output}")))
            .collect();
        for (output, reader) in self.readers.iter().enumerate() {
            if !self.followers.contains_key(&output) {
                reader.forget();
            }
        }
        self.spool = Some(spool);
        for follower in self.followers.values_mut() {
            follower.next = follower.done;
            follower.given.clear();
        }
    }

    fn spool(&self) -> &DiskSpool {
        self.spool.as_ref().unwrap()
    }

    fn sum(&self, after: u64, up_to: u64) -> u64 {
        if after >= up_to {
            return 0;
        }
        self.samples
            .range(after + 1..=up_to)
            .map(|(_, samples)| samples)
            .sum()
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Append { samples } => {
                let batch = self.bench.noise(self.head + 1, samples);
                let sequence = self.spool().append(&batch);
                assert_eq!(sequence, self.head + 1);
                self.head = sequence;
                self.samples.insert(sequence, samples as u64);
            }
            Action::Follow { output, follow: true } => {
                self.readers[output] = self.spool().reader_of(&format!("output/{output}"));
                let head = self.head;
                let follower = self.followers.entry(output).or_insert_with(|| Follower {
                    done: head,
                    ..Follower::default()
                });
                // A successor gets again what its predecessor was not done with.
                follower.next = follower.done;
            }
            Action::Follow {
                output,
                follow: false,
            } => {
                self.readers[output].forget();
                self.followers.remove(&output);
            }
            Action::Read { output, bytes } => self.read(output, bytes),
            Action::Acknowledge { output, back } => self.acknowledge(output, back),
            Action::Commit => commit(self.spool()),
            // Nothing is committed explicitly: a spool that is dropped writes what is left.
            Action::Reopen => self.reopen(),
        }
    }

    fn read(&mut self, output: usize, bytes: usize) {
        let mut items = self.readers[output].read(bytes).unwrap();
        if items.is_empty() {
            // What was appended can be read once it is on disk.
            commit(self.spool());
            items = self.readers[output].read(bytes).unwrap();
        }
        let Some(mut follower) = self.followers.get(&output).cloned() else {
            assert!(items.is_empty());
            return;
        };
        assert_eq!(
            items.is_empty(),
            follower.next == self.head,
            "{items:?} at {follower:?}"
        );
        for item in items {
            let (first, samples) = match &item {
                Spooled::Record(record) => {
                    let batch = self.readers[output].batch(record).unwrap();
                    let expected = self.bench.noise(record.sequence, record.samples as usize);
                    let values = |batch: &alumet_core::Batch| -> Vec<_> {
                        batch
                            .samples()
                            .map(|sample| (sample.timestamp, sample.value()))
                            .collect()
                    };
                    assert_eq!(values(&batch), values(&expected));
                    assert_eq!(u64::from(record.samples), self.samples[&record.sequence]);
                    (record.sequence, u64::from(record.samples))
                }
                Spooled::Gap(gap) => {
                    assert_eq!(gap.samples, self.sum(gap.first - 1, gap.last), "{gap:?}");
                    (gap.first, 0)
                }
            };
            assert_eq!(first, follower.next + 1, "{item:?}");
            follower.next = item.last();
            // What was given last counts: for a successor, a record may come as a part of a gap.
            follower
                .given
                .retain(|last, _| !(first..=item.last()).contains(last));
            follower.given.insert(item.last(), (first, samples));
        }
        self.followers.insert(output, follower);
    }

    fn acknowledge(&mut self, output: usize, back: u64) {
        let Some(mut follower) = self.followers.get(&output).cloned() else {
            assert_eq!(self.readers[output].acknowledge(self.head, None), 0);
            return;
        };
        let ends: Vec<_> = follower
            .given
            .keys()
            .copied()
            .filter(|end| *end <= follower.next)
            .collect();
        let Some(&end) = ends
            .len()
            .checked_sub(1 + back as usize)
            .and_then(|index| ends.get(index))
        else {
            return;
        };
        let gaps: u64 = follower
            .given
            .range(..=end)
            .filter(|(_, (_, samples))| *samples == 0)
            .map(|(last, (first, _))| self.sum(first - 1, *last))
            .sum();
        let expected = self.sum(follower.done, end) - gaps;
        let position = end.to_string().into_bytes();
        let counted = self.readers[output].acknowledge(end, Some(position.clone()));
        assert_eq!(counted, expected, "up to {end} of {follower:?}");
        follower.done = end;
        follower.position = Some(position);
        follower.given.retain(|last, _| *last > end);
        self.followers.insert(output, follower);
    }

    fn check(&self) {
        for (output, reader) in self.readers.iter().enumerate() {
            let follower = self.followers.get(&output);
            let waiting = follower.map_or(0, |follower| self.sum(follower.done, self.head));
            assert_eq!(reader.waiting(), waiting);
            assert_eq!(
                reader.position().unwrap(),
                follower.and_then(|follower| follower.position.clone())
            );
        }
        let slowest = self.followers.values().map(|follower| follower.done).min();
        let most = slowest.map_or(0, |slowest| self.sum(slowest, self.head));
        assert!(self.spool().status().samples <= most);
        assert!(self.spool().status().fault.is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_reader_gets_each_record_or_hears_of_its_loss_exactly_once(
        actions in prop::collection::vec(action(), 1..150),
        max_bytes in prop_oneof![Just(20_000_u64), Just(1 << 30)],
        memory_bytes in prop_oneof![Just(6000_usize), Just(1 << 24)],
    ) {
        let mut world = World::new(max_bytes, memory_bytes);
        for output in 0..2 {
            world.act(Action::Follow { output, follow: true });
        }
        for action in actions {
            world.act(action);
            world.check();
        }
    }
}
