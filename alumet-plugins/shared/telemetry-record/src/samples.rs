//! Records as samples.

use std::collections::HashMap;

use alumet_core::attributes::Attributes;
use alumet_core::batch::Batch;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::unit::Unit;
use alumet_core::value::{Value, ValueType};
use alumet_core::{Consumer, Resource};

use crate::record::TelemetryRecord;

/// The series of records, which stay registered as long as this exists.
#[derive(Default)]
pub struct RecordSeries {
    /// By record without values and by metric.
    known: HashMap<(String, String), SeriesHandle>,
}

/// With more series, all are forgotten, and found again.
const MOST: usize = 10_000;

impl RecordSeries {
    /// Appends the samples of a record. Each series has the attribute `node_attribute`: with the host that the record names, or
    /// else with `node`.
    ///
    /// # Errors
    /// What is wrong with the record. Then `into` may have some of its samples.
    pub fn read(
        &mut self,
        record: &TelemetryRecord,
        node_attribute: &str,
        node: Option<&str>,
        into: &mut Batch,
    ) -> Result<(), String> {
        let time = record.time()?;
        let of = entity(record, node_attribute, node)?;
        if self.known.len() > MOST {
            self.known = HashMap::new();
        }
        let entity = format!("{} {} {}", of.0, of.1, of.2);
        for (name, value) in &record.metrics {
            let value = value.as_f64();
            let value =
                value.ok_or_else(|| format!("the value of `{}` is no number", name.escape_debug()))?;
            let series = self.known.entry((entity.clone(), name.clone()));
            let series = series.or_insert_with(|| register(name, &of, into));
            // A series of a record has floats.
            let _ = into.push_value(series, time, Value::F64(value));
        }
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known.len()
    }
}

/// The attribute of what a node has measured, if it has a name.
pub fn of_node(attribute: &str, node: Option<&str>) -> Attributes {
    match node.filter(|node| !node.is_empty()) {
        Some(node) => Attributes::EMPTY.with(attribute.to_owned(), node.to_owned()),
        None => Attributes::EMPTY,
    }
}

/// What a record is about.
fn entity(
    record: &TelemetryRecord,
    node_attribute: &str,
    node: Option<&str>,
) -> Result<(Resource, Consumer, Attributes), String> {
    let resource = match (&record.gpu_id, &record.resource_kind) {
        (Some(id), _) if !id.is_empty() => Resource::Gpu {
            bus_id: id.as_str().into(),
        },
        (_, Some(kind)) => Resource::new(kind, record.resource_id.as_deref().unwrap_or_default()),
        _ => return Err("it says neither `gpu_id` nor `resource_kind`".to_owned()),
    };
    let consumer = match &record.consumer_kind {
        Some(kind) => Consumer::new(kind, record.consumer_id.as_deref().unwrap_or_default()),
        None => Consumer::LocalMachine,
    };
    let attributes = of_node(node_attribute, record.hostname.as_deref().or(node));
    let others = record.attributes.iter();
    let attributes = others.fold(attributes, |all, (key, value)| {
        all.with(key.clone(), value.clone())
    });
    Ok((resource, consumer, attributes))
}

/// A record tells neither unit nor kind of its metrics.
fn register(name: &str, of: &(Resource, Consumer, Attributes), batch: &Batch) -> SeriesHandle {
    let (metric, _) = batch.catalog().admit_metric(Metric {
        name: name.to_owned().into(),
        kind: MetricKind::Gauge,
        value_type: ValueType::F64,
        unit: Unit::ONE,
        description: "From a telemetry record, which tells no more than the name.".into(),
        quality: Quality::Measured,
    });
    let (resource, consumer, attributes) = of.clone();
    batch.catalog().register(SeriesKey {
        metric,
        resource,
        consumer,
        attributes,
    })
}
