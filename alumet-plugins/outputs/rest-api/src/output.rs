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

#[cfg(test)]
mod tests {
    use alumet_core::catalog::Catalog;
    use alumet_core::time::Moment;
    use alumet_core::unit::Unit;
    use alumet_core::{Consumer, Resource, Timestamp};

    use super::*;

    alumet_core::metrics! {
        LEVEL = Gauge<u64> {
            name: "level",
            unit: Unit::ONE,
            description: "For this test.",
        };
    }

    #[test]
    fn who_watches_sees_what_is_delivered_from_then_on_with_what_it_is_about() {
        let catalog = Catalog::new();
        let metric = catalog.metric(&LEVEL).unwrap();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let live = Live::new();
        let mut output = LiveOutput::new(live.clone());
        let mut deliver = |value| {
            let mut batch = catalog.batch();
            batch.push(&series, Timestamp::from_nanos(5), value);
            output
                .deliver(&Delivery::of(batch, Moment::default()))
                .map(|_| ())
                .unwrap();
        };
        deliver(1);
        let mut watched = live.watch();
        deliver(2);
        deliver(3);
        let (one, two) = (watched.try_recv().unwrap(), watched.try_recv().unwrap());
        assert!(watched.try_recv().is_err());
        let [sample] = &*one else { panic!("{one:?}") };
        assert_eq!(
            (sample.at, sample.value),
            (Timestamp::from_nanos(5), 2_u64.into())
        );
        assert_eq!(&*sample.series.metric.name, "level");
        assert!(Arc::ptr_eq(&sample.series, &two[0].series));
    }
}
