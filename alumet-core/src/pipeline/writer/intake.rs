use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::output::{Delivery, Part};
use crate::plugin::DeliveryPolicy;
use crate::spool::Spooled;
use crate::time::Moment;

/// What is taken and not begun: batches that are joined or cut to the size and the age that the output wants.
pub(super) struct Intake {
    waiting: VecDeque<Waiting>,
    catalog: Catalog,
    samples: usize,
    /// The most samples that are delivered together, and how long the oldest waits for others; none: each batch alone.
    joined: Option<(NonZeroUsize, Duration)>,
    /// Since when the oldest waits.
    since: Option<Instant>,
    /// Whether the spool may have more.
    pub(super) is_hungry: bool,
}

enum Waiting {
    Part {
        last: Option<u64>,
        part: Part,
    },
    Encoded(Spooled),
    /// The place of records that are lost.
    Passed(u64),
}

/// Samples that are to be delivered now.
pub(super) struct Ripe {
    pub(super) delivery: Delivery,
    /// The last record that is done with it.
    pub(super) last: Option<u64>,
}

impl Intake {
    pub(super) const fn new(policy: DeliveryPolicy, catalog: Catalog) -> Self {
        Self {
            waiting: VecDeque::new(),
            catalog,
            samples: 0,
            joined: policy.joined,
            since: None,
            is_hungry: false,
        }
    }

    /// Takes a batch, and the number of its record.
    pub(super) fn take(&mut self, last: Option<u64>, batch: Arc<Batch>) {
        self.samples += batch.len();
        let range = 0..batch.len();
        self.push(Waiting::Part {
            last,
            part: Part { batch, range },
        });
    }

    pub(super) fn take_encoded(&mut self, item: Spooled) {
        self.push(Waiting::Encoded(item));
    }

    /// Everything up to this number is gone.
    pub(super) fn pass(&mut self, last: u64) {
        self.push(Waiting::Passed(last));
    }

    fn push(&mut self, item: Waiting) {
        self.since.get_or_insert_with(Instant::now);
        self.waiting.push_back(item);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether more may be taken.
    pub(super) fn has_room(&self) -> bool {
        match self.joined {
            Some((most, _)) => self.samples < most.get(),
            None => self.waiting.is_empty(),
        }
    }

    /// When what waits is old enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since
            .map(|since| since + self.joined.map_or(Duration::ZERO, |(_, age)| age))
    }

    /// What is to be delivered now; `at_once`: however little and young it is.
    pub(super) fn next(&mut self, now: Instant, at_once: bool, moment: Moment) -> Option<Ripe> {
        let is_ripe = at_once || !self.has_room() || self.due().is_some_and(|due| due <= now);
        if !is_ripe {
            return None;
        }
        let mut last = None;
        let mut parts = Vec::new();
        let mut room = self.joined.map_or(usize::MAX, |(most, _)| most.get());
        while let Some(item) = self.waiting.pop_front() {
            match item {
                Waiting::Passed(sequence) => last = Some(sequence),
                Waiting::Encoded(item) if parts.is_empty() => {
                    self.rest(now);
                    let last = Some(item.last());
                    let delivery = Delivery::of_record(item, self.catalog.clone(), moment);
                    return Some(Ripe { delivery, last });
                }
                Waiting::Part {
                    last: record,
                    mut part,
                } => {
                    let taken = part.range.len().min(room);
                    self.samples -= taken;
                    room -= taken;
                    if taken < part.range.len() {
                        let rest = part.range.start + taken..part.range.end;
                        let batch = Arc::clone(&part.batch);
                        part.range.end = rest.start;
                        let part = Part { batch, range: rest };
                        self.waiting.push_front(Waiting::Part { last: record, part });
                    } else {
                        last = record.or(last);
                    }
                    if !part.range.is_empty() {
                        parts.push(part);
                    }
                    if room == 0 || self.joined.is_none() {
                        break;
                    }
                }
                encoded @ Waiting::Encoded(..) => {
                    self.waiting.push_front(encoded);
                    break;
                }
            }
        }
        self.rest(now);
        (last.is_some() || !parts.is_empty()).then(|| Ripe {
            delivery: Delivery::of_parts(parts, &self.catalog, moment),
            last,
        })
    }

    /// What is left has waited no longer than since now.
    fn rest(&mut self, now: Instant) {
        self.since = (!self.waiting.is_empty()).then_some(now);
    }
}
