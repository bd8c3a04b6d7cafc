use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::backend::Backend;

/// Where plugins that store series say so, for plugins that ask: one of the services of a pipeline
/// ([`Services::get_or_keep`](alumet_core::services::Services::get_or_keep)).
#[derive(Default)]
pub struct Backends(Mutex<Vec<(String, Weak<dyn Backend>)>>);

impl Backends {
    /// From now on, and as long as somebody holds it, `backend` is the one of this name.
    pub fn publish(&self, name: &str, backend: &Arc<dyn Backend>) {
        let mut backends = self.0.lock();
        backends.retain(|(other, _)| other != name);
        backends.push((name.to_owned(), Arc::downgrade(backend)));
    }

    /// The backend of this name, if it is there now.
    pub fn find(&self, name: &str) -> Option<Arc<dyn Backend>> {
        let backends = self.0.lock();
        let (_, backend) = backends.iter().find(|(other, _)| other == name)?;
        backend.upgrade()
    }
}
