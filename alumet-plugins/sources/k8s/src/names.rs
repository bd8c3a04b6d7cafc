//! Learns the names of pods for as long as the pipeline runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::Failure;
use alumet_core::pipeline::EventSink;
use alumet_core::source::EventSource;
use async_trait::async_trait;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::api_server::ApiServer;
use crate::directory::Directory;
use crate::kubelet::Kubelet;
use crate::pause::{Pauses, random};
use crate::trouble::Trouble;

/// Fills the directory. It makes no samples, and whatever happens to it, pods are measured.
pub(crate) struct Names {
    pub(crate) informant: Informant,
    pub(crate) directory: Arc<Directory>,
    /// The first question is put after a random part of it.
    pub(crate) spread: Duration,
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
        sleep(first_pause(self.spread)).await;
        let mut pauses = Pauses::new();
        loop {
            let trouble = match &mut self.informant {
                Informant::ApiServer(server) => server.follow().await,
                Informant::Kubelet(kubelet) => kubelet.follow().await,
            };
            let pause = pauses.next(Instant::now()).max(trouble.pause.unwrap_or_default());
            if trouble.is_gone {
                tracing::debug!(reason = trouble.text, "the pods are listed anew");
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

fn first_pause(spread: Duration) -> Duration {
    spread.mul_f64(random())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_5000_agents_that_start_together_no_second_has_more_than_100_questions() {
        // As the docs of `start_spread` say: a second for each 25 nodes.
        let spread = Duration::from_secs(200);
        let mut seconds = [0; 201];
        for _ in 0..5000 {
            // The pods are listed, and then watched.
            seconds[first_pause(spread).as_secs() as usize] += 2;
        }
        assert!(seconds.iter().all(|questions| *questions <= 100), "{seconds:?}");
    }
}
