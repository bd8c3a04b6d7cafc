//! Names from the kubelet of the node, which is asked for all pods (`pkg/kubelet/server/server.go` of Kubernetes, `/pods`) when
//! there is one without a name: it has nothing that could be watched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::directory::Directory;
use crate::object::PodList;
use crate::trouble::Trouble;

/// Asks the kubelet for its pods.
pub(crate) struct Kubelet {
    client: Client,
    directory: Arc<Directory>,
    asked_at: Option<Instant>,
    pause: Duration,
}

/// How often it is asked at most, and how often when the answers hold nothing new.
const OFTEN: Duration = Duration::from_millis(500);
const SELDOM: Duration = Duration::from_secs(15);

impl Kubelet {
    pub(crate) fn new(client: Client, directory: Arc<Directory>) -> Self {
        Self {
            client,
            directory,
            asked_at: None,
            pause: OFTEN,
        }
    }

    /// The address of the kubelet.
    pub(crate) fn server(&self) -> &str {
        &self.client.server
    }

    /// Keeps the directory good enough until something goes wrong.
    pub(crate) async fn follow(&mut self) -> Trouble {
        loop {
            self.directory.wanted().await;
            if let Some(asked_at) = self.asked_at {
                tokio::time::sleep_until((asked_at + self.pause).into()).await;
            }
            self.asked_at = Some(Instant::now());
            match self.pods().await {
                Ok(list) => {
                    let is_new = self.directory.replace(&list.items.unwrap_or_default());
                    self.pause = if is_new {
                        OFTEN
                    } else {
                        (self.pause * 2).min(SELDOM)
                    };
                }
                Err(trouble) => return trouble,
            }
        }
    }

    /// The pods of the node.
    ///
    /// # Errors
    /// Why they are not known.
    pub(crate) async fn pods(&self) -> Result<PodList, Trouble> {
        let body = self.client.whole(self.client.get("/pods").await?).await?;
        serde_json::from_slice(&body).map_err(|error| Trouble::nonsense(self.server(), error))
    }
}
