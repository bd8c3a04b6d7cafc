//! What the table `[plugins.load-watch]` holds.

use std::net::SocketAddr;

use alumet_core::duration::HumanDuration;
use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use alumet_core::schemars::JsonSchema;
use alumet_core::serde::{Deserialize, Serialize};

/// What is measured and where it is sent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
// The macros write these paths, which otherwise are those of a dependency of this crate.
#[serde(crate = "alumet_core::serde", default)]
#[schemars(crate = "alumet_core::schemars")]
pub struct Config {
    /// Time between two samples.
    pub poll_interval: HumanDuration,
    /// A load below this is not worth a sample.
    pub threshold: f64,
    /// Where datagrams are sent.
    pub address: SocketAddr,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            threshold: 0.0,
            address: SocketAddr::from(([127, 0, 0, 1], 8125)),
            queue: QueuePolicy::default(),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *self.poll_interval);
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }
}
