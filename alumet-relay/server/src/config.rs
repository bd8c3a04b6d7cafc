//! What the table `[plugins.relay-server]` holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::{ConfigFault, Faults};
use alumet_core::size::ByteSize;
use alumet_relay_protocol::address::{Address, InvalidAddress};
use alumet_relay_protocol::identity::check_node_name;
use alumet_relay_protocol::tokens::Tokens;
use alumet_shared_batch_encoding::Limits;
use alumet_shared_trust::ServerTlsConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the server listens, whom it trusts, and how much it takes of each client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Where to listen, as `host:port`; `[::]:50051` is every address of the machine. Elsewhere than on this machine it
    /// needs `tls` and either `tls.client_ca`, `tokens` or `tokens_file`, or `insecure`.
    pub address: String,
    /// Whether clients may connect over a network in plain text, or without proving who they are. Everybody there can then
    /// read, invent and suppress samples.
    pub insecure: bool,
    /// The certificates.
    pub tls: ServerTlsConfig,
    /// The secret of each node, by its name: at least 16 characters. Better kept in `tokens_file`.
    #[schemars(extend("writeOnly" = true))]
    pub tokens: BTreeMap<String, String>,
    /// A file with the secret of each node: in each line a name, a space and the secret. It is read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/tokens"]))]
    pub tokens_file: Option<PathBuf>,
    /// The attribute that each series gets, with the name of the node that sent it. Earlier versions called it
    /// `relay_client`.
    pub node_attribute: String,
    /// Nodes that may send series of other nodes, because they are servers themselves.
    pub relays: Vec<String>,
    /// Names in certificates and tokens that many nodes share, such as the pods of a DaemonSet: who has one says itself which
    /// node it is, and may be any but those in `relays`.
    pub shared_names: Vec<String>,
    /// How many connections there may be; at most three quarters of the files that the system lets the program open.
    pub max_connections: usize,
    /// How many sessions a node may have at once.
    pub max_connections_per_node: usize,
    /// How large a message may be.
    pub max_message_bytes: ByteSize,
    /// How many metrics and series a client may define, and 512 bytes of memory for each. A node in `relays` may define
    /// `max_series`.
    pub max_series_per_client: u32,
    /// How many metrics and series all clients together may define.
    pub max_series: u32,
    /// How many samples per second a node that is not in `relays` may send over a longer time, and those of half a minute at
    /// once; 0 is no limit. A message counts as 32 samples at least, a new metric or series as 8, a session as 5000, and
    /// each 32 bytes of names and attributes beyond 256 per sample as one; a message that is refused counts as 125 000. For
    /// each 100 of these samples it may send one message, and those of 90 s at once.
    pub max_samples_per_second: u64,
    /// How many bytes per second a node may send over a longer time; 0 is no limit.
    pub max_bytes_per_second: ByteSize,
    /// How much of a client may be on its way to the disk, as bytes that came and 24 more for each sample in them; then the server reads
    /// on when more is stored.
    pub window_bytes: ByteSize,
    /// How long a client may take to prove who it is and to begin a session.
    pub handshake_timeout: HumanDuration,
    /// How long a message may take to arrive completely. A client that is connected and has nothing to say may stay.
    pub idle_timeout: HumanDuration,
    /// How often a silent connection is tested; one that does not answer within the same time is closed.
    pub keepalive: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:50051".to_owned(),
            insecure: false,
            tls: ServerTlsConfig::default(),
            tokens: BTreeMap::new(),
            tokens_file: None,
            node_attribute: "node".to_owned(),
            relays: Vec::new(),
            shared_names: Vec::new(),
            max_connections: 10_000,
            max_connections_per_node: 4,
            max_message_bytes: ByteSize(4 << 20),
            max_series_per_client: 20_000,
            max_series: 5_000_000,
            max_samples_per_second: 50_000,
            max_bytes_per_second: ByteSize(0),
            window_bytes: ByteSize(4 << 20),
            handshake_timeout: HumanDuration::from_secs(10),
            idle_timeout: HumanDuration::from_secs(60),
            keepalive: HumanDuration::from_secs(20),
        }
    }
}

impl Config {
    /// The largest message that can be allowed: what one length in the protocol can say.
    const MESSAGE_BYTES: std::ops::RangeInclusive<u64> = (64 << 10)..=(1 << 30);

    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        let address = faults.keep(self.parsed_address());
        self.check_trust(address.as_ref(), &mut faults);
        if self.node_attribute.is_empty() {
            let message = "two nodes could not be told apart; name an attribute, for example \"node\"";
            faults.add("node_attribute", message);
        }
        for (key, names) in [("relays", &self.relays), ("shared_names", &self.shared_names)] {
            for error in names.iter().filter_map(|name| check_node_name(name).err()) {
                faults.add(key, error.to_string());
            }
        }
        for (key, is_zero) in [
            ("max_connections", self.max_connections == 0),
            ("max_connections_per_node", self.max_connections_per_node == 0),
            ("max_series_per_client", self.max_series_per_client == 0),
            ("max_series", self.max_series == 0),
            ("window_bytes", self.window_bytes.0 == 0),
        ] {
            if is_zero {
                faults.add(key, "nobody could send anything; allow at least 1");
            }
        }
        if !Self::MESSAGE_BYTES.contains(&self.max_message_bytes.0) {
            let message = format!(
                "choose a size from {} to {}",
                ByteSize(*Self::MESSAGE_BYTES.start()),
                ByteSize(*Self::MESSAGE_BYTES.end())
            );
            faults.add("max_message_bytes", message);
        }
        faults.refuse_zero("handshake_timeout", *self.handshake_timeout);
        faults.refuse_zero("idle_timeout", *self.idle_timeout);
        faults.refuse_often("keepalive", *self.keepalive, Duration::from_millis(100));
        faults.or_ok()
    }

    /// Whom to trust must be said before somebody else on the network decides it.
    fn check_trust(&self, address: Option<&Address>, faults: &mut Faults) {
        self.tls.check("tls", faults);
        if let Err(error) = Tokens::from_table(&self.tokens) {
            faults.add("tokens", error.to_string());
        }
        let Some(address) = address else { return };
        if let Err(error) = address.check_plain_text(self.tls.certificate.is_some(), self.insecure) {
            faults.add("address", error.to_string());
        } else if !self.needs_credentials() && !self.insecure && !address.is_loopback() {
            let message = format!(
                "everybody who reaches {address} could send samples in the name of any node; set `tls.client_ca`, `tokens` or \
                 `tokens_file`, or write `insecure = true` if the network is trusted"
            );
            faults.add("address", message);
        }
    }

    pub(crate) fn parsed_address(&self) -> Result<Address, Faults> {
        let fault = |error: InvalidAddress| ConfigFault::new("address", error.to_string());
        self.address.parse().map_err(|error| fault(error).into())
    }

    /// Whether a node may send series of others, because it is a server itself.
    pub(crate) fn is_relay(&self, node: &str) -> bool {
        self.relays.iter().any(|relay| relay == node)
    }

    /// Whether somebody who proves to be `proven` may be `claimed`, because many nodes share that name.
    pub(crate) fn is_shared(&self, proven: &str, claimed: &str) -> bool {
        self.shared_names.iter().any(|name| name == proven) && !self.is_relay(claimed)
    }

    /// How many bytes, samples and messages per second are taken of a node; 0 is no limit.
    pub(crate) fn paces(&self, node: &str) -> [u64; 3] {
        /// A message alone costs as much as so many samples.
        const SAMPLES_OF_MESSAGE: u64 = 100;
        let samples = match self.is_relay(node) {
            true => 0,
            false => self.max_samples_per_second,
        };
        [
            self.max_bytes_per_second.0,
            samples,
            samples.div_ceil(SAMPLES_OF_MESSAGE),
        ]
    }

    /// How much is taken of a node. A server sends what its agents have sent, and what its transforms made of it.
    pub(crate) fn limits(&self, node: &str) -> Limits {
        /// How much memory each metric or series may need on average.
        const ENTRY_BYTES: usize = 512;
        let agent = Limits::OF_AN_AGENT;
        let of = |entries: u32| Limits {
            dictionary_entries: entries as usize,
            dictionary_bytes: (entries as usize).saturating_mul(ENTRY_BYTES).max(1 << 20),
            ..agent
        };
        if !self.is_relay(node) {
            return of(self.max_series_per_client);
        }
        Limits {
            samples_per_batch: 4 * agent.samples_per_batch,
            text_per_batch: 4 * agent.text_per_batch,
            metrics: usize::MAX,
            attribute_keys: usize::MAX,
            definitions_bytes: 4 * agent.definitions_bytes,
            ..of(self.max_series)
        }
    }

    pub(crate) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty() || self.tokens_file.is_some()
    }

    /// Whether a client has to prove who it is.
    pub(crate) fn needs_credentials(&self) -> bool {
        self.tls.client_ca.is_some() || self.has_tokens()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Faults {
        let config: Config = toml::from_str(text).unwrap();
        config.check().expect_err(&format!("`{text}` should be refused"))
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (text, key) in [
            ("address = 'x y'", "address"),
            ("node_attribute = ''", "node_attribute"),
            ("relays = ['a/b']", "relays"),
            ("shared_names = ['a/b']", "shared_names"),
            ("max_connections = 0", "max_connections"),
            ("max_connections_per_node = 0", "max_connections_per_node"),
            ("max_series_per_client = 0", "max_series_per_client"),
            ("max_series = 0", "max_series"),
            ("window_bytes = 0", "window_bytes"),
            ("max_message_bytes = '1 KiB'", "max_message_bytes"),
            ("max_message_bytes = '2 GiB'", "max_message_bytes"),
            ("handshake_timeout = '0s'", "handshake_timeout"),
            ("idle_timeout = '0s'", "idle_timeout"),
            ("keepalive = '0s'", "keepalive"),
            ("tokens = { a = 'short' }", "tokens"),
            ("tls = { certificate = 'a' }", "tls.key"),
            ("tls = { key = 'a' }", "tls.certificate"),
            ("tls = { client_ca = 'a' }", "tls.certificate"),
        ] {
            assert_eq!(faults(text).keys(), [key], "{text}");
        }
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn over_a_network_plain_text_and_strangers_are_refused_with_their_remedies() {
        let plain = faults("address = '[::]:50051'").to_string();
        assert!(
            plain.contains("`tls`") && plain.contains("insecure = true"),
            "{plain}"
        );
        let tls = "address = '[::]:50051'\ntls = { certificate = 'c', key = 'k' }\n";
        let strangers = faults(tls).to_string();
        assert!(
            strangers.contains("`tokens`") && strangers.contains("insecure = true"),
            "{strangers}"
        );
        for trust in [
            "tokens_file = 'f'",
            "tokens = { a = '0123456789abcdef' }",
            "insecure = true",
        ] {
            let config: Config = toml::from_str(&format!("{tls}{trust}")).unwrap();
            assert_eq!(config.check(), Ok(()), "{trust}");
        }
        let mutual = "address = 'a:1'\ntls = { certificate = 'c', key = 'k', client_ca = 'ca' }";
        assert_eq!(toml::from_str::<Config>(mutual).unwrap().check(), Ok(()));
    }
}
