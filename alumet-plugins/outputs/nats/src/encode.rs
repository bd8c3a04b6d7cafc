//! Batches as messages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alumet_core::batch::{Batch, Sample};
use alumet_core::series::SeriesMap;
use alumet_core::time::Timestamp;
use alumet_shared_batch_encoding::Encoder as BatchEncoder;
use alumet_shared_nats::seal;
use alumet_shared_telemetry_record::TelemetryRecord;
use bytes::Bytes;

use crate::config::{Config, Format};
use crate::place::{Place, Places};

/// A batch with more bytes is sent in several messages: servers take 1 MiB unless they are told otherwise. It is a constant,
/// because a message that comes again must be the same.
const LARGEST: usize = 512 << 10;

/// Makes messages of batches: the same of equal ones.
pub(crate) struct Encoder {
    format: Format,
    places: Places,
    of_series: SeriesMap<Place>,
    batches: BatchEncoder,
}

impl Encoder {
    /// As the configuration says, on this node.
    pub(crate) fn new(config: &Config, node: String) -> Self {
        Self {
            format: config.format,
            places: Places::new(config, node),
            of_series: SeriesMap::new(),
            batches: BatchEncoder::new(0),
        }
    }

    /// The messages of a batch, those of one subject in their order.
    pub(crate) fn encode(&mut self, batch: &Batch) -> BTreeMap<Arc<str>, Vec<Bytes>> {
        let Self {
            places, of_series, ..
        } = self;
        let mut samples = BTreeMap::<Arc<str>, Vec<Sample>>::new();
        for sample in batch.samples() {
            let place = of_series.get_or_try_insert_with(sample.series, || {
                // A batch has no series that its catalog does not know.
                let series = batch.catalog().describe(sample.series).ok_or(())?;
                Ok::<_, ()>(places.find(&series))
            });
            if let Ok(place) = place {
                samples
                    .entry(Arc::clone(&place.subject))
                    .or_default()
                    .push(sample);
            }
        }
        let message = |(subject, samples): (_, Vec<Sample>)| {
            let mut messages = Vec::new();
            match self.format {
                Format::Batch => self.write_batch(batch, &samples, &mut messages),
                Format::Json => self.write_records(&samples, &mut messages),
            }
            (subject, messages)
        };
        samples.into_iter().map(message).collect()
    }

    fn write_batch(&mut self, of: &Batch, samples: &[Sample], messages: &mut Vec<Bytes>) {
        let mut part = of.catalog().batch();
        part.extend(samples.iter().copied());
        self.batches.begin_anew();
        let message = seal(&self.batches.encode(&part));
        if message.len() > LARGEST && samples.len() > 1 {
            let (one, other) = samples.split_at(samples.len() / 2);
            self.write_batch(of, one, messages);
            self.write_batch(of, other, messages);
        } else {
            messages.push(message.into());
        }
    }

    fn write_records(&self, samples: &[Sample], messages: &mut Vec<Bytes>) {
        let mut records = Vec::<TelemetryRecord>::new();
        let mut found = HashMap::<(&str, Timestamp), usize>::new();
        for sample in samples {
            let Some(place) = self.of_series.get(sample.series) else {
                continue;
            };
            let key = (place.entity.as_str(), sample.timestamp);
            let known = found.get(&key).copied();
            // Metrics of one name that differ in something else do not fit into one record.
            let index = known.filter(|index| !records[*index].metrics.contains_key(&place.metric));
            let index = index.unwrap_or_else(|| {
                records.push(TelemetryRecord {
                    timestamp: TelemetryRecord::text_of(sample.timestamp),
                    ..place.record.clone()
                });
                found.insert(key, records.len() - 1);
                records.len() - 1
            });
            records[index]
                .metrics
                .insert(place.metric.clone(), sample.value().into());
        }
        // A record is text, numbers and maps of them, which always become JSON.
        messages.extend(
            records
                .iter()
                .filter_map(|record| serde_json::to_vec(record).ok())
                .map(Bytes::from),
        );
    }
}
