//! Collectors behind real sockets, and gateways that ask them.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::time::Timestamp;
use alumet_core::unit::Unit;
use alumet_core::value::{Value, ValueType};
use alumet_core::{Attributes, Consumer, Resource};
use alumet_shared_http_delivery::testkit::local;
use alumet_shared_query::testkit::Listed;
use alumet_shared_query::{
    Backend, Budget, Identity, Limits, OverTime, Query, QueryError, Range, Selector, Steps,
};
use alumet_shared_remote_query::{CollectorsBackend, CollectorsConfig, PATH, Partial, answer};
use alumet_shared_trust::Secret;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A sample: its series, its time, its value.
type Sample = (usize, i64, u32);

/// Makes these the samples of a list.
fn set(list: &Listed, samples: &[Sample]) {
    list.clear();
    for (series, at, value) in samples {
        list.push(
            &identity(*series),
            Timestamp::from_nanos(*at),
            value_of(*series, *value),
        );
    }
}

/// Series differ in all that they can.
fn identity(series: usize) -> Identity {
    let metric = Metric {
        name: format!("m{}", series % 2).into(),
        kind: MetricKind::ALL[series % 3],
        value_type: ValueType::ALL[series % 3],
        unit: Unit::JOULE,
        description: "".into(),
        quality: Quality::Measured,
    };
    Identity {
        metric: Arc::new(metric),
        resource: Resource::CpuPackage { id: 0 },
        consumer: Consumer::Process { pid: 1 },
        attributes: Attributes::EMPTY.with("node", format!("n{series}")),
    }
}

fn value_of(series: usize, value: u32) -> Value {
    match ValueType::ALL[series % 3] {
        ValueType::U64 => Value::U64(value.into()),
        ValueType::I64 => Value::I64(-i64::from(value)),
        ValueType::F64 => Value::F64(f64::from(value) / 4.0),
    }
}

/// A collector that answers from a list, as long as `runtime` lives.
struct Collector {
    listed: Arc<Listed>,
    port: u16,
}

impl Collector {
    async fn start(most: Limits) -> Self {
        Self::with(most, None).await
    }

    async fn with(most: Limits, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            listed: Arc::default(),
            port: listener.local_addr().unwrap().port(),
        };
        let listed = Arc::clone(&collector.listed);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let listed = Arc::clone(&listed);
                let service = service_fn(move |request| respond(Arc::clone(&listed), most, request));
                let (tls, connection) = (tls.clone(), hyper::server::conn::http1::Builder::new());
                tokio::spawn(async move {
                    match tls {
                        None => connection.serve_connection(TokioIo::new(stream), service).await,
                        Some(tls) => {
                            let stream = tls.accept(stream).await.unwrap();
                            connection.serve_connection(TokioIo::new(stream), service).await
                        }
                    }
                });
            }
        });
        collector
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn respond(
    listed: Arc<Listed>,
    most: Limits,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), PATH);
    let is_known = request
        .headers()
        .get("authorization")
        .is_some_and(|token| token == "Bearer t");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, body) = match answer(&*listed, &body, most).await {
        _ if !is_known => (StatusCode::UNAUTHORIZED, b"who are you?".to_vec()),
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string().into_bytes()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

fn config(addresses: Vec<String>) -> CollectorsConfig {
    let mut http = local();
    http.token = Some(Secret("t".to_owned()));
    CollectorsConfig {
        addresses,
        http,
        ..CollectorsConfig::default()
    }
}

fn gateway(collectors: &[Collector]) -> CollectorsBackend {
    CollectorsBackend::new(&config(collectors.iter().map(Collector::url).collect())).unwrap()
}

fn budget() -> Budget {
    Budget::new(Limits::default())
}

const STEPS: Steps = Steps {
    start: 3,
    step: 10,
    count: 9,
};

/// All that a backend says of these series.
async fn all(backend: &dyn Backend, selector: &Selector, range: Range, newest: Option<usize>) -> Vec<String> {
    let mut all = Vec::new();
    let series = backend.series(selector, range, &budget()).await.unwrap();
    // A collector that has some samples of a series, but none in the range, does not tell of those.
    all.extend(series.iter().map(|entry| entry.series.to_string()));
    let series = backend.series(selector, Range::ALL, &budget()).await.unwrap();
    all.extend(series.iter().map(|entry| format!("{entry:?}")));
    let samples = backend.samples(selector, range, newest, &budget()).await.unwrap();
    all.extend(samples.iter().map(|samples| format!("{samples:?}")));
    let buckets = backend.buckets(selector, STEPS, &budget()).await.unwrap();
    let buckets = buckets.iter().filter(|found| !found.buckets.is_empty());
    all.extend(buckets.map(|found| format!("{found:?}")));
    all.sort();
    all
}

#[test]
fn however_samples_are_split_and_repeated_the_answer_is_that_of_one_who_has_all() {
    let runtime = Runtime::new().unwrap();
    let collectors = async || {
        let mut collectors = Vec::new();
        for _ in 0..4 {
            collectors.push(Collector::start(Limits::default()).await);
        }
        collectors
    };
    let collectors = runtime.block_on(collectors());
    let sample = (0..4_usize, 0..100_i64, 0..1000_u32, 1..16_usize);
    let samples = prop::collection::vec(sample, 0..80);
    let case = (
        samples,
        1..=4_usize,
        0..100_i64,
        prop::option::of(0..5_usize),
        0..4_usize,
    );
    proptest!(ProptestConfig::with_cases(64), |((samples, count, from, newest, only) in case)| {
        let list = Listed::default();
        let mut once = Vec::new();
        let mut parts = vec![Vec::new(); count];
        for (series, at, value, who) in samples {
            // The first one at an instant is what was measured; all collectors that have it have the same.
            if once.iter().any(|(other, when, _)| (*other, *when) == (series, at)) {
                continue;
            }
            once.push((series, at, value));
            let holders: Vec<_> = (0..count).filter(|number| who >> number & 1 == 1).collect();
            for number in if holders.is_empty() { vec![0] } else { holders } {
                parts[number].push((series, at, value));
            }
        }
        set(&list, &once);
        for (collector, part) in collectors.iter().zip(&parts) {
            set(&collector.listed, part);
        }
        let range = Range { from, until: 80 };
        let selector = match only {
            0 => Selector::default(),
            only => Selector::default().with("node", &format!("n{only}")),
        };
        let (one, two) = (gateway(&collectors[..count]), gateway(&collectors[..count]));
        let wanted = runtime.block_on(all(&list, &selector, range, newest));
        prop_assert_eq!(&runtime.block_on(all(&one, &selector, range, newest)), &wanted);
        prop_assert_eq!(&runtime.block_on(all(&two, &selector, range, newest)), &wanted);
    });
}

#[tokio::test]
async fn energy_is_the_same_through_a_gateway() {
    let collectors = [
        Collector::start(Limits::default()).await,
        Collector::start(Limits::default()).await,
    ];
    // An agent that moves, and sends again what was not acknowledged.
    set(&collectors[0].listed, &[(1, 3, 5), (1, 4, 6), (1, 8, 1)]);
    set(&collectors[1].listed, &[(1, 8, 1), (1, 9, 2), (1, 14, 3)]);
    let query = Query {
        selector: Selector::default().with("node", "n1"),
        range: Range { from: 0, until: 20 },
        step: Some(Duration::from_nanos(10)),
        over_time: OverTime::Sum,
        group_by: None,
        combine: Default::default(),
    };
    let rows = query.run(&gateway(&collectors), &budget()).await.unwrap();
    let points: Vec<_> = rows[0]
        .points
        .iter()
        .map(|point| (point.at.as_nanos(), point.value))
        .collect();
    // Of the last one, a fifth arose in the first interval.
    assert_eq!(points, [(0, -14.6), (10, -2.4)]);
}

#[tokio::test]
async fn of_samples_that_are_gone_the_fuller_interval_stays() {
    let collectors = [
        Collector::start(Limits::default()).await,
        Collector::start(Limits::default()).await,
    ];
    set(&collectors[0].listed, &[(0, 4, 1), (0, 5, 1), (0, 8, 1)]);
    set(&collectors[1].listed, &[(0, 5, 1), (0, 8, 1), (0, 14, 1)]);
    for collector in &collectors {
        collector.listed.thin_out(Timestamp::from_nanos(9), 1);
    }
    let gateway = gateway(&collectors);
    let found = gateway
        .buckets(&Selector::default(), STEPS, &budget())
        .await
        .unwrap();
    let counts: Vec<_> = found[0].buckets.iter().map(|bucket| bucket.count).collect();
    assert_eq!(counts, [3, 1]);
}

#[tokio::test]
async fn an_answer_without_a_collector_is_none_unless_that_is_allowed_and_then_the_status_tells() {
    let collector = Collector::start(Limits::default()).await;
    set(&collector.listed, &[(0, 1, 1)]);
    collector.listed.complain("the disk is slow");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut config = config(vec![collector.url(), away.clone()]);
    let ask = async |config: &CollectorsConfig| {
        let gateway = CollectorsBackend::new(config).unwrap();
        let budget = budget();
        let samples = gateway
            .samples(&Selector::default(), Range::ALL, None, &budget)
            .await;
        (
            samples.map(|samples| (samples, budget.missing())),
            gateway.status().await,
        )
    };
    let (refused, _) = ask(&config).await;
    let text = refused.unwrap_err().to_string();
    assert!(
        text.starts_with(&format!("the collector at {away} does not answer: ")),
        "{text}"
    );

    config.partial = Partial::Allow;
    let (allowed, status) = ask(&config).await;
    let (samples, lacks) = allowed.unwrap();
    assert_eq!(samples.len(), 1);
    assert_eq!(lacks, status.problems[..1]);
    assert_eq!(status.series, Some(1));
    let [missing, slow] = &*status.problems else {
        panic!("{status:?}");
    };
    assert!(
        missing.starts_with(&format!("the collector at {away} does not answer: ")),
        "{missing}"
    );
    assert_eq!(
        *slow,
        format!("the collector at {}: the disk is slow", collector.url())
    );

    config.addresses = vec![format!("dns:localhost:{}", collector.port)];
    config.partial = Partial::Refuse;
    let (samples, lacks) = ask(&config).await.0.unwrap();
    assert_eq!((samples.len(), lacks.len()), (1, 0));
    config.at_least = 2;
    let text = ask(&config).await.0.unwrap_err().to_string();
    assert!(text.contains("1 addresses and `at_least` 2"), "{text}");
}

#[tokio::test]
async fn a_collector_that_hangs_or_does_not_know_the_gateway_is_told_of() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits {
        duration: Duration::from_millis(300),
        ..Limits::default()
    };
    let url = format!("http://{}", silent.local_addr().unwrap());
    let gateway = CollectorsBackend::new(&config(vec![url])).unwrap();
    let asked = gateway
        .series(&Selector::default(), Range::ALL, &Budget::new(limits))
        .await;
    let text = asked.unwrap_err().to_string();
    assert!(text.ends_with("there was no answer in time"), "{text}");

    let collector = Collector::start(Limits::default()).await;
    let mut config = config(vec![collector.url()]);
    config.http.token = None;
    let gateway = CollectorsBackend::new(&config).unwrap();
    let asked = gateway.series(&Selector::default(), Range::ALL, &budget()).await;
    let text = asked.unwrap_err().to_string();
    assert!(text.contains("401") && text.contains("who are you?"), "{text}");
}

#[tokio::test]
async fn a_collector_has_limits_of_its_own_which_no_question_stretches() {
    let most = Limits {
        samples: 1,
        ..Limits::default()
    };
    let collector = Collector::start(most).await;
    set(&collector.listed, &[(0, 1, 1), (0, 2, 1)]);
    let gateway = gateway(&[collector]);
    let asked = gateway
        .samples(&Selector::default(), Range::ALL, None, &budget())
        .await;
    let QueryError::Invalid(text) = asked.unwrap_err() else {
        panic!("it is the question that is wrong");
    };
    assert!(
        text.starts_with("the question needs more than 1 samples: "),
        "{text}"
    );
    let invalid = answer(&Listed::default(), b"{}", Limits::default()).await;
    assert!(matches!(invalid, Err(QueryError::Invalid(_))));
}

#[tokio::test]
async fn the_certificate_of_a_collector_is_that_of_the_name_which_is_looked_up() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(tls));
    let collector = Collector::with(Limits::default(), Some(tls)).await;
    set(&collector.listed, &[(0, 1, 1)]);
    let mut config = config(vec![format!("dns:https://localhost:{}", collector.port)]);
    config.http.tls.ca = Some(ca);
    let gateway = CollectorsBackend::new(&config).unwrap();
    let found = gateway.series(&Selector::default(), Range::ALL, &budget()).await;
    assert_eq!(found.unwrap().len(), 1);
}
