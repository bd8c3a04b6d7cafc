//! From a batch to lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use alumet_core::catalog::MetricId;
use alumet_core::output::Delivery;
use alumet_core::series::SeriesInfo;
use alumet_core::{Attributes, Catalog, Metric, Sample, SeriesMap, Timestamp, Unit, Value};

use crate::config::Config;
use crate::field::{Form, json, push_pair};
use crate::format::{Dialect, Format};
use crate::header::Header;

/// About how many bytes of lines are in memory at once: a delivery of long names would be 60 MiB.
const PART: usize = 1 << 20;
/// How many metrics are described: other programs may define any number.
const MOST_METRICS: usize = 10_000;

/// Writes samples as CSV lines; computes what repeats once per series.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
    header: Header,
    /// The columns of the last file that was begun.
    begun: Header,
    lines: SeriesMap<Line>,
    /// The metrics of these lines, if somebody wants to know them.
    metrics: Option<HashMap<MetricId, Arc<Metric>>>,
    /// The last timestamp and its text; the samples of one tick share it.
    time: (Timestamp, [u8; 30]),
}

/// All of a line but its timestamp and its value: what stands before and what stands after them.
#[derive(Debug)]
struct Line {
    text: Box<[u8]>,
    /// Where the timestamp and the value go.
    middle: usize,
}

impl Encoder {
    /// An encoder for lines without attribute columns.
    pub fn new(config: &Config) -> Self {
        Self {
            metrics: config.has_metadata().then(HashMap::new),
            ..Self::of(config.format())
        }
    }

    /// The same for lines in this format.
    pub(crate) fn of(format: Format) -> Self {
        let header = Header::empty(format.dialect);
        Self {
            format,
            begun: header.clone(),
            header,
            lines: SeriesMap::new(),
            metrics: None,
            time: (Timestamp::default(), Timestamp::default().to_rfc3339()),
        }
    }

    /// The columns of the lines.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// How the lines look.
    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// The metrics of the lines since the columns were chosen; none if nobody describes them.
    pub(crate) const fn metrics(&self) -> Option<&HashMap<MetricId, Arc<Metric>>> {
        self.metrics.as_ref()
    }

    /// Whether it writes lines in this format under this header.
    pub(crate) fn writes(&self, format: Format, header: &Header) -> bool {
        self.format == format && self.header == *header
    }

    /// Chooses the columns of a file that is begun with this delivery; gives its header line.
    pub fn begin(&mut self, delivery: &Delivery) -> Vec<u8> {
        self.begun = self.begun.next(delivery);
        self.set_header(self.begun.clone());
        self.header_line()
    }

    /// Changes the columns to those of a file.
    pub(crate) fn set_header(&mut self, header: Header) {
        self.header = header;
        self.lines.clear();
        if let Some(metrics) = &mut self.metrics {
            metrics.clear();
        }
    }

    /// The header line.
    pub fn header_line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        self.header.write(Form::of(self.format), &mut line);
        line
    }

    /// Appends one line per sample.
    pub fn encode(&mut self, delivery: &Delivery, out: &mut Vec<u8>) {
        self.encode_until(usize::MAX, delivery.catalog(), &mut delivery.samples(), out);
    }

    /// Puts the lines of the next samples in place of what is there; says of how many, none if there are no more.
    pub(crate) fn encode_part(
        &mut self,
        catalog: &Catalog,
        samples: &mut impl Iterator<Item = Sample>,
        lines: &mut Vec<u8>,
    ) -> usize {
        lines.clear();
        self.encode_until(PART, catalog, samples, lines)
    }

    /// Appends lines until there are `enough` bytes; says of how many samples.
    fn encode_until(
        &mut self,
        enough: usize,
        catalog: &Catalog,
        samples: &mut impl Iterator<Item = Sample>,
        out: &mut Vec<u8>,
    ) -> usize {
        let Self {
            format,
            header,
            lines,
            metrics,
            time,
            ..
        } = self;
        let delimiter = format.delimiter;
        let quote = may_be_in_a_number(delimiter);
        let mut count = 0;
        while out.len() < enough
            && let Some(sample) = samples.next()
        {
            count += 1;
            let line = lines.get_or_try_insert_with(sample.series, || {
                let info = catalog.describe(sample.series).ok_or(())?;
                if let Some(metrics) = metrics
                    && metrics.len() < MOST_METRICS
                {
                    metrics.insert(info.key.metric, Arc::clone(&info.metric));
                }
                Ok::<_, ()>(Line::new(&info, header, *format))
            });
            let Ok(line) = line else {
                // A batch keeps its series known, so this is a defect of whoever made the batch.
                tracing::error!(series = ?sample.series, "a sample of an unknown series is not written");
                continue;
            };
            let (before, after) = line.text.split_at(line.middle);
            out.extend_from_slice(before);
            if time.0 != sample.timestamp {
                *time = (sample.timestamp, sample.timestamp.to_rfc3339());
            }
            push_number(out, quote, &time.1);
            out.push(delimiter);
            match sample.value() {
                Value::U64(value) => push_number(out, quote, itoa::Buffer::new().format(value).as_bytes()),
                Value::I64(value) => push_number(out, quote, itoa::Buffer::new().format(value).as_bytes()),
                Value::F64(value) => push_number(out, quote, zmij::Buffer::new().format(value).as_bytes()),
            }
            out.extend_from_slice(after);
        }
        count
    }
}

impl Line {
    fn new(info: &SeriesInfo, header: &Header, format: Format) -> Self {
        let form = Form::of(format);
        let delimiter = form.delimiter;
        let mut text = Vec::new();
        form.push(&mut text, &metric_name(&info.metric, format));
        text.push(delimiter);
        let middle = text.len();
        if format.dialect == Dialect::Plain {
            text.push(delimiter);
            form.push(&mut text, &unit_of(&info.metric, format));
        }

        let (resource, consumer) = (info.resource(), info.consumer());
        for field in [resource.kind(), &*resource.id(), consumer.kind(), &*consumer.id()] {
            text.push(delimiter);
            form.push(&mut text, field);
        }
        let attributes = info.attributes_with_quality();
        for key in header.attributes() {
            text.push(delimiter);
            if let Some(attribute) = attributes.get(key) {
                form.push(&mut text, &attribute.to_string());
            }
        }
        text.push(delimiter);
        push_rest(&mut text, &attributes, header, format);
        text.push(b'\n');
        Self {
            text: text.into(),
            middle,
        }
    }
}

/// Appends the field of all attributes that have no column.
fn push_rest(out: &mut Vec<u8>, attributes: &Attributes, header: &Header, format: Format) {
    let form = Form::of(format);
    let rest = attributes.iter().filter(|(key, _)| !header.has(key));
    match format.dialect {
        Dialect::Original => {
            let delimiter = char::from(format.late_delimiter);
            let mut text = String::new();
            for (key, attribute) in rest {
                push_pair(&mut text, delimiter, key, &attribute.to_string());
            }
            let kept = Some(delimiter);
            Form { kept, ..form }.push(out, &text);
        }
        Dialect::Plain => {
            let object: serde_json::Map<_, _> =
                rest.map(|(key, value)| (key.to_string(), json(value))).collect();
            if !object.is_empty() {
                form.push(out, &serde_json::Value::from(object).to_string());
            }
        }
    }
}

/// The name of the metric and its unit: `memory_used_B`; a plain number has no unit.
fn metric_name(metric: &Metric, format: Format) -> String {
    let unit = unit_of(metric, format);
    match format.unit_in_name && !unit.is_empty() {
        true => format!("{}_{unit}", metric.name),
        false => metric.name.to_string(),
    }
}

/// The unit as it is written; nothing for a plain number.
fn unit_of(metric: &Metric, format: Format) -> Cow<'_, str> {
    match format.unit_symbol {
        _ if metric.unit == Unit::ONE => Cow::Borrowed(""),
        true => metric.unit.symbol(),
        false => metric.unit.code(),
    }
}

/// Whether the delimiter can be part of a timestamp or a value, which then have to be quoted.
const fn may_be_in_a_number(delimiter: u8) -> bool {
    delimiter.is_ascii_alphanumeric() || matches!(delimiter, b'+' | b'-' | b'.' | b':')
}

fn push_number(out: &mut Vec<u8>, quote: bool, text: &[u8]) {
    if quote {
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    } else {
        out.extend_from_slice(text);
    }
}
