//! Learns the names of pods for as long as the pipeline runs.

use std::sync::Arc;
use std::time::Instant;

use alumet_core::Failure;
use alumet_core::pipeline::EventSink;
use alumet_core::source::EventSource;
use async_trait::async_trait;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::api_server::ApiServer;
use crate::directory::Directory;
use crate::kubelet::Kubelet;
use crate::pause::Pauses;
use crate::trouble::Trouble;

/// Fills the directory. It makes no samples, and whatever happens to it, pods are measured.
pub(crate) struct Names {
    pub(crate) informant: Informant,
    pub(crate) directory: Arc<Directory>,
    pub(crate) pauses: Pauses,
}

/// Who tells the names.
pub(crate) enum Informant {
    ApiServer(ApiServer),
    Kubelet(Kubelet),
}

#[async_trait]
impl EventSource for Names {
    async fn run(&mut self, _: EventSink, stop: CancellationToken) -> Result<(), Failure> {
        stop.run_until_cancelled(self.learn()).await;
        Ok(())
    }
}

impl Names {
    async fn learn(&mut self) {
        sleep(self.pauses.first()).await;
        loop {
            let trouble = match &mut self.informant {
                Informant::ApiServer(server) => server.follow().await,
                Informant::Kubelet(kubelet) => kubelet.follow().await,
            };
            let wanted = trouble.pause.unwrap_or_default();
            let pause = self.pauses.next(Instant::now(), wanted);
            if trouble.is_usual {
                tracing::debug!(reason = trouble.text, "the server is asked anew");
            } else if self.directory.fails(trouble.missing) {
                tracing::warn!(
                    error = trouble.text,
                    "the names of new pods are not known, which are measured with their uid only; it is tried again"
                );
            } else {
                tracing::debug!(error = trouble.text, "the names of new pods are still not known");
            }
            sleep(pause).await;
        }
    }
}

impl Informant {
    /// Its address.
    pub(crate) fn server(&self) -> &str {
        match self {
            Self::ApiServer(server) => server.server(),
            Self::Kubelet(kubelet) => kubelet.server(),
        }
    }

    /// How many pods it knows on this node.
    ///
    /// # Errors
    /// Why it does not say.
    pub(crate) async fn count(&self) -> Result<usize, Trouble> {
        let list = match self {
            Self::ApiServer(server) => server.pods().await?,
            Self::Kubelet(kubelet) => kubelet.pods().await?,
        };
        Ok(list.items.map_or(0, |pods| pods.len()))
    }
}
