//! Outputs: what delivers samples to a file, a database or another program.

mod delivery;
mod filter;
mod last_values;
mod null;
mod receipt;
mod recording;
mod repeats;
mod series_total;
mod totals;

use crate::failure::Failure;
use crate::plugin::Faults;

pub use delivery::{Delivering, Delivery, DeliveryFuture};
pub use last_values::LastValues;
pub use null::NullOutput;
pub use receipt::Receipt;
pub use recording::{RecordedSample, Recording, RecordingOutput};
pub use series_total::SeriesTotal;

pub(crate) use delivery::Part;
pub(crate) use filter::{Keeps, OutputFilter};
pub(crate) use totals::Totals;

/// Delivers samples somewhere.
///
/// An output has an encoding and a destination. Joining, retrying, splitting, pacing, deadlines and booking are the
/// engine's:
///
/// ```
/// use alumet_core::Failure;
/// use alumet_core::output::{Delivering, Delivery, Output};
///
/// struct Lines<W>(W);
///
/// impl<W: std::io::Write + Send + 'static> Output for Lines<W> {
///     fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
///         let mut text = String::new();
///         for sample in delivery.samples() {
///             text.push_str(&format!("{}\n", sample.value()));
///         }
///         self.0.write_all(text.as_bytes())?;                  // comes again later
///         Ok(Delivering::done())
///     }
/// }
/// ```
///
/// It runs in a thread of its own, where it may block; unless it was added with
/// [`in_flight`](crate::plugin::OutputSpec::in_flight), which is for outputs that give futures.
pub trait Output: Send + 'static {
    /// Delivers samples, or gives a future that does: encode here, and send in the future.
    ///
    /// Success means that the destination has the samples, but for what the receipt says. After a failure that can be
    /// retried, the same samples come again before any others. With several deliveries in flight, the calls come in the
    /// order of the samples, and after a failure none before all that are in flight have ended.
    ///
    /// # Errors
    /// See [`Failure`].
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure>;

    /// Makes everything delivered so far survive a crash of the machine, and says where the output stands, if it can go
    /// back there; never with an empty answer. The spool keeps it. Called before the first delivery and now and then,
    /// when nothing is in flight.
    ///
    /// # Errors
    /// See [`Failure`]; what was delivered is not forgotten by the spool then.
    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }

    /// Goes back to where the last [`Self::checkpoint`] of an earlier run was: what was delivered after it comes again. An empty
    /// position says that none is known: all that was ever delivered may come again. Called before the first delivery, unless
    /// the earlier run has ended in good order.
    ///
    /// # Errors
    /// See [`Failure`].
    fn resume(&mut self, position: &[u8]) -> Result<(), Failure> {
        let _ = position;
        Ok(())
    }

    /// Drops connections and buffers, so that the next delivery starts anew; called after a failure or panic that asked
    /// for a restart, when nothing is in flight.
    fn reset(&mut self) {}
}

/// What happens to new samples when the queue of an output is full.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// The oldest batch in the queue is dropped and counted; other outputs are not disturbed.
    #[default]
    DropOldest,
    /// Everything before the output waits until there is room, measurements included: ticks are missed and counted.
    Block,
}

/// How samples wait for an output: the table `queue` in the configuration of every output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct QueuePolicy {
    /// How many samples may wait in memory, for example while the destination is away. A batch with more samples is let
    /// in when nothing else waits.
    #[schemars(range(min = 1))]
    pub capacity: usize,
    /// What happens when that many wait.
    pub on_full: OnFull,
    /// Whether samples go to the spool on disk first (`[spool]`), so that they outlive the program until they are
    /// delivered. Left out: as `durable` in `[spool]` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub durable: Option<bool>,
}

impl QueuePolicy {
    /// Refuses a queue in which nothing can wait; `path` is the key of the table.
    pub fn check(&self, path: &str, faults: &mut Faults) {
        if self.capacity == 0 {
            faults.add(
                &format!("{path}.capacity"),
                "at least one sample must be able to wait",
            );
        }
    }
}

impl Default for QueuePolicy {
    /// 262 144 samples (6 MiB, 30 seconds of 8000 series at 1 Hz), oldest dropped first.
    fn default() -> Self {
        Self {
            capacity: 262_144,
            on_full: OnFull::DropOldest,
            durable: None,
        }
    }
}
