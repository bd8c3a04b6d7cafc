//! Evaluating a formula for each consumer.

use alumet_core::Batch;

use super::{Join, JoinSpec, Last, Tick, is_first, value};
use crate::formula::{EvaluationError, Program};
use crate::node::Tracks;
use crate::spec::Role;

impl Join {
    /// Evaluates the formula for one interval of its `ref`.
    pub(super) fn evaluate(
        &mut self,
        spec: &JoinSpec,
        program: &Program,
        group: &[Tick],
        tracks: &Tracks,
        out: &mut Batch,
    ) {
        let Some(tick) = group.first() else { return };
        let slots = &spec.spec.slots;
        let row = &self.rows[tick.row];
        let energy = group.iter().map(|tick| tick.value).sum();
        self.values.clear();
        let mut lacks = None;
        for (slot, of_slot) in slots.iter().enumerate() {
            let value = match of_slot.role {
                Role::Energy => Some(energy),
                Role::Machine => value(self.machine.iter(), slot, &row.resource, tracks, tick),
                // Each consumer has its own.
                Role::Consumer => Some(f64::NAN),
            };
            lacks = lacks.or(value.is_none().then_some(slot));
            self.values.push(value.unwrap_or(f64::NAN));
        }
        self.last = Last {
            row: tick.row,
            timestamp: tick.timestamp,
            seconds: tick.to.since(tick.from).as_secs_f64(),
            energy,
            lacks,
            ..Last::default()
        };
        self.rows[tick.row].last = self.last;
        let row = &self.rows[tick.row];
        if lacks.is_some() {
            return;
        }
        for user in &mut self.users {
            user.values.copy_from_slice(&self.values);
            user.row = tick.row;
            let is_of_consumer = |slot: &usize| slots[*slot].role == Role::Consumer;
            let has_all = (0..slots.len()).filter(is_of_consumer).all(|slot| {
                let inputs = user.inputs.iter().map(|input| &input.input);
                let value = value(inputs, slot, &row.resource, tracks, tick);
                user.values[slot] = value.unwrap_or(f64::NAN);
                value.is_some()
            });
            if !has_all {
                user.result = Err(EvaluationError::Missing);
                continue;
            }
            user.result = program.evaluate(&user.values, &mut self.stack);
            match user.result {
                Ok(result) => {
                    let series = user.output(tick.row, row, tick, out);
                    out.push(series, tick.timestamp, result);
                }
                Err(error) => {
                    if is_first(&spec.said.failed) {
                        tracing::warn!(
                            metric = spec.spec.name, consumer = %user.consumer, values = ?user.values, %error,
                            "a formula has no result for a consumer; others go on"
                        );
                    }
                    self.failed += 1;
                }
            }
        }
    }
}
