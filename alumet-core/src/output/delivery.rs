use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, Sample};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::spool::Spooled;
use crate::time::Moment;

use super::Receipt;

/// What an output is to deliver at once: samples of one batch or of several, or an encoded record.
pub struct Delivery {
    content: Content,
    catalog: Catalog,
    now: Moment,
    deadline: Option<Instant>,
    stop: CancellationToken,
}

enum Content {
    Samples(Vec<Part>),
    Record(Spooled),
}

/// Consecutive samples of a batch.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) batch: Arc<Batch>,
    pub(crate) range: Range<usize>,
}

/// A delivery that was begun.
pub enum Delivering {
    /// It is over.
    Done(Receipt),
    /// It is under way. When the future is dropped, it is abandoned and must not reach the destination any more.
    UnderWay(DeliveryFuture),
}

/// Ready when the destination has the samples.
pub type DeliveryFuture = Pin<Box<dyn Future<Output = Result<Receipt, Failure>> + Send>>;

impl Delivery {
    /// All samples of a batch, for the first time and without a deadline: what tests and benchmarks give to an output.
    pub fn of(batch: impl Into<Arc<Batch>>, now: Moment) -> Self {
        let batch = batch.into();
        let range = 0..batch.len();
        let catalog = batch.catalog().clone();
        Self::of_parts(vec![Part { batch, range }], &catalog, now)
    }

    /// `catalog`: for nothing to deliver, which has none of its own.
    pub(crate) fn of_parts(parts: Vec<Part>, catalog: &Catalog, now: Moment) -> Self {
        let catalog = parts.first().map_or(catalog, |part| part.batch.catalog()).clone();
        Self::with(Content::Samples(parts), catalog, now)
    }

    /// An encoded record, or the place of lost ones: what benchmarks give to an output that takes these.
    pub fn of_record(item: Spooled, catalog: Catalog, now: Moment) -> Self {
        Self::with(Content::Record(item), catalog, now)
    }

    fn with(content: Content, catalog: Catalog, now: Moment) -> Self {
        Self {
            content,
            catalog,
            now,
            deadline: None,
            stop: CancellationToken::new(),
        }
    }

    /// Another attempt begins.
    pub(crate) fn begin(&mut self, now: Moment, deadline: Option<Instant>, stop: &CancellationToken) {
        self.now = now;
        self.deadline = deadline;
        self.stop.clone_from(stop);
    }

    /// All metrics and series.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// All samples, in order. The catalog can describe every series that they name, retired or not.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.parts()
            .iter()
            .flat_map(|part| part.batch.samples_in(part.range.clone()))
    }

    /// How many samples there are; those of an encoded record included.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Samples(parts) => parts.iter().map(|part| part.range.len()).sum(),
            Content::Record(Spooled::Record(record)) => record.samples as usize,
            Content::Record(Spooled::Gap(_)) => 0,
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoded record, or the place of lost ones: for outputs that were added with
    /// [`encoded`](crate::plugin::OutputSpec::encoded), and for no others.
    pub const fn record(&self) -> Option<&Spooled> {
        match &self.content {
            Content::Record(item) => Some(item),
            Content::Samples(_) => None,
        }
    }

    /// How large its encoded record is.
    pub(crate) fn bytes(&self) -> usize {
        match &self.content {
            Content::Record(Spooled::Record(record)) => record.payload.len(),
            Content::Record(Spooled::Gap(_)) | Content::Samples(_) => 0,
        }
    }

    /// The present, on the clock of the pipeline.
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// When it will be abandoned.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Cancelled when there is no time left, because the program ends.
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    fn parts(&self) -> &[Part] {
        match &self.content {
            Content::Samples(parts) => parts,
            Content::Record(_) => &[],
        }
    }

    /// Two halves; `None` if it cannot be divided.
    pub(crate) fn halves(&self) -> Option<(Self, Self)> {
        let len = self.len();
        if len < 2 || self.record().is_some() {
            return None;
        }
        let half = |range| self.cut(std::iter::once(range));
        Some((half(0..len / 2), half(len / 2..len)))
    }

    /// Two parts, of whole batches each; `None` if it is of one batch.
    pub(crate) fn batches_apart(&self) -> Option<(Self, Self)> {
        let parts = self.parts();
        if parts.len() < 2 {
            return None;
        }
        let first: usize = parts[..parts.len() / 2].iter().map(|part| part.range.len()).sum();
        let part = |range| self.cut(std::iter::once(range));
        Some((part(0..first), part(first..self.len())))
    }

    /// Some of its samples, by ascending position.
    pub(crate) fn select(&self, positions: &[usize]) -> Self {
        let runs = positions.chunk_by(|one, next| one + 1 == *next);
        self.cut(runs.map(|run| run[0]..run[run.len() - 1] + 1))
    }

    /// The samples in these ranges of positions, for another attempt.
    fn cut(&self, ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut parts = Vec::new();
        for wanted in ranges {
            let mut at = 0;
            for Part { batch, range } in self.parts() {
                let start = wanted.start.clamp(at, at + range.len()) - at;
                let end = wanted.end.clamp(at, at + range.len()) - at;
                if start < end {
                    parts.push(Part {
                        batch: Arc::clone(batch),
                        range: range.start + start..range.start + end,
                    });
                }
                at += range.len();
            }
        }
        Self {
            content: Content::Samples(parts),
            catalog: self.catalog.clone(),
            now: self.now,
            deadline: None,
            stop: self.stop.clone(),
        }
    }
}

impl Delivering {
    /// The destination has all of it.
    pub fn done() -> Self {
        Self::Done(Receipt::default())
    }

    /// It is over when the future is ready.
    pub fn under_way(future: impl Future<Output = Result<Receipt, Failure>> + Send + 'static) -> Self {
        Self::UnderWay(Box::pin(future))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::catalog_with_metric;
    use crate::{Consumer, Resource, Timestamp, Value};

    fn numbers(delivery: &Delivery) -> Vec<u64> {
        let numbers = delivery.samples().map(|sample| match sample.value() {
            Value::U64(value) => value,
            other => panic!("{other} is no u64"),
        });
        numbers.collect()
    }

    /// 0 to 9 in parts of three, four and three of the batches.
    fn ten() -> Delivery {
        let (catalog, metric) = catalog_with_metric();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut parts = Vec::new();
        for values in [[90, 0, 1, 2, 91], [3, 4, 5, 6, 92], [93, 94, 7, 8, 9]] {
            let mut batch = catalog.batch();
            for value in values {
                batch.push(&series, Timestamp::default(), value);
            }
            let range = batch.bits().iter().position(|value| *value < 90).unwrap();
            let len = batch.bits().iter().filter(|value| **value < 90).count();
            parts.push(Part {
                batch: Arc::new(batch),
                range: range..range + len,
            });
        }
        Delivery::of_parts(parts, &catalog, Moment::default())
    }

    #[test]
    fn the_halves_have_all_samples_in_their_order_down_to_single_ones() {
        let ten = ten();
        assert_eq!(numbers(&ten), (0..10).collect::<Vec<_>>());
        let mut whole = vec![ten];
        while let Some(index) = whole.iter().position(|part| part.len() > 1) {
            let (one, two) = whole[index].halves().unwrap();
            assert!(!one.is_empty() && !two.is_empty());
            whole.splice(index..=index, [one, two]);
        }
        let all: Vec<_> = whole.iter().flat_map(numbers).collect();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert!(whole[0].halves().is_none());
    }

    #[test]
    fn some_samples_are_chosen_by_their_position_across_batches() {
        for positions in [&[0, 1, 2, 3, 9][..], &[2, 3], &[5], &[0, 9], &[]] {
            let expected: Vec<_> = positions.iter().map(|position| *position as u64).collect();
            let chosen = ten().select(positions);
            assert_eq!(numbers(&chosen), expected);
            assert_eq!(chosen.len(), positions.len());
        }
    }
}
