//! What all handlers share.

use std::sync::Arc;

use alumet_core::Timestamp;
use alumet_core::pipeline::{AddToStatus, Control, PipelineStatus};
use alumet_core::time::Clock;
use alumet_shared_query::{Backend, Backends, Budget, Limits};
use axum::http::StatusCode;

use crate::error::ApiError;
use crate::live::Live;
use crate::publish::Publisher;

/// Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

struct Inner {
    stored: Stored,
    limits: Limits,
    clock: Arc<dyn Clock>,
    live: Live,
    control: Control,
    host: String,
    publisher: Option<Publisher>,
    started: Timestamp,
}

/// Who has the series.
pub(crate) enum Stored {
    /// The plugin that publishes a backend of this name, as long as it runs.
    Published(Arc<Backends>, String),
    /// Another server.
    Elsewhere(Arc<dyn Backend>),
}

impl Api {
    /// Answers from what is stored, within these limits.
    pub(crate) fn new(
        stored: Stored,
        limits: Limits,
        clock: Arc<dyn Clock>,
        live: Live,
        control: Control,
        host: String,
        publisher: Option<Publisher>,
    ) -> Self {
        Self(Arc::new(Inner {
            stored,
            limits,
            started: clock.now().wall,
            clock,
            live,
            control,
            host,
            publisher,
        }))
    }

    /// Lets the pipeline know, as long as somebody answers, that it needs no source when others have the series.
    pub(crate) fn report_to(&self, control: &Control) {
        let inner = Arc::downgrade(&self.0);
        control.on_status(inner);
    }

    /// The whole store. Handlers take an [`Asker`](crate::asker::Asker), which knows what of it may be seen.
    pub(crate) fn whole_backend(&self) -> Result<Arc<dyn Backend>, ApiError> {
        let (backends, name) = match &self.0.stored {
            Stored::Elsewhere(backend) => return Ok(Arc::clone(backend)),
            Stored::Published(backends, name) => (backends, name),
        };
        backends.find(name).ok_or_else(|| {
            let message = format!(
                "the plugin `{name}`, which has the series, does not run: enable it, or name another one in \
                 `plugins.rest-api.backend`"
            );
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
        })
    }

    /// What any question may need.
    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// That of a question that is asked now.
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.0.limits)
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now().wall
    }

    /// What this machine is called, and with it the node of a series that names none.
    pub(crate) fn host(&self) -> &str {
        &self.0.host
    }

    /// The way into the pipeline, if there is one.
    pub(crate) fn publisher(&self) -> Option<&Publisher> {
        self.0.publisher.as_ref()
    }

    /// When this began.
    pub(crate) fn started(&self) -> Timestamp {
        self.0.started
    }

    /// What is delivered now.
    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    /// How the pipeline is.
    ///
    /// # Errors
    /// 503 when it does not run.
    pub(crate) async fn pipeline(&self) -> Result<PipelineStatus, ApiError> {
        let unavailable = |error: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error);
        let control = self.0.control.clone();
        // It may wait for a thread that polls.
        let status = tokio::task::spawn_blocking(move || control.status()).await;
        let status = status.map_err(|error| unavailable(error.to_string()))?;
        status.map_err(|error| unavailable(error.to_string()))
    }
}

impl AddToStatus for Inner {
    fn add_to(&self, status: &mut PipelineStatus) {
        status.shows_others |= matches!(self.stored, Stored::Elsewhere(_));
    }
}
