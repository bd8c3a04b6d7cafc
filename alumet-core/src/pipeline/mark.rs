//! Marks: where a phase of what is measured begins.

use crate::consumer::Consumer;
use crate::resource::Resource;
use crate::unit::Unit;

use super::control::{Control, ControlError};
use super::element::ElementKind;
use super::pattern::Pattern;

crate::metrics! {
    pub PHASE = Delta<u64> {
        name: "phase_begins",
        unit: Unit::ONE,
        description: "A phase begins, which `phase` names: it lasts until the next one begins.",
        attributes: ["phase"],
    };
}

impl Control {
    /// Begins a phase of what is measured, with a sample of [`PHASE`]. All sources are polled before, so that what was used
    /// until now belongs to the phase before; those that fail do not matter.
    ///
    /// # Errors
    /// When the pipeline has stopped, sources do not answer in time, or a plugin has another metric of this name.
    pub fn mark(&self, phase: &str) -> Result<(), ControlError> {
        let polled = self.trigger(&Pattern::kind(ElementKind::Source));
        if let Err(error @ (ControlError::NotRunning | ControlError::Timeout)) = polled {
            return Err(error);
        }
        let shared = self.running()?;
        let metric = shared.catalog.metric(&PHASE)?;
        let series = shared
            .catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .attribute("phase", phase.to_owned())
            .register();
        let mut batch = shared.catalog.batch();
        batch.push(&series, shared.clock.now().wall, 1);
        shared.ledger.lock().polled(batch.len());
        shared.hand_on(batch);
        Ok(())
    }
}
