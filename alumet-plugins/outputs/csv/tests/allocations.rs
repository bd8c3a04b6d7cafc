//! Counts allocations, in a process of its own.

use std::error::Error;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::{Delivery, Output};
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::testkit::{Allocations, CountingAllocator};
use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Attributes, Catalog, Consumer, Resource, Timestamp, Unit, Value, ValueType};
use alumet_plugin_csv::{ByteSize, Config, CsvOutput, Dialect};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_batch_of_known_series_is_written_without_an_allocation() -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::new();
    let metric = catalog.register_metric(Metric {
        name: "power".into(),
        kind: MetricKind::Gauge,
        value_type: ValueType::F64,
        unit: Unit::WATT,
        description: "For tests.".into(),
        quality: Quality::Measured,
    })?;
    let series: Vec<_> = (0..100)
        .map(|pid| {
            let attributes = Attributes::EMPTY.with("domain", "package");
            let consumer = Consumer::Process { pid };
            catalog.register(SeriesKey {
                metric,
                resource: Resource::LocalMachine,
                consumer,
                attributes,
            })
        })
        .collect();
    for dialect in [Dialect::Original, Dialect::Plain] {
        write(&catalog, &series, dialect)?;
    }
    Ok(())
}

fn write(catalog: &Catalog, series: &[SeriesHandle], dialect: Dialect) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let config = Config {
        output_path: folder.path().join("out.csv"),
        dialect,
        rotate_size: Some(ByteSize(1 << 30)),
        ..Config::default()
    };
    let mut output = CsvOutput::open(&config, Moment::default())?;
    for tick in 0..20 {
        let now = Moment {
            wall: Timestamp::from_nanos(tick * 1_000_000_000),
            monotonic: Monotonic::from_nanos(tick.unsigned_abs() * 1_000_000_000),
        };
        let mut batch = catalog.batch();
        for series in series {
            batch
                .push_value(series, now.wall, Value::F64(1.5))
                .map_err(|expected| expected.name())?;
        }
        let delivery = Delivery::of(batch, now);
        let (result, cost) = Allocations::of(|| output.deliver(&delivery));
        result.map_err(|failure| failure.to_string())?;
        assert!(tick == 0 || cost.count == 0, "{cost:?} at tick {tick}");
    }
    Ok(())
}
