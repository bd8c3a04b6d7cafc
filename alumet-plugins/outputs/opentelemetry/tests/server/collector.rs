//! A collector that keeps what it takes, made of the types of the OpenTelemetry project.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alumet_plugin_opentelemetry::{Config, Protocol};
use alumet_shared_http_delivery::testkit::{TestServer, local};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use parking_lot::Mutex;
use prost::Message;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::ServerTlsConfig;
use tonic::{Code, Request, Response, Status};

/// A collector that runs as long as the test program.
pub(crate) struct Collector {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    _runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    taken: Mutex<Vec<ExportMetricsServiceRequest>>,
    asked: AtomicUsize,
    judge: Judge,
}

/// What is answered to a request with this header `Authorization`.
type Judge = Box<dyn Fn(&ExportMetricsServiceRequest, &str) -> Verdict + Send + Sync>;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Taken,
    /// All but so many points.
    Partly(i64),
    /// It is not as it must be.
    Refused,
    /// The server has no time.
    Busy,
    /// Whoever asks is not known.
    Stranger,
}

/// A point with all that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) unit: String,
    /// `gauge`, or the temporality and the monotonicity of a sum.
    pub(crate) data: String,
    pub(crate) resource: BTreeMap<String, AnyValue>,
    pub(crate) labels: BTreeMap<String, AnyValue>,
    pub(crate) start: u64,
    pub(crate) time: u64,
    pub(crate) value: Number,
}

/// An output to the collector on a port.
pub(crate) fn config(protocol: Protocol, port: u16) -> Config {
    Config {
        collector_host: format!("http://127.0.0.1:{port}"),
        protocol,
        http: local(),
        ..Config::default()
    }
}

impl Collector {
    /// A collector that takes everything.
    pub(crate) fn start(protocol: Protocol) -> Self {
        Self::judging(protocol, |_, _| Verdict::Taken)
    }

    /// A collector that answers as it is told.
    pub(crate) fn judging(
        protocol: Protocol,
        judge: impl Fn(&ExportMetricsServiceRequest, &str) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        match protocol {
            Protocol::Grpc => Self::grpc(judge, usize::MAX, None),
            Protocol::Http => Self::http(judge),
        }
    }

    /// One of gRPC that takes messages up to a size, and perhaps speaks TLS.
    pub(crate) fn grpc(
        judge: impl Fn(&ExportMetricsServiceRequest, &str) -> Verdict + Send + Sync + 'static,
        limit: usize,
        tls: Option<ServerTlsConfig>,
    ) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let shared = Shared::new(judge);
        let mut service =
            MetricsServiceServer::from_arc(Arc::clone(&shared)).max_decoding_message_size(limit);
        for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
            service = service.accept_compressed(encoding);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let _guard = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let mut server = tonic::transport::Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let server = server.add_service(service);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self {
            port,
            shared,
            _runtime: Some(runtime),
        }
    }

    fn http(judge: impl Fn(&ExportMetricsServiceRequest, &str) -> Verdict + Send + Sync + 'static) -> Self {
        let shared = Shared::new(judge);
        let judging = Arc::clone(&shared);
        let server = TestServer::answering(move |received| {
            if received.line != "POST /v1/metrics HTTP/1.1" {
                return ("505 HTTP Version Not Supported", String::new());
            }
            assert_eq!(received.header("content-type"), Some("application/x-protobuf"));
            let request = ExportMetricsServiceRequest::decode(&*received.body).unwrap();
            let verdict = judging.ask(request, received.header("authorization"));
            let status = match verdict {
                Verdict::Taken | Verdict::Partly(_) => "200 OK",
                Verdict::Refused => "400 Bad Request",
                Verdict::Busy => "503 Service Unavailable",
                Verdict::Stranger => "401 Unauthorized",
            };
            // What is said here has no bytes that are no text.
            let answer = String::from_utf8(verdict.response().encode_to_vec()).unwrap();
            (status, answer)
        });
        Self {
            port: server.unwrap().url().rsplit(':').next().unwrap().parse().unwrap(),
            shared,
            _runtime: None,
        }
    }

    /// How many requests there have been.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// All points that it has taken.
    pub(crate) fn points(&self) -> Vec<Point> {
        self.shared.taken.lock().iter().flat_map(points).collect()
    }

    /// The values of `number`, sorted, as often as they were taken.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.shared.taken.lock().iter().flat_map(numbers).collect();
        numbers.sort_unstable();
        numbers
    }
}

impl Shared {
    fn new(
        judge: impl Fn(&ExportMetricsServiceRequest, &str) -> Verdict + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            asked: AtomicUsize::new(0),
            judge: Box::new(judge),
        })
    }

    fn ask(&self, request: ExportMetricsServiceRequest, authorization: Option<&str>) -> Verdict {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let verdict = (self.judge)(&request, authorization.unwrap_or_default());
        if matches!(verdict, Verdict::Taken | Verdict::Partly(_)) {
            self.taken.lock().push(request);
        }
        verdict
    }
}

impl Verdict {
    fn response(self) -> ExportMetricsServiceResponse {
        ExportMetricsServiceResponse {
            partial_success: match self {
                Self::Partly(rejected_data_points) => Some(ExportMetricsPartialSuccess {
                    rejected_data_points,
                    error_message: "not these".to_owned(),
                }),
                _ => None,
            },
        }
    }
}

#[tonic::async_trait]
impl MetricsService for Shared {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let authorization = request.metadata().get("authorization").cloned();
        let authorization = authorization.as_ref().map(|value| value.to_str().unwrap());
        let verdict = self.ask(request.into_inner(), authorization);
        match verdict {
            Verdict::Taken | Verdict::Partly(_) => Ok(Response::new(verdict.response())),
            Verdict::Refused => Err(Status::new(Code::InvalidArgument, "not so")),
            Verdict::Busy => Err(Status::new(Code::Unavailable, "not now")),
            Verdict::Stranger => Err(Status::new(Code::Unauthenticated, "not you")),
        }
    }
}

/// All points of a request.
pub(crate) fn points(request: &ExportMetricsServiceRequest) -> Vec<Point> {
    let mut found = Vec::new();
    for of_resource in &request.resource_metrics {
        let resource = attributes(&of_resource.resource.as_ref().unwrap().attributes);
        for of_scope in &of_resource.scope_metrics {
            assert_eq!(of_scope.scope.as_ref().unwrap().name, "alumet");
            for metric in &of_scope.metrics {
                let (data, points) = match metric.data.as_ref().unwrap() {
                    Data::Gauge(gauge) => ("gauge".to_owned(), &gauge.data_points),
                    Data::Sum(sum) => {
                        let temporality = sum.aggregation_temporality().as_str_name();
                        let temporality = temporality.rsplit('_').next().unwrap().to_lowercase();
                        let monotonic = if sum.is_monotonic { " monotonic" } else { "" };
                        (format!("{temporality}{monotonic}"), &sum.data_points)
                    }
                    other => panic!("{other:?}"),
                };
                found.extend(points.iter().map(|point| Point {
                    name: metric.name.clone(),
                    description: metric.description.clone(),
                    unit: metric.unit.clone(),
                    data: data.clone(),
                    resource: resource.clone(),
                    labels: attributes(&point.attributes),
                    start: point.start_time_unix_nano,
                    time: point.time_unix_nano,
                    value: point.value.unwrap(),
                }));
            }
        }
    }
    found
}

/// The values of `number` in a request.
pub(crate) fn numbers(request: &ExportMetricsServiceRequest) -> Vec<u64> {
    let numbers = points(request).into_iter().map(|point| match point.value {
        Number::AsInt(value) => value.cast_unsigned(),
        Number::AsDouble(value) => panic!("{value}"),
    });
    numbers.collect()
}

/// Attributes, each of which is there once.
fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, AnyValue> {
    let mut all = BTreeMap::new();
    for pair in pairs {
        let value = pair.value.clone().unwrap().value.unwrap();
        assert_eq!(all.insert(pair.key.clone(), value), None, "{}", pair.key);
    }
    all
}
