//! Messages as batches.

use std::collections::HashMap;
use std::time::Instant;

use alumet_core::attributes::Attributes;
use alumet_core::batch::Batch;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::unit::Unit;
use alumet_core::value::{Value, ValueType};
use alumet_core::{Consumer, Resource};
use alumet_shared_batch_encoding::{Amendment, Decoder, Limits};
use alumet_shared_nats::{BatchMessage, TelemetryRecord, is_batch};

use crate::known::{AllKnown, KnownSeries};

/// What is taken of one message, which servers keep below some megabytes.
const LIMITS: Limits = Limits {
    dictionary_entries: 2 * Batch::LARGEST,
    dictionary_bytes: 64 << 20,
    ..Limits::OF_AN_AGENT
};
/// The series of records of one sender that are remembered.
const MOST_OF_RECORDS: usize = 10_000;

/// Reads messages.
pub(crate) struct Messages {
    known: AllKnown,
    node_attribute: String,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) subject: &'a str,
    /// The node that has measured, as the header says it.
    pub(crate) node: Option<&'a str>,
}

impl Messages {
    /// Each series gets this attribute with the name of its node.
    pub(crate) fn new(node_attribute: String) -> Self {
        Self {
            known: AllKnown::default(),
            node_attribute,
        }
    }

    /// Appends the samples of a message.
    ///
    /// # Errors
    /// Why it cannot be read, now or later. Then `into` may have some of its samples.
    pub(crate) fn read(&self, sender: Sender<'_>, message: &[u8], into: &mut Batch) -> Result<(), String> {
        let known = self.known.of(sender.subject, sender.node.unwrap_or_default());
        let mut known = known.lock();
        known.used = Instant::now();
        if is_batch(message) {
            return self.read_batch(&mut known, sender.node, message, into);
        }
        let record = serde_json::from_slice(message);
        let record = record
            .map_err(|error| format!("it is neither a batch nor a telemetry record in JSON: {error}"))?;
        self.read_record(&mut known, sender.node, &record, into)
    }

    /// Lets go of what is not used any more.
    pub(crate) fn forget_idle(&self) {
        self.known.forget_idle();
    }

    fn read_batch(
        &self,
        known: &mut KnownSeries,
        node: Option<&str>,
        message: &[u8],
        into: &mut Batch,
    ) -> Result<(), String> {
        let message = BatchMessage::read(message).map_err(|error| error.to_string())?;
        let is_new = |(dictionary, _): &(Vec<u8>, Decoder)| *dictionary != message.dictionary;
        if known.dictionary.as_ref().is_none_or(is_new) {
            let mut decoder = Decoder::new(LIMITS);
            let amendment = Amendment {
                attributes: self.of_node(node),
                is_exclusive: false,
            };
            let defined = decoder.define(&message.definitions(0), into.catalog(), &amendment);
            defined.map_err(|error| format!("its dictionary cannot be read: {error}"))?;
            // The one before goes only now, so that series which are in both stay.
            known.dictionary = Some((message.dictionary.to_vec(), decoder));
        }
        let Some((_, decoder)) = &mut known.dictionary else {
            return Ok(());
        };
        let decoded = decoder.decode(0, message.payload, into);
        decoded.map_err(|error| format!("its samples cannot be read: {error}"))?;
        Ok(())
    }

    fn read_record(
        &self,
        known: &mut KnownSeries,
        node: Option<&str>,
        record: &TelemetryRecord,
        into: &mut Batch,
    ) -> Result<(), String> {
        let time = record.time()?;
        let of = self.entity(node, record)?;
        if known.of_records.len() > MOST_OF_RECORDS {
            known.of_records = HashMap::new();
        }
        let entity = format!("{} {} {}", of.0, of.1, of.2);
        for (name, value) in &record.metrics {
            let value = value.as_f64();
            let value =
                value.ok_or_else(|| format!("the value of `{}` is no number", name.escape_debug()))?;
            let series = known.of_records.entry((entity.clone(), name.clone()));
            let series = series.or_insert_with(|| register(name, &of, into));
            // A series of a record has floats.
            let _ = into.push_value(series, time, Value::F64(value));
        }
        Ok(())
    }

    /// What a record is about.
    fn entity(
        &self,
        node: Option<&str>,
        record: &TelemetryRecord,
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
        let attributes = self.of_node(record.hostname.as_deref().or(node));
        let others = record.attributes.iter();
        let attributes = others.fold(attributes, |all, (key, value)| {
            all.with(key.clone(), value.clone())
        });
        Ok((resource, consumer, attributes))
    }

    fn of_node(&self, node: Option<&str>) -> Attributes {
        match node.filter(|node| !node.is_empty()) {
            Some(node) => Attributes::EMPTY.with(self.node_attribute.clone(), node.to_owned()),
            None => Attributes::EMPTY,
        }
    }
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
