//! What Prometheus and VictoriaMetrics are sent: remote-write 1.0 (<https://prometheus.io/docs/specs/prw/remote_write_spec/>).

use alumet_core::series::{SeriesInfo, SeriesMap};
use alumet_core::{Batch, Catalog, MetricKind};
use alumet_shared_prometheus_names::{Naming, Number, Scale};
use prost::Message;

use super::data::Span;
use super::server::Server;

/// The node that all samples are of.
pub(crate) const NODE: &str = "bench";

#[derive(Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    /// In milliseconds since 1970.
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Requests with all samples.
pub(crate) struct RemoteWrite {
    pub(crate) samples: usize,
    requests: Vec<Vec<u8>>,
}

/// Makes requests of batches. Each has all series, as all batches do.
#[derive(Default)]
struct Encoder {
    request: WriteRequest,
    series: SeriesMap<Known>,
}

/// A series that was there before.
struct Known {
    place: usize,
    scale: Scale,
    /// What a delta comes to so far, which is what a scrape shows.
    total: Option<Number>,
}

impl RemoteWrite {
    pub(crate) fn prepare(span: Span) -> Self {
        let mut encoder = Encoder::default();
        let mut all = Self {
            samples: 0,
            requests: Vec::new(),
        };
        span.each(|catalog, batch| {
            all.samples += batch.len();
            all.requests.push(encoder.encode(catalog, &batch));
        });
        all
    }

    /// Sends one request after another.
    pub(crate) fn send(&self, server: &Server) {
        for request in &self.requests {
            server.write(request);
        }
    }
}

impl Encoder {
    fn encode(&mut self, catalog: &Catalog, batch: &Batch) -> Vec<u8> {
        let all = &mut self.request.timeseries;
        for series in all.iter_mut() {
            series.samples.clear();
        }
        for sample in batch.samples() {
            let known = self.series.get_or_insert_with(sample.series, || {
                let info = catalog.describe(sample.series).expect("a series");
                all.push(TimeSeries {
                    labels: labels(&info),
                    samples: Vec::new(),
                });
                Known {
                    place: all.len() - 1,
                    scale: Naming::default().scale(&info.metric.unit),
                    total: (info.metric.kind == MetricKind::Delta).then(|| Number::of(sample.value()).zero()),
                }
            });
            let mut number = Number::of(sample.value());
            if let Some(total) = &mut known.total {
                *total = total.plus(number);
                number = *total;
            }
            all[known.place].samples.push(Sample {
                value: known.scale.apply(number.as_f64()),
                timestamp: sample.timestamp.as_nanos() / 1_000_000,
            });
        }
        let bytes = self.request.encode_to_vec();
        snap::raw::Encoder::new()
            .compress_vec(&bytes)
            .expect("a small request")
    }
}

/// As the plugin `prometheus-exporter` names series, in order.
fn labels(info: &SeriesInfo) -> Vec<Label> {
    let naming = Naming::default();
    let mut name = naming.family(&info.metric, false).name.name;
    if info.metric.kind != MetricKind::Gauge {
        name.push_str("_total");
    }
    let consumer = (info.consumer().kind(), &*info.consumer().id());
    let attributes = info.attributes().with("node", NODE);
    let labels = naming.labels(info.resource(), consumer, &attributes);
    let labels = labels.into_iter().map(|(name, value)| (name.name, value));
    let mut labels: Vec<Label> = labels
        .chain([("__name__".to_owned(), name)])
        .map(|(name, value)| Label { name, value })
        .collect();
    labels.sort_by(|one, other| one.name.cmp(&other.name));
    labels
}
