//! Counts allocations, in a process of its own.

use std::error::Error;

use alumet_core::output::Delivery;
use alumet_core::testkit::{Allocations, CountingAllocator};
use alumet_core::time::Moment;
use alumet_core::{Catalog, Consumer, Resource, Timestamp, Unit};
use alumet_plugin_elasticsearch::{Config, Encoder};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

alumet_core::metrics! {
    POWER = Gauge<f64> {
        name: "power",
        unit: Unit::WATT,
        description: "For tests.",
        consumers: ["process"],
        attributes: ["domain"],
    };
}

#[test]
fn the_text_of_a_delivery_is_the_only_allocation() -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::new();
    let metric = catalog.metric(&POWER)?;
    let series: Vec<_> = (0..100)
        .map(|pid| {
            let consumer = Consumer::Process { pid };
            let series = catalog.series(metric, Resource::LocalMachine, consumer);
            series.attribute("domain", "package").register()
        })
        .collect();
    let mut encoder = Encoder::new(&Config::default());
    for tick in 0..3 {
        let mut batch = catalog.batch();
        for (number, series) in series.iter().enumerate() {
            batch.push(series, Timestamp::from_nanos(tick), number as f64 / 7.0);
        }
        let delivery = Delivery::of(batch, Moment::default());
        let (bulk, cost) = Allocations::of(|| encoder.encode(&delivery));
        assert!(tick == 0 || cost.count == 1, "{cost:?}");
        assert_eq!(bulk.documents, all().len() * 100);
    }
    Ok(())
}
