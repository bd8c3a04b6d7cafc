//! What the table `[plugins.nats-input]` holds.

use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_nats::{ConnectionConfig, StreamConfig, check_name, check_prefix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where messages are taken from, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Where the servers are, and who this program is to them.
    #[serde(flatten)]
    pub connection: ConnectionConfig,
    /// The stream with the messages.
    pub stream: StreamConfig,
    /// The name of the durable consumer, which is made if there is none. Programs that name the same one share its messages:
    /// each message goes to one of them.
    pub durable: String,
    /// How many loops fetch messages.
    pub workers: usize,
    /// After how long without an acknowledgement or a sign of progress a message is delivered again.
    pub ack_wait: HumanDuration,
    /// How often a message is delivered before it becomes a dead letter: one that ends the program each time.
    pub max_deliver: u32,
    /// How many messages may be under way to the disks of all programs that share the consumer.
    pub max_ack_pending: u32,
    /// The subject of dead letters: messages that cannot be read, or were delivered too often. A stream of its own keeps the last
    /// 10 000; it has the name of the other with `_DEAD_LETTERS` behind.
    pub dead_letter_subject: String,
    /// The attribute that each series gets, with the name of the node that has measured.
    pub node_attribute: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connection: ConnectionConfig::default(),
            stream: StreamConfig::default(),
            durable: "collector".to_owned(),
            workers: 4,
            ack_wait: HumanDuration::from_secs(30),
            max_deliver: 10,
            max_ack_pending: 1024,
            dead_letter_subject: "dead-letters.telemetry".to_owned(),
            node_attribute: "node".to_owned(),
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
        self.connection.check(&mut faults);
        self.stream.check("stream", &mut faults);
        check_name(&self.durable, "durable", &mut faults);
        if !(1..=256).contains(&self.workers) {
            faults.add("workers", "choose 1 to 256");
        }
        faults.refuse_often("ack_wait", *self.ack_wait, Duration::from_secs(1));
        if self.max_deliver == 0 {
            faults.add("max_deliver", "no message could be delivered; allow at least 1");
        }
        if !(1..=8192).contains(&self.max_ack_pending) {
            faults.add("max_ack_pending", "choose 1 to 8192");
        }
        check_prefix(&self.dead_letter_subject, "dead_letter_subject", &mut faults);
        if self.node_attribute.is_empty() {
            let message = "two nodes could not be told apart; name an attribute, for example \"node\"";
            faults.add("node_attribute", message);
        }
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_refused_with_its_key() {
        for (toml, key) in [
            ("servers = []", "servers"),
            ("stream = { name = '' }", "stream.name"),
            ("durable = 'a.b'", "durable"),
            ("workers = 0", "workers"),
            ("ack_wait = '1ms'", "ack_wait"),
            ("max_deliver = 0", "max_deliver"),
            ("max_ack_pending = 0", "max_ack_pending"),
            ("max_ack_pending = 10000", "max_ack_pending"),
            ("dead_letter_subject = 'a.>'", "dead_letter_subject"),
            ("node_attribute = ''", "node_attribute"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
        assert_eq!(Config::default().check(), Ok(()));
    }
}
