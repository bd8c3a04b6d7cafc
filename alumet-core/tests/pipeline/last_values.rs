//! What a program reads of the series of its pipeline.

use alumet_core::output::LastValues;
use alumet_core::{AttributeValue, Value};

use crate::elements::{Counting, one_source, pass};

#[test]
fn a_program_reads_the_last_value_of_a_series_and_all_together() {
    let (mut builder, clock) = one_source();
    let source = Counting::new(builder.catalog(), "b");
    builder.source("b", source);
    let values = LastValues::new();
    builder.output("values", values.clone());
    assert_eq!(values.get("count", |_| true), None);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    pipeline
        .control()
        .trigger(&"sources/*/b".parse().unwrap())
        .unwrap();
    pass(&pipeline, &clock, 2);
    let of = |name: &str| {
        let name = AttributeValue::from(name);
        values.get("count", |series| series.attributes().get("source") == Some(&name))
    };
    let (a, b) = (of("a").unwrap(), of("b").unwrap());
    assert_eq!((a.last, a.sum, a.samples, a.mean()), (Value::U64(3), 6.0, 3, 2.0));
    assert_eq!((b.last, b.sum, b.samples), (Value::U64(4), 10.0, 4));
    assert_eq!(of("c"), None);
    assert_eq!(values.get("other", |_| true), None);
    assert_eq!(values.all().len(), 2);
    // A gauge counts nothing.
    assert_eq!(a.counted_in(&a.series.metric.unit), None);
    pipeline.stop(crate::elements::PATIENCE);
    assert_eq!(
        of("a").unwrap().last,
        Value::U64(4),
        "it can be read after the end"
    );
}
