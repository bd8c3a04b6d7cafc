//! From a batch to lines.

use alumet_core::output::Delivery;
use alumet_core::series::SeriesInfo;
use alumet_core::{Catalog, Sample, SeriesMap, Timestamp, Unit, Value};

use crate::config::Config;
use crate::field::{Form, push_pair};
use crate::header::Header;

/// About how many bytes of lines are in memory at once: a delivery of long names would be 60 MiB.
const PART: usize = 1 << 20;

/// Writes samples as CSV lines; computes what repeats once per series.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    header: Header,
    lines: SeriesMap<Line>,
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
            config: config.clone(),
            header: Header::default(),
            lines: SeriesMap::new(),
            time: (Timestamp::default(), Timestamp::default().to_rfc3339()),
        }
    }

    /// The columns of the lines.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What separates columns.
    pub fn delimiter(&self) -> u8 {
        self.config.delimiter()
    }

    /// Whether it writes lines in this format, which is one of [`Config::format`], under this header.
    pub(crate) fn writes(&self, format: &Config, header: &Header) -> bool {
        self.config == *format && self.header == *header
    }

    /// Changes the columns.
    pub fn set_header(&mut self, header: Header) {
        if self.header != header {
            self.header = header;
            self.lines.clear();
        }
    }

    /// The header line.
    pub fn header_line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        self.header.write(self.config.form(), &mut line);
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
        let delimiter = self.delimiter();
        let Self {
            config,
            header,
            lines,
            time,
        } = self;
        let quote = may_be_in_a_number(delimiter);
        let mut count = 0;
        while out.len() < enough
            && let Some(sample) = samples.next()
        {
            count += 1;
            let line = lines.get_or_try_insert_with(sample.series, || {
                let info = catalog.describe(sample.series).ok_or(())?;
                Ok::<_, ()>(Line::new(&info, header, config))
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
    fn new(info: &SeriesInfo, header: &Header, config: &Config) -> Self {
        let form = config.form();
        let delimiter = form.delimiter;
        let mut text = Vec::new();
        form.push(&mut text, &metric_name(info, config));
        text.push(delimiter);
        let middle = text.len();

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
        let mut late = String::new();
        for (key, attribute) in attributes.iter().filter(|(key, _)| !header.has(key)) {
            push_pair(&mut late, config.csv_late_delimiter, key, &attribute.to_string());
        }
        text.push(delimiter);
        let form = Form {
            kept: Some(config.csv_late_delimiter),
            ..form
        };
        form.push(&mut text, &late);
        text.push(b'\n');
        Self {
            text: text.into(),
            middle,
        }
    }
}

/// The name of the metric and its unit: `memory_used_B`; a plain number has no unit.
fn metric_name(info: &SeriesInfo, config: &Config) -> String {
    let metric = &info.metric;
    if !config.append_unit_to_metric_name || metric.unit == Unit::ONE {
        return metric.name.to_string();
    }
    let unit = match config.use_unit_display_name {
        true => metric.unit.symbol(),
        false => metric.unit.code(),
    };
    let separator = if unit.is_empty() { "" } else { "_" };
    format!("{}{separator}{unit}", metric.name)
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
