//! Names from the API server: one list of the pods of the node, and then a watch of what changes.
//!
//! Protocol: <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>.

use std::sync::Arc;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::directory::Directory;
use crate::object::{Event, EventType, Pod, PodList, Status};
use crate::pause::random;
use crate::trouble::Trouble;

/// Asks the API server for the pods of a node.
pub(crate) struct ApiServer {
    client: Client,
    directory: Arc<Directory>,
    node: String,
    /// What the directory is up to date with.
    version: Option<String>,
    /// Whether it was said that the node has no pods.
    has_warned: bool,
}

/// How long a watch lasts at least, and at most about twice that: a server may be replaced by another one without anybody noticing.
const WATCH_S: f64 = 300.0;

/// How much longer than it should last a watch may be silent. Servers send a bookmark each minute, but need not.
const LATE: Duration = Duration::from_secs(30);

/// A watch that ends sooner without a word is none.
const TOO_SHORT: Duration = Duration::from_secs(1);

/// The longest line that is no nonsense: etcd takes objects of 1.5 MiB.
const LONGEST_LINE: usize = 16 << 20;

/// What names of nodes have, and what a query may have.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

impl ApiServer {
    pub(crate) fn new(client: Client, directory: Arc<Directory>, node: String) -> Self {
        Self {
            client,
            directory,
            node,
            version: None,
            has_warned: false,
        }
    }

    /// The address of the server.
    pub(crate) fn server(&self) -> &str {
        &self.client.server
    }

    /// Keeps the directory up to date until something goes wrong.
    pub(crate) async fn follow(&mut self) -> Trouble {
        loop {
            let step = match &self.version {
                None => self.list().await,
                Some(version) => self.watch(version.clone()).await,
            };
            if let Err(trouble) = step {
                return trouble;
            }
        }
    }

    /// The pods of the node, as the server remembers them: it need not ask its database for that.
    ///
    /// # Errors
    /// Why they are not known.
    pub(crate) async fn pods(&self) -> Result<PodList, Trouble> {
        let path = format!("{}&resourceVersion=0", self.pods_of_node());
        let body = self.client.whole(self.client.get(&path).await?).await?;
        self.parse(&body)
    }

    async fn list(&mut self) -> Result<(), Trouble> {
        let list = self.pods().await?;
        let pods = list.items.unwrap_or_default();
        if pods.is_empty() && !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                node = self.node,
                "the API server knows no pod on this node; if there are some, set `k8s_node` to the name that `kubectl get nodes` shows"
            );
        }
        self.directory.replace(&pods);
        self.version = Some(list.metadata.resource_version);
        Ok(())
    }

    async fn watch(&mut self, version: String) -> Result<(), Trouble> {
        let seconds = (WATCH_S * (1.0 + random())) as u64;
        let version = utf8_percent_encode(&version, IN_QUERY);
        let path = format!(
            "{}&watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}",
            self.pods_of_node()
        );
        let began = Instant::now();
        let answer = self.client.get(&path).await;
        if answer.as_ref().is_err_and(|trouble| trouble.is_usual) {
            // The server does not remember what was the case so long ago.
            self.version = None;
        }
        let mut response = answer?;
        self.directory.recovers();
        let patience = Duration::from_secs(seconds) + LATE;
        let (mut lines, mut is_empty) = (Vec::new(), true);
        while let Some(part) = self.client.part(&mut response, patience).await? {
            let mut begin = 0;
            let searched = lines.len();
            lines.extend_from_slice(part.as_ref());
            for end in (searched..lines.len()).filter(|at| lines[*at] == b'\n') {
                self.take(&lines[begin..end])?;
                (begin, is_empty) = (end + 1, false);
            }
            lines.drain(..begin);
            if lines.len() > LONGEST_LINE {
                self.version = None;
                return Err(Trouble::nonsense(self.server(), "a line without an end"));
            }
        }
        let lasted = began.elapsed();
        if is_empty && lasted < TOO_SHORT {
            return Err(Trouble::nonsense(self.server(), "a watch that ends at once"));
        }
        match lasted + TOO_SHORT < Duration::from_secs(seconds) {
            true => Err(Trouble::ended(self.server())),
            false => Ok(()),
        }
    }

    /// Takes in a line of a watch.
    fn take(&mut self, line: &[u8]) -> Result<(), Trouble> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let event = self.parse::<EventType>(line);
        let result = event.and_then(|event| match &*event.name {
            "ERROR" => {
                let Event { object: status } = self.parse::<Event<Status>>(line)?;
                Err(self.client.status(status.code, &status.message))
            }
            name => {
                let Event { object: pod } = self.parse::<Event<Pod>>(line)?;
                match name {
                    "ADDED" | "MODIFIED" => self.directory.insert(&pod),
                    "DELETED" => self.directory.remove(&pod),
                    // A bookmark says only how far the watch has come.
                    _ => {}
                }
                Ok(pod.metadata.resource_version)
            }
        });
        match result {
            Ok(version) if version.is_empty() => {}
            Ok(version) => self.version = Some(version),
            Err(trouble) => {
                // What was missed is in the next list.
                self.version = None;
                return Err(trouble);
            }
        }
        Ok(())
    }

    fn parse<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T, Trouble> {
        serde_json::from_slice(text).map_err(|error| Trouble::nonsense(self.server(), error))
    }

    fn pods_of_node(&self) -> String {
        let node = utf8_percent_encode(&self.node, IN_QUERY);
        format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")
    }
}
