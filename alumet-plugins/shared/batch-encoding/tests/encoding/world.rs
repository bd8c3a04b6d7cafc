//! Two programs: one that measures and encodes, one that decodes.

use alumet_core::metric::Quality;
use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::{
    Attributes, Batch, Catalog, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, Value, ValueType,
};
use alumet_shared_batch_encoding::{Amendment, DecodeError, Decoder, Encoded, Encoder, Limits, Watermark};

/// The receiving side.
pub(crate) struct Receiver {
    pub(crate) catalog: Catalog,
    pub(crate) decoder: Decoder,
    pub(crate) amendment: Amendment,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            catalog: Catalog::new(),
            decoder: Decoder::new(limits),
            amendment: Amendment::default(),
        }
    }

    pub(crate) fn define(&mut self, encoded: &Encoded) -> Result<(), DecodeError> {
        match &encoded.definitions {
            Some(definitions) => self.decoder.define(definitions, &self.catalog, &self.amendment),
            None => Ok(()),
        }
    }

    pub(crate) fn take(&mut self, encoded: &Encoded) -> Result<Batch, DecodeError> {
        self.take_with_watermark(encoded).map(|(batch, _)| batch)
    }

    pub(crate) fn take_with_watermark(
        &mut self,
        encoded: &Encoded,
    ) -> Result<(Batch, Option<Watermark>), DecodeError> {
        self.define(encoded)?;
        let mut batch = self.catalog.batch();
        let decoded = self
            .decoder
            .decode(encoded.generation, &encoded.payload, &mut batch)?;
        assert_eq!(batch.len(), encoded.samples as usize);
        Ok((batch, decoded.watermark))
    }
}

pub(crate) fn metric(name: &str, value_type: ValueType) -> Metric {
    Metric {
        name: name.to_owned().into(),
        kind: MetricKind::Gauge,
        value_type,
        unit: Unit::ONE,
        description: "For tests.".into(),
        quality: Quality::Measured,
    }
}

/// The series of a process.
pub(crate) fn series(catalog: &Catalog, name: &str, value_type: ValueType, pid: u32) -> SeriesHandle {
    catalog.register(SeriesKey {
        metric: catalog.register_metric(metric(name, value_type)).unwrap(),
        resource: Resource::LocalMachine,
        consumer: Consumer::Process { pid },
        attributes: Attributes::EMPTY,
    })
}

/// One sample for each of `series`.
pub(crate) fn batch_of(catalog: &Catalog, series: &[SeriesHandle]) -> Batch {
    let mut batch = catalog.batch();
    for (index, one) in series.iter().enumerate() {
        batch.push_bits(
            one,
            Timestamp::from_nanos(1_800_000_000_000_000_000),
            index as u64 * 1000,
        );
    }
    batch
}

/// Everything that is known of each sample.
pub(crate) fn described(batch: &Batch) -> Vec<(String, i64, ValueType, u64)> {
    batch
        .samples()
        .zip(batch.bits())
        .map(|(sample, &bits)| {
            let info = batch.catalog().describe(sample.series).unwrap();
            assert_eq!(sample.series.value_type(), info.metric.value_type);
            (
                info.to_string(),
                sample.timestamp.as_nanos(),
                sample.value().value_type(),
                bits,
            )
        })
        .collect()
}

/// A batch with all types, several ticks and some noise, and the encoder that wrote it.
pub(crate) fn mixed_batch(catalog: &Catalog, samples: u64) -> (Batch, Vec<SeriesHandle>) {
    let types = [ValueType::U64, ValueType::I64, ValueType::F64];
    let all: Vec<SeriesHandle> = (0..12)
        .map(|index| {
            series(
                catalog,
                &format!("metric_{}", index % 3),
                types[index % 3],
                index as u32 / 3,
            )
        })
        .collect();
    let mut batch = catalog.batch();
    for index in 0..samples {
        let one = &all[(index % 12) as usize];
        let noise = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let value = match one.id().value_type() {
            ValueType::U64 => Value::U64(noise * 4096),
            ValueType::I64 => Value::I64(noise as i64 - 5000),
            ValueType::F64 => Value::F64(noise as f64 / 1e7),
        };
        let time = Timestamp::from_nanos(1_800_000_000_000_000_000 + index as i64 / 12 * 1_000_000_000);
        batch.push_value(one, time, value).unwrap();
    }
    (batch, all)
}

/// The bytes of a batch from a new encoder.
pub(crate) fn encoded(batch: &Batch) -> Encoded {
    Encoder::new(7).encode(batch)
}
