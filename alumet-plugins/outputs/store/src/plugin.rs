//! From the configuration to the output, and to whoever asks.

use std::sync::Arc;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_shared_query::{Backend, Backends};
use alumet_shared_series_store::SeriesStore;

use crate::config::Config;
use crate::output::{Health, StoreOutput};

/// Stores samples, and lets other plugins ask for them.
#[derive(Debug)]
pub struct StorePlugin;

impl Plugin for StorePlugin {
    const ID: &'static str = "store";
    const SUMMARY: &'static str = "Stores samples in one file that can be asked.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if alumet.is_trial() {
            SeriesStore::try_out(&config.path)?;
            return Ok(Self);
        }
        let store = Arc::new(SeriesStore::open(config.store(), alumet.clock())?);
        let backend: Arc<dyn Backend> = Arc::clone(&store) as _;
        alumet
            .services()
            .get_or_keep::<Backends>()
            .publish(Self::ID, &backend);
        let health = Arc::new(Health(Arc::clone(&store)));
        alumet.control().on_status(Arc::downgrade(&health) as _);
        alumet
            .output("file", StoreOutput::new(store, backend, health))
            .queue(config.queue)
            .destination(config.path.display().to_string());
        Ok(Self)
    }
}
