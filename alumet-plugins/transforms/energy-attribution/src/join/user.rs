//! A consumer of a join.

use alumet_core::series::Series;
use alumet_core::{Attributes, Batch, Consumer};

use super::{Input, Row, Tick, begun};
use crate::formula::EvaluationError;
use crate::node::Tracks;

/// A consumer.
#[derive(Debug)]
pub(super) struct User {
    pub(super) consumer: Consumer,
    pub(super) kind: usize,
    /// Whether another control group that is measured contains it.
    pub(super) is_nested: bool,
    pub(super) inputs: Vec<UserInput>,
    /// What its series do not contradict each other in.
    pub(super) attributes: Attributes,
    /// For each row.
    pub(super) outputs: Vec<Option<Series<f64>>>,
    /// What it used of each slot, and its result, in the interval that was shared last.
    pub(super) values: Vec<f64>,
    /// Whether its series had begun before the end of that interval.
    pub(super) is_there: bool,
    /// What it pays for: what it used, or what that costs by the weights of counters.
    pub(super) counted: f64,
    pub(super) result: Result<f64, EvaluationError>,
    /// The row of that result, what all of its kind used there, and what a unit of use cost.
    pub(super) row: usize,
    pub(super) of_kind: f64,
    pub(super) energy_per_use: f64,
}

#[derive(Debug)]
pub(super) struct UserInput {
    pub(super) input: Input,
    pub(super) attributes: Attributes,
}

impl User {
    /// A consumer of which nothing is known yet.
    pub(super) fn new(consumer: &Consumer, kind: usize, slots: usize) -> Self {
        Self {
            consumer: consumer.clone(),
            kind,
            is_nested: false,
            inputs: Vec::new(),
            attributes: Attributes::EMPTY,
            outputs: Vec::new(),
            values: vec![0.0; slots],
            is_there: false,
            counted: 0.0,
            result: Err(EvaluationError::Missing),
            row: 0,
            of_kind: 0.0,
            energy_per_use: 0.0,
        }
    }

    /// Results have the attributes in which the series do not contradict each other.
    pub(super) fn merge_attributes(&mut self, tracks: &Tracks) {
        let is_live = |input: &&UserInput| tracks.get(input.input.track).is_some_and(|track| !track.is_gone);
        let live = || self.inputs.iter().filter(is_live);
        if live().next().is_none() {
            return;
        }
        let is_undisputed = |key: &str, value| {
            let mut others = live().filter_map(|input| input.attributes.get(key));
            others.all(|other| other == value)
        };
        let all = live().flat_map(|input| input.attributes.iter());
        let kept = all.filter(|(key, value)| is_undisputed(key, *value));
        let attributes: Attributes = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        if attributes != self.attributes {
            self.attributes = attributes;
            self.outputs.clear();
        }
    }

    /// The series of its results in a row.
    pub(super) fn output(&mut self, place: usize, row: &Row, tick: &Tick, out: &mut Batch) -> &Series<f64> {
        if self.outputs.len() <= place {
            self.outputs.resize(place + 1, None);
        }
        let consumer = &self.consumer;
        let attributes = &self.attributes;
        begun(&mut self.outputs[place], tick, out, |catalog| {
            let series = catalog.series(row.metric, row.resource.clone(), consumer.clone());
            series
                .attributes(attributes)
                .attributes(&row.attributes)
                .register()
        })
    }
}
