//! The output: hands samples on to those who watch.

use std::sync::Arc;

use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::{Failure, SeriesMap};
use alumet_shared_query::Identity;

use crate::live::{Live, LiveSample};

/// Does nothing while nobody watches.
#[derive(Debug)]
pub(crate) struct LiveOutput {
    live: Live,
    identities: SeriesMap<Option<Arc<Identity>>>,
}

impl LiveOutput {
    pub(crate) fn new(live: Live) -> Self {
        Self {
            live,
            identities: SeriesMap::new(),
        }
    }
}

impl Output for LiveOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        if !self.live.is_watched() {
            self.identities.clear();
            return Ok(Delivering::done());
        }
        let samples = delivery.samples().filter_map(|sample| {
            let identity = self.identities.get_or_insert_with(sample.series, || {
                let info = delivery.catalog().describe(sample.series)?;
                Some(Arc::new(Identity::of(&info)))
            });
            Some(LiveSample {
                series: Arc::clone(identity.as_ref()?),
                at: sample.timestamp,
                value: sample.value(),
            })
        });
        self.live.send(samples.collect());
        Ok(Delivering::done())
    }
}
