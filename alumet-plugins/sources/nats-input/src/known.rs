//! What was learnt from the messages of each sender, so that what they say each time is taken in once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_shared_batch_encoding::Decoder;
use alumet_shared_telemetry_record::RecordSeries;
use parking_lot::Mutex;

/// What was learnt from the messages of all senders: a subject and a node are one.
#[derive(Default)]
pub(crate) struct AllKnown(Mutex<HashMap<(String, String), Shared>>);

/// Whoever reads a message of the sender holds the lock.
type Shared = Arc<Mutex<KnownSeries>>;

/// The series of one sender, which stay registered as long as this exists.
pub(crate) struct KnownSeries {
    /// The dictionary of the last batch, and what reads payloads with it.
    pub(crate) dictionary: Option<(Vec<u8>, Decoder)>,
    /// The series of records.
    pub(crate) of_records: RecordSeries,
    /// When its last message came.
    pub(crate) used: Instant,
}

impl AllKnown {
    /// A sender that is silent for so long is forgotten.
    const REMEMBERED: Duration = Duration::from_secs(600);
    /// When there are more series than this, all senders are forgotten: they say everything again.
    const MOST: usize = 5_000_000;

    /// What was learnt from a sender.
    pub(crate) fn of(&self, subject: &str, node: &str) -> Shared {
        let mut all = self.0.lock();
        let known = all
            .entry((subject.to_owned(), node.to_owned()))
            .or_insert_with(|| {
                Arc::new(Mutex::new(KnownSeries {
                    dictionary: None,
                    of_records: RecordSeries::default(),
                    used: Instant::now(),
                }))
            });
        Arc::clone(known)
    }

    /// Forgets who is silent.
    pub(crate) fn forget_idle(&self) {
        let mut all = self.0.lock();
        let mut series = 0;
        all.retain(|_, known| {
            let known = known.lock();
            series += known.of_records.count()
                + known
                    .dictionary
                    .as_ref()
                    .map_or(0, |(_, decoder)| decoder.entries());
            known.used.elapsed() < Self::REMEMBERED
        });
        if series > Self::MOST {
            all.clear();
        }
    }
}
