use std::borrow::Cow;

use alumet_core::series::{SeriesInfo, SeriesKey};
use alumet_core::{AttributeValue, Attributes, Consumer, Metric, Resource, Unit};

use super::number_as_text;

/// Texts of something that is shortened have at most so many bytes.
const SHORT: usize = 96;
/// So many bytes of attributes are left.
const ATTRIBUTES: usize = 1024;
/// The key of the attribute that stands for what is left out.
const SHORTENED: &str = "shortened";

/// What is left of a metric whose entry is too large; `checksum` is that of the whole.
pub(super) fn short_metric(metric: &Metric, checksum: u32) -> Metric {
    let name: Cow<'_, str> = match metric.name.len() {
        0..=SHORT => metric.name.clone(),
        _ => format!("{}_{checksum:08x}", cut(&metric.name)).into(),
    };
    let unit = metric.unit.code();
    Metric {
        name: Cow::Owned(name.into_owned()),
        unit: Unit::parse(cut(&unit)),
        description: cut(&metric.description).to_owned().into(),
        ..metric.clone()
    }
}

/// What is left of a series whose entry is too large; `checksum` is that of the whole.
pub(super) fn short_series(info: &SeriesInfo, checksum: u32) -> SeriesKey {
    let (resource, consumer) = (info.resource(), info.consumer());
    let mut room = ATTRIBUTES;
    let attributes = info.attributes().iter().filter_map(|(key, value)| {
        let key = cut(key);
        let (value, length) = match value {
            AttributeValue::Text(text) => (AttributeValue::from(cut(text)), cut(text).len()),
            // As it is encoded, and as text.
            other => (other.clone(), 2 * number_as_text(other)),
        };
        // What stands before a text, and an attribute without one.
        room = room.checked_sub(key.len() + length + 32)?;
        Some((key.to_owned(), value))
    });
    let attributes: Attributes = attributes.collect();
    SeriesKey {
        metric: info.key.metric,
        resource: Resource::new(cut(resource.kind()), cut(&resource.id())),
        consumer: Consumer::new(cut(consumer.kind()), cut(&consumer.id())),
        attributes: attributes.with(SHORTENED, format!("{checksum:08x}")),
    }
}

/// The beginning of a text.
fn cut(text: &str) -> &str {
    let end = (0..=SHORT.min(text.len())).rev();
    let end = end.into_iter().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
