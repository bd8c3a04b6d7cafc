//! The consumers that are exposed by themselves, and the sums of all others.
//!
//! What a counter counts is in one place at any time: in its own series while its consumer is among those that are exposed, and
//! in the sum of the others while it is not. So both only grow, and their increases together are those of all consumers.

use alumet_core::Consumer;
use alumet_shared_prometheus_names::Number;
use hashbrown::{HashMap, HashSet};

use crate::labels::Labels;
use crate::store::{Family, Store, What};

/// How a series is counted when its consumer is not exposed by itself.
#[derive(Debug)]
pub(crate) struct Fold {
    /// Kind and id of the consumer.
    consumer: Box<str>,
    /// Whether consumers are compared by this series.
    is_ranked: bool,
    /// The sum that it is part of then.
    rest: u32,
    /// How far it was counted there.
    folded: Option<Number>,
    /// How far it was shown by itself, if it was by the last scrape.
    shown: Option<Number>,
    /// Whether it is part of the sum now.
    pub(crate) is_hidden: bool,
}

/// The sums of a family.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    by_labels: HashMap<String, u32>,
    pub(crate) all: Vec<Rest>,
}

/// The sum of several consumers.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) labels: Labels,
    pub(crate) what: What,
    /// Missing as long as no consumer is part of it.
    pub(crate) number: Option<Number>,
}

impl Rests {
    /// The sum with these labels.
    pub(crate) fn find(&mut self, labels: Labels, what: What) -> u32 {
        let next = self.all.len() as u32;
        let index = *self.by_labels.entry(labels.text.clone()).or_insert(next);
        if index == next {
            let number = None;
            self.all.push(Rest { labels, what, number });
        }
        index
    }
}

impl Fold {
    pub(crate) fn new(consumer: &Consumer, rest: u32, is_ranked: bool) -> Self {
        Self {
            consumer: format!("{}\n{}", consumer.kind(), consumer.id()).into(),
            is_ranked,
            rest,
            folded: None,
            shown: None,
            is_hidden: false,
        }
    }

    /// What of a counter is its own: what was not counted elsewhere.
    pub(crate) fn own(&self, number: Number) -> Number {
        self.folded.map_or(number, |folded| number.since(folded))
    }
}

impl Store {
    /// Decides which consumers are exposed by themselves, and adds up the others.
    pub(crate) fn rank(&mut self) {
        let Some(top) = &self.config.top else { return };
        let mut values = HashMap::<&str, f64>::new();
        for cell in self.families.iter().flat_map(|family| &family.cells) {
            if let Some(fold) = &cell.fold
                && fold.is_ranked
            {
                *values.entry(&fold.consumer).or_default() += cell.what.scale.apply(cell.number.as_f64());
            }
        }
        let mut ranked: Vec<(f64, &str)> = values
            .into_iter()
            .map(|(consumer, value)| (value, consumer))
            .collect();
        // The same order each time, also of consumers with the same value; NaN is nothing.
        ranked.retain(|(value, _)| !value.is_nan());
        ranked.sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
        ranked.truncate(top.n);
        let chosen: HashSet<Box<str>> = ranked.into_iter().map(|(_, consumer)| consumer.into()).collect();
        for family in &mut self.families {
            family.add_up(&chosen);
        }
    }
}

impl Family {
    fn add_up(&mut self, chosen: &HashSet<Box<str>>) {
        let is_counter = self.is_counter;
        if !is_counter {
            for rest in &mut self.rests.all {
                rest.number = None;
            }
        }
        for cell in &mut self.cells {
            let Some(fold) = &mut cell.fold else { continue };
            let rest = self.rests.all.get_mut(fold.rest as usize);
            // What has another unit or type cannot be added, and stays.
            let rest = rest.filter(|rest| rest.what == cell.what && !chosen.contains(&fold.consumer));
            fold.is_hidden = rest.is_some();
            let Some(rest) = rest else {
                fold.shown = Some(cell.number);
                continue;
            };
            let counted = fold.shown.take().or(fold.folded).filter(|_| is_counter);
            let more = counted.map_or(cell.number, |counted| cell.number.since(counted));
            fold.folded = is_counter.then_some(cell.number);
            rest.number = Some(rest.number.map_or(more, |number| number.plus(more)));
        }
    }
}
