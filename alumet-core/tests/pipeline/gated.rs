//! Elements that wait until the test lets them go on.

use std::sync::Arc;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, Output, Recording, RecordingOutput};
use parking_lot::{Condvar, Mutex};

use crate::elements::wait_until;

/// Closed until it is opened, and then for ever open. Cheap to clone; all clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    visitors: usize,
}

impl Gate {
    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.0.state.lock();
        state.visitors += 1;
        while !state.open {
            self.0.opened.wait(&mut state);
        }
    }

    pub(crate) fn open(&self) {
        self.0.state.lock().open = true;
        self.0.opened.notify_all();
    }

    /// Waits until somebody has come to the gate.
    #[track_caller]
    pub(crate) fn wait_for_visitor(&self) {
        wait_until("somebody comes to the gate", || self.0.state.lock().visitors > 0);
    }
}

/// Opens the gate when a test ends, however it ends, so that no thread is left at it.
impl Drop for Opener<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

pub(crate) struct Opener<'a>(pub(crate) &'a Gate);

/// Passes the gate before each write, then fails as told or records.
#[derive(Default)]
pub(crate) struct Gated {
    inner: RecordingOutput,
    pub(crate) gate: Gate,
    pub(crate) failure: Option<Failure>,
}

impl Gated {
    pub(crate) fn recording(&self) -> Recording {
        self.inner.recording()
    }
}

impl Output for Gated {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        self.gate.pass();
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.inner.deliver(delivery),
        }
    }
}
