use alumet_core::{AttributeValue, Attributes, Consumer, Metric, Resource, Unit};

use super::{Entry, KINDS, METRIC, QUALITIES, SERIES, SeriesEntry, TYPES, value};
use crate::bytes::Bytes;
use crate::decoder::Limits;
use crate::error::DecodeError;

/// Reads entries one after the other.
///
/// Neighbours often have the same consumer and the same attributes, which are then shared.
pub(crate) struct EntryReader<'a> {
    bytes: Bytes<'a>,
    limits: Limits,
    resource: Shared<'a, Resource>,
    consumer: Shared<'a, Consumer>,
    attributes: Shared<'a, Attributes>,
}

/// What was read last, and the bytes that it was read from.
type Shared<'a, T> = Option<(&'a [u8], T)>;

impl<'a> EntryReader<'a> {
    pub(crate) fn new(body: &'a [u8], limits: Limits) -> Self {
        Self {
            bytes: Bytes::new(body),
            limits,
            resource: None,
            consumer: None,
            attributes: None,
        }
    }

    /// The next entry, and how many bytes it has.
    pub(crate) fn entry(&mut self) -> Result<(Entry, usize), DecodeError> {
        let start = self.bytes.offset();
        let entry = match self.bytes.byte("a definition")? {
            METRIC => Entry::Metric(metric(&mut self.bytes)?),
            SERIES => Entry::Series(self.series()?),
            _ => return Err(self.bytes.corrupt("unknown kind of definition")),
        };
        Ok((entry, self.bytes.offset() - start))
    }

    /// Makes sure that there is no other entry.
    pub(crate) const fn finish(&self) -> Result<(), DecodeError> {
        self.bytes.finish()
    }

    fn series(&mut self) -> Result<SeriesEntry, DecodeError> {
        let (bytes, limits) = (&mut self.bytes, self.limits);
        let metric = bytes.varint("the metric of a series")?;
        let metric = u32::try_from(metric).map_err(|_| bytes.corrupt("a metric has an impossible number"))?;
        Ok(SeriesEntry {
            metric,
            resource: shared(&mut self.resource, bytes, |bytes| {
                Ok(Resource::new(
                    bytes.text("a resource")?,
                    bytes.text("a resource")?,
                ))
            })?,
            consumer: shared(&mut self.consumer, bytes, |bytes| {
                Ok(Consumer::new(
                    bytes.text("a consumer")?,
                    bytes.text("a consumer")?,
                ))
            })?,
            attributes: shared(&mut self.attributes, bytes, |bytes| attributes(bytes, limits))?,
        })
    }
}

/// What `read` reads, or what was read last if the bytes are the same.
fn shared<'a, T: Clone>(
    last: &mut Shared<'a, T>,
    bytes: &mut Bytes<'a>,
    read: impl FnOnce(&mut Bytes<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    if let Some((written, value)) = last
        && bytes.skip(written)
    {
        return Ok(value.clone());
    }
    let start = bytes.offset();
    let value = read(bytes)?;
    *last = Some((bytes.since(start), value.clone()));
    Ok(value)
}

fn metric(bytes: &mut Bytes<'_>) -> Result<Metric, DecodeError> {
    Ok(Metric {
        name: bytes.text("the name of a metric")?.to_owned().into(),
        kind: word(bytes, &KINDS, "unknown kind of metric")?,
        value_type: word(bytes, &TYPES, "unknown type of values")?,
        unit: Unit::parse(bytes.text("the unit of a metric")?),
        quality: word(bytes, &QUALITIES, "unknown quality of values")?,
        description: bytes.text("the description of a metric")?.to_owned().into(),
    })
}

fn word<T: Copy>(bytes: &mut Bytes<'_>, words: &[T], unknown: &'static str) -> Result<T, DecodeError> {
    let code = bytes.byte("a metric")?;
    words
        .get(usize::from(code))
        .copied()
        .ok_or_else(|| bytes.corrupt(unknown))
}

fn attributes(bytes: &mut Bytes<'_>, limits: Limits) -> Result<Attributes, DecodeError> {
    let count = bytes.count(
        "attributes of a series",
        limits.attributes_per_series.min(bytes.left()),
    )?;
    let mut pairs: Vec<(String, AttributeValue)> = Vec::new();
    for _ in 0..count {
        let key = bytes.text("the key of an attribute")?;
        // Sorting many that are not sorted would take long.
        if pairs.last().is_some_and(|(last, _)| last.as_str() >= key) {
            return Err(bytes.corrupt("the attributes are not sorted"));
        }
        pairs.push((key.to_owned(), attribute_value(bytes, limits)?));
    }
    Ok(pairs.into_iter().collect())
}

fn attribute_value(bytes: &mut Bytes<'_>, limits: Limits) -> Result<AttributeValue, DecodeError> {
    const WHAT: &str = "the value of an attribute";
    Ok(match bytes.byte(WHAT)? {
        value::U64 => AttributeValue::U64(bytes.varint(WHAT)?),
        value::I64 => AttributeValue::I64(bytes.signed(WHAT)?),
        value::F64 => {
            let mut bits = [0; 8];
            bits.copy_from_slice(bytes.take(8, WHAT)?);
            AttributeValue::F64(f64::from_bits(u64::from_le_bytes(bits)))
        }
        value::FALSE => AttributeValue::Bool(false),
        value::TRUE => AttributeValue::Bool(true),
        value::TEXT => AttributeValue::Text(bytes.text(WHAT)?.into()),
        value::LIST_U64 => {
            let count = bytes.count("numbers of a list", limits.entry_bytes.min(bytes.left()))?;
            let numbers: Result<Vec<u64>, _> = (0..count).map(|_| bytes.varint(WHAT)).collect();
            AttributeValue::ListU64(numbers?.into())
        }
        _ => return Err(bytes.corrupt("unknown type of an attribute")),
    })
}
