//! The source: listens while it runs, and reports what it did.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::failure::Failure;
use alumet_core::pipeline::{Control, EventSink};
use alumet_core::plugin::StartError;
use alumet_core::source::EventSource;
use alumet_core::spool::Spool;
use alumet_shared_http_server::{listen, remedy};
use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::config::Config;
use crate::listener::accept_all;
use crate::registry::Registry;
use crate::reporter::report;
use crate::state::{Running, ServerState};

/// Takes the samples of other programs.
pub struct RelaySource {
    listener: StdListener,
    state: Arc<ServerState>,
}

impl RelaySource {
    /// How often it reports what it did.
    const REPORT_EVERY: Duration = Duration::from_secs(10);
    /// How long sessions may take to end.
    const GRACE: Duration = Duration::from_secs(5);

    /// Listens. Connections are accepted when it runs in a pipeline with that catalog; what comes is acknowledged when it
    /// is in that spool.
    ///
    /// # Errors
    /// When certificates or tokens cannot be used, or the address is not free.
    pub fn bind(config: Config, catalog: &Catalog, spool: Arc<dyn Spool>) -> Result<Self, StartError> {
        Self::succeed(config, catalog, spool, Arc::default())
    }

    /// The same with what an earlier source left.
    pub(crate) fn report_to(&self, control: &Control) {
        if let Some(tls) = &self.state.trust.tls {
            tls.report_to(control);
        }
    }

    pub(crate) fn succeed(
        config: Config,
        catalog: &Catalog,
        spool: Arc<dyn Spool>,
        registry: Arc<Registry>,
    ) -> Result<Self, StartError> {
        config.check()?;
        let address = config.parsed_address()?;
        let state = ServerState::new(config, catalog, spool, registry)?;
        let listener = listen(address.place()).map_err(|error| {
            let remedy = remedy(&error, "`address`");
            StartError::new(format!(
                "the server cannot listen on {address}; {remedy}: {error}"
            ))
        })?;
        Ok(Self {
            listener,
            state: Arc::new(state),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

#[async_trait]
impl EventSource for RelaySource {
    async fn run(&mut self, out: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        let listener = TcpListener::from_std(self.listener.try_clone()?)?;
        let state = Arc::clone(&self.state);
        out.on_status(move || state.done());
        // Ends everything also when this ends in another way.
        let running = Arc::new(Running {
            state: Arc::clone(&self.state),
            sink: out.clone(),
            stop: stop.child_token(),
            tasks: TaskTracker::new(),
        });
        let _end = running.stop.clone().drop_guard();
        let accepting = AbortOnDropHandle::new(tokio::spawn(accept_all(listener, Arc::clone(&running))));
        let mut last = out.now().wall;
        let mut report = || {
            let since = std::mem::replace(&mut last, out.now().wall);
            report(&self.state, since, last, &out)
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(Self::REPORT_EVERY) => out.send(report()).await?,
            }
        }
        drop(accepting);
        running.tasks.close();
        if timeout(Self::GRACE, running.tasks.wait()).await.is_err() {
            tracing::warn!(
                "some clients did not end their sessions in time; they will send again what is not stored"
            );
        }
        Ok(out.send(report()).await?)
    }
}
