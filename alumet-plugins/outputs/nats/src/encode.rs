//! Batches as messages.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alumet_core::batch::{Batch, Sample};
use alumet_core::series::SeriesMap;
use alumet_core::time::Timestamp;
use alumet_shared_batch_encoding::{WholeDictionary, WholeEncoder};
use alumet_shared_nats::seal;
use alumet_shared_telemetry_record::TelemetryRecord;
use bytes::Bytes;

use crate::config::{Config, Format};
use crate::place::{Place, Places};

/// A batch with more bytes is sent in several messages: servers take 1 MiB unless they are told otherwise. It is a constant,
/// because a message that comes again must be the same.
const LARGEST: usize = 512 << 10;

/// With more subjects, all are forgotten, and found again.
const MOST_SUBJECTS: usize = 1 << 14;

/// Makes messages of batches: the same of equal ones.
pub(crate) struct Encoder {
    format: Format,
    places: Places,
    /// Where the samples of each series go, and the lane of that subject.
    of_series: SeriesMap<(usize, Place)>,
    lanes: Vec<Lane>,
    /// The lane of each subject.
    of_subject: HashMap<Arc<str>, usize>,
    batches: WholeEncoder,
}

/// What goes to one subject.
struct Lane {
    subject: Arc<str>,
    /// Those of the present batch.
    samples: Vec<Sample>,
    /// What the last message has defined.
    dictionary: WholeDictionary,
}

impl Encoder {
    /// As the configuration says, on this node.
    pub(crate) fn new(config: &Config, node: String) -> Self {
        Self {
            format: config.format,
            places: Places::new(config, node),
            of_series: SeriesMap::new(),
            lanes: Vec::new(),
            of_subject: HashMap::new(),
            batches: WholeEncoder::new(),
        }
    }

    /// The messages of a batch, those of one subject in their order.
    pub(crate) fn encode(&mut self, batch: &Batch) -> BTreeMap<Arc<str>, Vec<Bytes>> {
        if self.lanes.len() > MOST_SUBJECTS {
            self.of_series.clear();
            self.lanes.clear();
            self.of_subject.clear();
        }
        self.sort(batch);
        let mut lanes = std::mem::take(&mut self.lanes);
        let filled = lanes.iter_mut().filter(|lane| !lane.samples.is_empty());
        let messages = filled.map(|lane| {
            let mut messages = Vec::new();
            match self.format {
                Format::Batch => self.write_batch(batch, &lane.samples, &mut lane.dictionary, &mut messages),
                Format::Json => self.write_records(&lane.samples, &mut messages),
            }
            lane.samples.clear();
            (Arc::clone(&lane.subject), messages)
        });
        let messages = messages.collect();
        self.lanes = lanes;
        messages
    }

    /// Puts each sample of a batch into the lane of its subject.
    fn sort(&mut self, batch: &Batch) {
        let Self {
            places,
            lanes,
            of_subject,
            ..
        } = self;
        for sample in batch.samples() {
            let found = self.of_series.get_or_try_insert_with(sample.series, || {
                // A batch has no series that its catalog does not know.
                let series = batch.catalog().describe(sample.series).ok_or(())?;
                let place = places.find(&series);
                let lane = *of_subject.entry(Arc::clone(&place.subject)).or_insert_with(|| {
                    lanes.push(Lane {
                        subject: Arc::clone(&place.subject),
                        samples: Vec::new(),
                        dictionary: WholeDictionary::default(),
                    });
                    lanes.len() - 1
                });
                Ok::<_, ()>((lane, place))
            });
            if let Ok((lane, _)) = found {
                lanes[*lane].samples.push(sample);
            }
        }
    }

    fn write_batch(
        &mut self,
        of: &Batch,
        samples: &[Sample],
        dictionary: &mut WholeDictionary,
        messages: &mut Vec<Bytes>,
    ) {
        let mut part = of.catalog().batch();
        part.extend(samples.iter().copied());
        let message = seal(&self.batches.encode(&part, dictionary));
        if message.len() > LARGEST && samples.len() > 1 {
            let (one, other) = samples.split_at(samples.len() / 2);
            self.write_batch(of, one, dictionary, messages);
            self.write_batch(of, other, dictionary, messages);
        } else {
            messages.push(message.into());
        }
    }

    fn write_records(&self, samples: &[Sample], messages: &mut Vec<Bytes>) {
        let mut records = Vec::<TelemetryRecord>::new();
        let mut found = HashMap::<(&str, Timestamp), usize>::new();
        for sample in samples {
            let Some((_, place)) = self.of_series.get(sample.series) else {
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

#[cfg(test)]
mod tests {
    use alumet_core::catalog::Catalog;
    use alumet_core::series::Series;
    use alumet_core::unit::Unit;
    use alumet_core::{Consumer, Resource};

    use super::*;
    use crate::config::Subjects;

    alumet_core::metrics! {
        LEVEL = Gauge<u64> {
            name: "level",
            unit: Unit::ONE,
            description: "For these tests.",
        };
    }

    fn encoder() -> Encoder {
        let config = Config {
            subjects: Subjects::Gpu,
            ..Config::default()
        };
        Encoder::new(&config, "here".to_owned())
    }

    fn gpus(catalog: &Catalog, count: usize) -> Vec<Series<u64>> {
        let metric = catalog.metric(&LEVEL).unwrap();
        let gpu = |number: usize| {
            let bus_id = format!("GPU-{number}").into();
            let series = catalog.series(metric, Resource::Gpu { bus_id }, Consumer::LocalMachine);
            series.register()
        };
        (0..count).map(gpu).collect()
    }

    fn batch<'a>(catalog: &Catalog, series: impl IntoIterator<Item = &'a Series<u64>>) -> Batch {
        let mut batch = catalog.batch();
        for (value, series) in (0..).zip(series) {
            batch.push(series, Timestamp::from_nanos(1), value);
        }
        batch
    }

    #[test]
    fn each_subject_has_its_samples_whatever_came_before() {
        let catalog = Catalog::new();
        let gpus = gpus(&catalog, 3);
        let mut used = encoder();
        for present in [&gpus[..], &gpus[1..], &gpus[..2], &gpus[..]] {
            let batch = batch(&catalog, present.iter().chain(present));
            let messages = used.encode(&batch);
            assert_eq!(messages.len(), present.len());
            assert_eq!(messages, encoder().encode(&batch));
        }
    }

    #[test]
    fn too_many_subjects_are_forgotten_and_found_again() {
        let catalog = Catalog::new();
        let gpus = gpus(&catalog, MOST_SUBJECTS + 1);
        let mut encoder = encoder();
        let messages = encoder.encode(&batch(&catalog, &gpus));
        assert_eq!(messages.len(), gpus.len());
        let few = batch(&catalog, &gpus[..1]);
        assert_eq!(encoder.encode(&few).len(), 1);
        assert_eq!((encoder.lanes.len(), all().len()), (1, 1));
    }
}
