//! Who is connected, and what came from whom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::progress::{Progress, StreamId};
use alumet_core::spool::InstanceId;
use alumet_core::time::{Monotonic, Timestamp};
use alumet_relay_protocol::pace::Pace;
use alumet_shared_batch_encoding::Watermark;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::config::Config;
use crate::refusal::{Reason, Refusal};
use crate::seat::Seat;
use crate::tally::Tally;

/// All instances that sent something, and all nodes that are connected.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    instances: Mutex<HashMap<InstanceId, Arc<Instance>>>,
    nodes: Mutex<HashMap<Arc<str>, Arc<Node>>>,
}

/// An agent as a sender.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    /// Whose turn it is.
    pub(crate) seat: Mutex<Seat>,
    /// Its session holds the lock all the time, so that what a former session was doing is done before a new one asks where
    /// to go on.
    pub(crate) received: Arc<tokio::sync::Mutex<Received>>,
}

/// What the pipeline took from an instance.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The number of the last batch, perhaps not stored yet.
    pub(crate) last: u64,
    /// The streams by their numbers there, and how far each has come on the monotonic clock of the node.
    streams: HashMap<u32, (StreamId, Monotonic)>,
}

/// A machine that sends.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// When its first session began, since which it is counted what it sent.
    pub(crate) since: Timestamp,
    pub(crate) samples: Tally,
    pub(crate) bytes: Tally,
    pub(crate) duplicates: Tally,
    /// What it may send: bytes, samples and messages. Of all its sessions, so that a new one is no new start.
    paces: Mutex<[Pace; 3]>,
    /// What it lost, by reason.
    pub(crate) gaps: Mutex<HashMap<&'static str, Tally>>,
}

impl Registry {
    /// So many instances are remembered although they have no session.
    const REMEMBERED_INSTANCES: usize = 100_000;

    /// The instance with that id.
    pub(crate) fn instance(&self, id: InstanceId) -> Arc<Instance> {
        let mut instances = self.instances.lock();
        if instances.len() >= Self::REMEMBERED_INSTANCES && !instances.contains_key(&id) {
            // Each start of a hostile client could bring another one.
            instances.retain(|_, instance| Arc::strong_count(instance) > 1 || instance.seat.lock().is_held());
        }
        Arc::clone(instances.entry(id).or_default())
    }

    /// The node for a session, which is counted until it lets go of it.
    ///
    /// # Errors
    /// When it has as many sessions already as the configuration allows.
    pub(crate) fn begin_session(
        &self,
        name: &str,
        config: &Config,
        now: Timestamp,
    ) -> Result<Arc<Node>, Refusal> {
        /// What may come at once after silence, of bytes, samples and messages: a node that was cut off for long may have
        /// many small batches.
        const BURSTS: [Duration; 3] = [
            Duration::from_secs(1),
            Duration::from_secs(30),
            Duration::from_secs(90),
        ];
        let limit = config.max_connections_per_node;
        let mut nodes = self.nodes.lock();
        let node = nodes.entry(name.into()).or_insert_with_key(|name| {
            Arc::new(Node {
                name: Arc::clone(name),
                since: now,
                paces: Mutex::new(std::array::from_fn(|index| {
                    Pace::new(config.paces(name)[index], BURSTS[index])
                })),
                samples: Tally::default(),
                bytes: Tally::default(),
                duplicates: Tally::default(),
                gaps: Mutex::default(),
            })
        });
        if sessions(node) >= limit {
            let message = format!(
                "`{name}` has {limit} sessions already, as many as `max_connections_per_node` allows; wait until one has ended"
            );
            return Err(Refusal::new(Reason::Busy, message));
        }
        Ok(Arc::clone(node))
    }

    /// Shows all nodes that are or were connected, with the number of their sessions. Those without one are shown for the
    /// last time.
    pub(crate) fn look(&self, mut at: impl FnMut(&Node, usize)) {
        self.nodes.lock().retain(|_, node| {
            let sessions = sessions(node);
            at(node, sessions);
            sessions > 0
        });
    }
}

impl Node {
    /// Until when nothing is taken of it, because it has used up what it may send.
    pub(crate) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.paces.lock().iter().filter_map(|pace| pace.wait(now)).max()
    }

    /// It has sent so many bytes, samples and messages.
    pub(crate) fn pay(&self, costs: [u64; 3], now: Instant) {
        let mut paces = self.paces.lock();
        for (pace, cost) in paces.iter_mut().zip(costs) {
            pace.pass(cost, now);
        }
    }
}

/// The registry has one more.
fn sessions(node: &Arc<Node>) -> usize {
    Arc::strong_count(node) - 1
}

impl Received {
    /// So many streams are remembered of an agent without a session.
    const REMEMBERED: usize = 16;

    /// Forgets the streams if there are more than agents have.
    pub(crate) fn leave(&mut self) {
        if self.streams.len() > Self::REMEMBERED {
            self.streams = HashMap::new();
        }
    }

    /// An agent has a stream for each interval at which it polls. Batches of more have no progress.
    const STREAMS: usize = 256;

    /// The progress of a batch here. A stream outlives sessions and restarts of the agent, whose numbers begin anew; it
    /// ends where the monotonic clock does, with the machine.
    pub(crate) fn progress(&mut self, watermark: Watermark) -> Option<Progress> {
        let (number, until) = (watermark.stream, watermark.until);
        if self.streams.len() >= Self::STREAMS && !self.streams.contains_key(&number) {
            return None;
        }
        let new = || (StreamId::new(), until.monotonic);
        let known = self.streams.entry(number).or_insert_with(new);
        if until.monotonic < known.1 {
            *known = new();
        }
        known.1 = until.monotonic;
        Some(Progress {
            stream: known.0,
            until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(0);

    #[test]
    fn a_node_has_so_many_sessions_and_no_more() {
        let registry = Registry::default();
        let config = Config {
            max_connections_per_node: 2,
            ..Config::default()
        };
        let begin = |name| registry.begin_session(name, &config, NOW);
        let one = begin("a").unwrap();
        let _two = begin("a").unwrap();
        assert_eq!(begin("a").unwrap_err().reason, Reason::Busy);
        assert!(begin("b").is_ok());
        drop(one);
        assert!(begin("a").is_ok());
    }

    #[test]
    fn a_backlog_of_small_batches_passes_at_once_and_no_end_of_them_does() {
        let registry = Registry::default();
        let node = registry.begin_session("a", &Config::default(), NOW).unwrap();
        let now = Instant::now();
        for _ in 0..40_000 {
            node.pay([100, 33, 1], now);
        }
        assert_eq!(node.rests_until(now), None);
        for _ in 0..10_000 {
            node.pay([100, 1, 1], now);
        }
        assert!(node.rests_until(now).is_some());
    }

    #[test]
    fn what_a_node_did_is_told_once_more_after_its_last_session() {
        let registry = Registry::default();
        let session = registry.begin_session("a", &Config::default(), NOW).unwrap();
        session.samples.add(5);
        drop(session);
        let shown = || {
            let mut shown = Vec::new();
            registry.look(|node, sessions| shown.push((node.samples.count(), sessions)));
            shown
        };
        assert_eq!(shown(), [(5, 0)]);
        assert_eq!(shown(), []);
    }

    #[test]
    fn a_stream_goes_on_until_the_clock_of_its_node_begins_anew() {
        let mut received = Received::default();
        let mut stream = |number, monotonic| {
            let until = alumet_core::time::Moment {
                monotonic: Monotonic::from_nanos(monotonic),
                ..Default::default()
            };
            let progress = received.progress(Watermark {
                stream: number,
                until,
            });
            progress
                .inspect(|progress| assert_eq!(progress.until, until))
                .map(|progress| progress.stream)
        };
        let first = stream(7, 50).unwrap();
        assert_eq!((stream(7, 50), stream(7, 60)), (Some(first), Some(first)));
        assert_ne!(stream(8, 60), Some(first));
        let rebooted = stream(7, 5).unwrap();
        assert_ne!(rebooted, first);
        assert_eq!(stream(7, 55), Some(rebooted));
        assert_eq!(
            (10..10_000).filter_map(|number| stream(number, 0)).count(),
            Received::STREAMS - 2
        );
        assert_eq!(stream(7, 56), Some(rebooted));
        received.leave();
        assert!(received.streams.is_empty(), "no agent has that many");
    }

    #[test]
    fn the_streams_of_an_agent_outlive_its_session() {
        let mut received = Received::default();
        for stream in 0..16 {
            let until = alumet_core::time::Moment::default();
            received.progress(Watermark { stream, until });
        }
        received.leave();
        assert_eq!(received.streams.len(), 16);
    }

    #[test]
    fn an_instance_is_remembered_but_not_any_number_of_them() {
        let registry = Registry::default();
        let id = |number: u32| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&number.to_le_bytes());
            InstanceId(bytes)
        };
        let first = registry.instance(id(0));
        assert!(Arc::ptr_eq(&first, &registry.instance(id(0))));
        for number in 1..=100_000 {
            registry.instance(id(number));
        }
        assert!(registry.instances.lock().len() < 10);
        assert!(Arc::ptr_eq(&first, &registry.instance(id(0))), "one in use stays");
    }
}
