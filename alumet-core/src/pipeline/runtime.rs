//! Where asynchronous elements work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

use super::add::AddError;
use super::element::ElementKey;

/// The runtime of the program that embeds the pipeline, or a small one of its own from the first need to the stop.
pub(crate) struct RuntimeSlot {
    given: Option<Handle>,
    own: Mutex<Option<Runtime>>,
}

impl RuntimeSlot {
    pub(crate) fn new(given: Option<Handle>) -> Self {
        Self {
            given,
            own: Mutex::default(),
        }
    }

    /// The runtime, if there is one.
    pub(crate) fn present(&self) -> Option<Handle> {
        let own = || self.own.lock().as_ref().map(|own| own.handle().clone());
        self.given.clone().or_else(own)
    }

    /// The runtime for the element `key`.
    pub(crate) fn get(&self, key: &ElementKey) -> Result<Handle, AddError> {
        if let Some(given) = &self.given {
            return if has_timer(given) {
                Ok(given.clone())
            } else {
                Err(AddError::NoTimer(key.clone()))
            };
        }
        let mut own = self.own.lock();
        let runtime = match &mut *own {
            Some(runtime) => runtime,
            none => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(1).thread_name("alumet-async").enable_all();
                none.insert(builder.build()?)
            }
        };
        Ok(runtime.handle().clone())
    }

    /// Ends the own runtime without waiting for tasks that are stuck.
    pub(crate) fn end(&self) {
        if let Some(own) = self.own.lock().take() {
            own.shutdown_background();
        }
    }
}

/// There is no other way to ask than to make a timer, which panics where there is none.
fn has_timer(runtime: &Handle) -> bool {
    let _entered = runtime.enter();
    catch_unwind(AssertUnwindSafe(|| {
        drop(tokio::time::sleep(Duration::ZERO));
    }))
    .is_ok()
}
