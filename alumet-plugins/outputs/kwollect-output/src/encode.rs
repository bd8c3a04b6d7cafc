//! The format: a list with an object of each sample.

use std::io::Write;

use alumet_core::metric::Metric;
use alumet_core::output::{Delivery, Receipt};
use alumet_core::series::SeriesInfo;
use alumet_core::{SeriesMap, Unit, Value};
use alumet_shared_http_delivery::json;
use serde_json::Value as Json;

use crate::config::Config;

/// Makes lists; computes what repeats once per series.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    device: String,
    /// Of each series what follows its value: `,"metric_id":"energy_J",…}`.
    ends: SeriesMap<Box<str>>,
}

/// The list of a delivery.
#[derive(Debug, Default)]
pub struct Metrics {
    /// The text; empty if nothing is in the list.
    pub text: Vec<u8>,
    /// Samples that are not in it, and why.
    pub left_out: Receipt,
}

/// Labels that this output makes.
const RESERVED: [&str; 4] = ["resource_kind", "resource_id", "consumer_kind", "consumer_id"];

impl Encoder {
    /// An encoder for what is measured on this device.
    pub fn new(config: &Config, device: String) -> Self {
        Self {
            config: config.clone(),
            device,
            ends: SeriesMap::new(),
        }
    }

    /// The list of `delivery`.
    pub fn encode(&mut self, delivery: &Delivery) -> Metrics {
        let Self { config, device, ends } = self;
        let mut metrics = Metrics::default();
        // About as long as they are.
        metrics.text.reserve(delivery.len() * 256);
        for (position, sample) in delivery.samples().enumerate() {
            let end = ends.get_or_try_insert_with(sample.series, || {
                let info = delivery.catalog().describe(sample.series).ok_or(())?;
                Ok::<_, ()>(end(&info, config, device))
            });
            let Ok(end) = end else {
                metrics.left_out.reject(position, "nobody knows its series");
                continue;
            };
            let (mut integer, mut float) = (itoa::Buffer::new(), zmij::Buffer::new());
            let number = match sample.value() {
                Value::U64(value) => integer.format(value),
                Value::I64(value) => integer.format(value),
                Value::F64(value) if value.is_finite() => float.format(value),
                Value::F64(_) => {
                    metrics
                        .left_out
                        .reject(position, "JSON has neither NaN nor infinities");
                    continue;
                }
            };
            let nanos = sample.timestamp.as_nanos();
            let sign = if nanos < 0 { "-" } else { "" };
            let nanos = nanos.unsigned_abs();
            let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            let start = if metrics.text.is_empty() { '[' } else { ',' };
            // Writing to memory cannot fail.
            let _ = write!(
                metrics.text,
                r#"{start}{{"timestamp":{sign}{seconds}.{nanos:09},"value":{number}{end}"#
            );
        }
        if !metrics.text.is_empty() {
            metrics.text.push(b']');
        }
        metrics
    }
}

fn end(info: &SeriesInfo, config: &Config, device: &str) -> Box<str> {
    let mut labels: Vec<(String, Json)> = RESERVED
        .into_iter()
        .zip([
            info.resource().kind().into(),
            info.resource().id(),
            info.consumer().kind().into(),
            info.consumer().id(),
        ])
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect();
    let attributes = info.attributes_with_quality();
    let names = attributes.names(&RESERVED, str::to_owned, |name| name.insert(0, '_'));
    for (name, (_, value)) in names.into_iter().zip(attributes.iter()) {
        labels.push((name, json(value)));
    }
    let labels: Vec<String> = labels
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", Json::from(name)))
        .collect();
    let (metric, device) = (Json::from(metric_id(&info.metric, config)), Json::from(device));
    let labels = labels.join(",");
    format!(r#","metric_id":{metric},"device_id":{device},"labels":{{{labels}}}}}"#).into()
}

/// The name of the metric and its unit: `energy_J`; a plain number has no unit.
fn metric_id(metric: &Metric, config: &Config) -> String {
    let unit = match config.use_unit_display_name {
        _ if !config.append_unit_to_metric_name || metric.unit == Unit::ONE => {
            return metric.name.to_string();
        }
        true => metric.unit.symbol(),
        false => metric.unit.code(),
    };
    let separator = if unit.is_empty() { "" } else { "_" };
    format!("{}{separator}{unit}", metric.name)
}
