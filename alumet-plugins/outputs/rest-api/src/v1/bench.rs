//! For tests: the endpoints over a list of samples.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::pipeline::Control;
use alumet_core::testkit::ManualClock;
use alumet_core::time::Clock;
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Attributes, Consumer, Resource, Timestamp};
use alumet_shared_query::testkit::Listed;
use alumet_shared_query::{Backend, Backends, Identity, Limits};
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::{Extension, Router};
use serde_json::Value as Json;
use tower::ServiceExt;

use crate::live::Live;
use crate::scoped::Scope;
use crate::state::{Api, Stored};

/// It is 1970-01-01T01:00:00Z, and this machine is called `here`.
pub(super) struct Bench {
    pub(super) listed: Arc<Listed>,
    pub(super) live: Live,
    router: Router,
    _kept: (Arc<Backends>, Arc<dyn Backend>),
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::within(Limits::default())
    }

    pub(super) fn within(limits: Limits) -> Self {
        let listed = Arc::new(Listed::default());
        let backend: Arc<dyn Backend> = Arc::clone(&listed) as _;
        let backends = Arc::new(Backends::default());
        backends.publish("list", &backend);
        let clock = ManualClock::new();
        clock.set_wall(Timestamp::from_nanos(3600 * 1_000_000_000));
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let live = Live::new();
        let api = Api::new(
            Stored::Published(Arc::clone(&backends), "list".to_owned()),
            limits,
            clock,
            live.clone(),
            Control::default(),
            "here".to_owned(),
            None,
        );
        let router = Router::from(super::routes())
            .layer(Extension(Scope::new([])))
            .with_state(api);
        Self {
            listed,
            live,
            router,
            _kept: (backends, backend),
        }
    }

    /// Adds samples at these seconds.
    pub(super) fn push(&self, series: &Identity, samples: impl IntoIterator<Item = (i64, f64)>) {
        for (at, value) in samples {
            self.listed
                .push(series, Timestamp::from_nanos(at * 1_000_000_000), value);
        }
    }

    pub(super) async fn ask(&self, uri: &str, accept: &str) -> Response {
        let request = Request::get(uri)
            .header(ACCEPT, accept)
            .body(Body::empty())
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// An answer that is JSON, with its status.
    pub(super) async fn get(&self, uri: &str) -> (StatusCode, Json) {
        let response = self.ask(uri, "*/*").await;
        let status = response.status();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json", "{uri}");
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// An answer without error.
    pub(super) async fn json(&self, uri: &str) -> Json {
        let (status, json) = self.get(uri).await;
        assert_eq!(status, StatusCode::OK, "{uri}: {json}");
        json
    }

    /// The message of an answer with this status.
    pub(super) async fn refusal(&self, uri: &str, status: u16) -> String {
        let (found, json) = self.get(uri).await;
        assert_eq!(found, status, "{uri}: {json}");
        json["message"].as_str().unwrap().to_owned()
    }

    /// An answer as text.
    pub(super) async fn text(&self, uri: &str, accept: &str) -> String {
        let response = self.ask(uri, accept).await;
        assert_eq!(response.status(), StatusCode::OK, "{uri}");
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}

/// A measured delta in joules of the whole machine; the methods change that.
pub(super) struct Series(Identity);

impl Series {
    pub(super) fn of(metric: &str) -> Self {
        Self(Identity {
            metric: Arc::new(Metric {
                name: metric.to_owned().into(),
                kind: MetricKind::Delta,
                value_type: ValueType::F64,
                unit: Unit::JOULE,
                description: "What it is.".into(),
                quality: Quality::Measured,
            }),
            resource: Resource::LocalMachine,
            consumer: Consumer::LocalMachine,
            attributes: Attributes::EMPTY,
        })
    }

    fn with_metric(mut self, change: impl FnOnce(&mut Metric)) -> Self {
        change(Arc::make_mut(&mut self.0.metric));
        self
    }

    /// A gauge in watts.
    pub(super) fn watts(self) -> Self {
        self.with_metric(|metric| {
            metric.kind = MetricKind::Gauge;
            metric.unit = Unit::WATT;
        })
    }

    pub(super) fn counter(self) -> Self {
        self.with_metric(|metric| metric.kind = MetricKind::Counter)
    }

    pub(super) fn unit(self, unit: Unit) -> Self {
        self.with_metric(|metric| metric.unit = unit)
    }

    pub(super) fn quality(self, quality: Quality) -> Self {
        self.with_metric(|metric| metric.quality = quality)
    }

    pub(super) fn resource(mut self, kind: &str, id: &str) -> Self {
        self.0.resource = Resource::new(kind, id);
        self
    }

    pub(super) fn consumer(mut self, kind: &str, id: &str) -> Self {
        self.0.consumer = Consumer::new(kind, id);
        self
    }

    pub(super) fn attribute(mut self, key: &str, value: &str) -> Self {
        self.0.attributes = self.0.attributes.with(key.to_owned(), value.to_owned());
        self
    }

    /// Samples at these seconds.
    pub(super) fn has(self, bench: &Bench, samples: impl IntoIterator<Item = (i64, f64)>) {
        bench.push(&self.0, samples);
    }

    pub(super) fn identity(self) -> Identity {
        self.0
    }
}

/// Each second of the last minute, the same value.
pub(super) fn constant(value: f64) -> impl Iterator<Item = (i64, f64)> {
    (3540..3600).map(move |at| (at, value))
}

/// At most this long for something that another task does.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
