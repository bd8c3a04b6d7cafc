//! A spool that stores when the test wants it to.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::Batch;
use alumet_core::failure::Failure;
use alumet_core::spool::{
    Claim, Definitions, InstanceId, Numbering, Origin, Record, Spool, SpoolReader, SpoolStatus, Wake, Wanted,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// Cheap to clone; all clones are the same spool. It keeps only where batches came from.
#[derive(Clone, Default)]
pub(crate) struct GatedSpool(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    appended: Condvar,
    memory_bytes: u64,
}

#[derive(Default)]
struct State {
    appended: Vec<Origin>,
    committed: usize,
    is_held: bool,
    watched: Vec<(InstanceId, watch::Sender<u64>)>,
    /// A batch that is damaged, and whether somebody brings it.
    wanted: Option<(InstanceId, u64, bool)>,
}

impl GatedSpool {
    /// One with so much room for what is not stored.
    pub(crate) fn with_memory(bytes: u64) -> Self {
        Self(Arc::new(Inner {
            memory_bytes: bytes,
            ..Inner::default()
        }))
    }

    /// What comes is not stored until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.0.state.lock().is_held = true;
    }

    /// Everything that came is stored, and what comes.
    pub(crate) fn release(&self) {
        let mut state = self.0.state.lock();
        state.is_held = false;
        state.commit();
    }

    /// Only a batch that came is damaged.
    pub(crate) fn damage(&self, instance: InstanceId, sequence: u64) {
        let mut state = self.0.state.lock();
        state.wanted = Some((instance, sequence, false));
        state.watched.clear();
    }

    /// Everything that came is stored, and what comes is not.
    pub(crate) fn store(&self) {
        self.0.state.lock().commit();
    }

    /// The numbers of all batches of an instance in the order in which they came, stored or not.
    pub(crate) fn sequences(&self, instance: InstanceId) -> Vec<u64> {
        let state = self.0.state.lock();
        let of_instance = state.appended.iter().filter(|origin| origin.instance == instance);
        of_instance.map(|origin| origin.sequence).collect()
    }

    /// Waits until so many batches of an instance came.
    pub(crate) fn wait_for(&self, instance: InstanceId, count: usize) {
        let mut state = self.0.state.lock();
        let missing = |state: &mut State| {
            state
                .appended
                .iter()
                .filter(|origin| origin.instance == instance)
                .count()
                < count
        };
        let result = self
            .0
            .appended
            .wait_while_for(&mut state, missing, Duration::from_secs(20));
        assert!(!result.timed_out(), "only {} batches came", state.appended.len());
    }
}

impl State {
    fn commit(&mut self) {
        let new = self.appended[self.committed..].iter();
        let mut new = new.map(|origin| (origin.instance, origin.sequence, true));
        if self.wanted.is_some_and(|wanted| new.any(|one| one == wanted)) {
            self.wanted = None;
            self.watched
                .iter()
                .for_each(|(_, sender)| sender.send_modify(|_| ()));
        }
        self.committed = self.appended.len();
        for (instance, sender) in &self.watched {
            let last = self.last(*instance).map_or(0, |origin| origin.sequence);
            sender.send_if_modified(|current| std::mem::replace(current, last) != last);
        }
    }

    fn last(&self, instance: InstanceId) -> Option<Origin> {
        let committed = self.appended[..self.committed].iter();
        let of_instance = committed.filter(|origin| origin.instance == instance);
        of_instance.max_by_key(|origin| origin.sequence).copied()
    }
}

impl Spool for GatedSpool {
    fn numberings(&self) -> Vec<Numbering> {
        unreachable!("this spool sends nothing")
    }

    fn replace_instance(&self) -> InstanceId {
        unreachable!("this spool sends nothing")
    }

    fn keep(&self, _: Duration) {}

    fn append(&self, batch: &Arc<Batch>) -> u64 {
        let mut state = self.0.state.lock();
        if let Some(origin) = batch.origin() {
            state.appended.push(origin);
            if !state.is_held {
                state.commit();
            }
            self.0.appended.notify_all();
        }
        0
    }

    fn committed(&self, sender: InstanceId) -> Result<Option<(u64, u32)>, Failure> {
        let last = self.0.state.lock().last(sender);
        Ok(last.map(|last| (last.sequence, last.checksum)))
    }

    fn on_commit(&self, sender: InstanceId) -> watch::Receiver<u64> {
        let mut state = self.0.state.lock();
        let current = state.last(sender).map_or(0, |origin| origin.sequence);
        let (sending, receiver) = watch::channel(current);
        state.watched.push((sender, sending));
        receiver
    }

    fn wanted(&self, sender: InstanceId) -> Wanted {
        match self.0.state.lock().wanted {
            Some((instance, sequence, _)) if instance == sender => Wanted {
                numbers: vec![sequence..=sequence],
                of_others: false,
            },
            wanted => Wanted {
                numbers: Vec::new(),
                of_others: wanted.is_some(),
            },
        }
    }

    fn claim(&self, sender: InstanceId, sequence: u64) -> Claim {
        match &mut self.0.state.lock().wanted {
            Some((instance, wanted, is_claimed)) if (*instance, *wanted) == (sender, sequence) => {
                match std::mem::replace(is_claimed, true) {
                    true => Claim::Taken,
                    false => Claim::Granted,
                }
            }
            _ => Claim::Void,
        }
    }

    fn records_after(&self, _: u64, _: usize) -> Result<Vec<Record>, Failure> {
        Ok(Vec::new())
    }

    fn definitions(&self, _: u32, _: u32) -> Result<Vec<Definitions>, Failure> {
        Ok(Vec::new())
    }

    fn reader(&self, _: &str, _: Wake) -> Arc<dyn SpoolReader> {
        unreachable!("no output of these tests reads the spool")
    }

    fn commit(&self, _: Duration) -> bool {
        true
    }

    fn status(&self) -> SpoolStatus {
        SpoolStatus {
            memory_bytes: self.0.memory_bytes,
            ..SpoolStatus::default()
        }
    }
}
