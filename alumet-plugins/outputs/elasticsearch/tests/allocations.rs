//! Counts allocations, in a process of its own.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its signature; this one only counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::error::Error;

use alumet_core::output::Delivery;
use alumet_core::time::Moment;
use alumet_core::{Catalog, Consumer, Resource, Timestamp, Unit};
use alumet_plugin_elasticsearch::{Config, Encoder};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending counts no more.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller; `alloc` got it from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
        let before = COUNT.get();
        let bulk = encoder.encode(&delivery);
        assert!(
            tick == 0 || COUNT.get() == before + 1,
            "{} allocations",
            COUNT.get() - before
        );
        assert_eq!(bulk.documents, all().len() * 100);
    }
    Ok(())
}
