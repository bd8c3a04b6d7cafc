//! What the table `[plugins.relay-client]` holds.

use std::path::PathBuf;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_relay_protocol::identity::check_node_name;
use alumet_relay_protocol::tokens::check_token;
use alumet_shared_trust::{Secret, TlsConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::servers::Servers;
use crate::target::targets;

/// Where samples are sent, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The name of this node at the server. Without it, the name of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["node-17"]))]
    pub client_name: Option<String>,
    /// The server, as `host:port`, or a list of servers. The first that can be reached is used; when it breaks away, the
    /// search begins at the first again.
    #[schemars(extend("examples" = ["127.0.0.1:50051", ["relay-1.example.org:50051", "relay-2.example.org:50051"]]))]
    pub relay_server: Servers,
    /// Whether samples may be sent in plain text over a network. Without it, a server that is not on this machine needs
    /// `tls`.
    pub insecure: bool,
    /// How the connection is encrypted. Without it, it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// The secret that the server knows this node by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${RELAY_TOKEN}"], "writeOnly" = true))]
    pub token: Option<Secret>,
    /// A file that holds this secret, read again for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/relay.token"]))]
    pub token_file: Option<PathBuf>,
    /// How long it may take until a server has accepted a connection.
    pub connect_timeout: HumanDuration,
    /// The connection is made anew when nothing of what was sent is acknowledged for this long.
    pub ack_timeout: HumanDuration,
    /// How long the connection may be silent before the server is asked for a sign of life. Without an answer within half
    /// of it, the connection is made anew.
    pub keepalive: HumanDuration,
    /// How many bytes per second are sent while older samples wait. Samples that nothing waits before are never
    /// delayed. `0` is no limit.
    pub backlog_bytes_per_second: u64,
    /// How long samples that the server has acknowledged stay in the spool, as long as there is room for them. A server that
    /// has lost some, because its disk was replaced or an older copy of it was restored, gets them again. `0s` keeps none.
    pub keep_acknowledged: HumanDuration,
    /// The pauses between attempts to connect.
    pub retry: RetryConfig,
    /// Accepted for files of earlier versions, without effect: samples are sent as soon as they are handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffer_max_length: Option<u64>,
    /// Accepted for files of earlier versions, without effect: samples are sent as soon as they are handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffer_timeout: Option<HumanDuration>,
}

/// The pauses between attempts to connect: random, at most twice as long from one attempt to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RetryConfig {
    /// The longest pause after the first attempt.
    pub initial_delay: HumanDuration,
    /// The longest pause of all.
    pub max_delay: HumanDuration,
    /// Accepted for files of earlier versions, without effect: attempts never end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_times: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client_name: None,
            relay_server: Servers::One("127.0.0.1:50051".to_owned()),
            insecure: false,
            tls: None,
            token: None,
            token_file: None,
            connect_timeout: HumanDuration::from_secs(10),
            ack_timeout: HumanDuration::from_secs(30),
            keepalive: HumanDuration::from_secs(20),
            backlog_bytes_per_second: 0,
            keep_acknowledged: HumanDuration::from_secs(24 * 60 * 60),
            retry: RetryConfig::default(),
            buffer_max_length: None,
            buffer_timeout: None,
        }
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            initial_delay: HumanDuration::from_millis(500),
            max_delay: HumanDuration::from_secs(5),
            max_times: None,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if let Some(Err(error)) = self.client_name.as_deref().map(check_node_name) {
            faults.add("client_name", error.to_string());
        }
        if self.relay_server.iter().next().is_none() {
            let message = "name at least one server, for example \"127.0.0.1:50051\"";
            faults.add("relay_server", message);
        }
        faults.keep(targets(self));
        if let Some(tls) = &self.tls {
            tls.check("tls", &mut faults);
        }
        if self.token.is_some() && self.token_file.is_some() {
            faults.add("token", "write either `token` or `token_file`");
        } else if let Some(token) = &self.token
            && let Err(error) = check_token(&token.0, || "the configuration".to_owned())
        {
            faults.add("token", error.to_string());
        }
        for (key, duration) in [
            ("connect_timeout", self.connect_timeout),
            ("ack_timeout", self.ack_timeout),
            ("retry.initial_delay", self.retry.initial_delay),
            ("retry.max_delay", self.retry.max_delay),
        ] {
            faults.refuse_zero(key, *duration);
        }
        faults.refuse_often("keepalive", *self.keepalive, Duration::from_millis(100));
        if !self.retry.max_delay.is_zero() && self.retry.max_delay < self.retry.initial_delay {
            let message = "it must not be shorter than `retry.initial_delay`";
            faults.add("retry.max_delay", message);
        }
        faults.or_ok()
    }

    /// The keys that are set and have no effect any more, with what happens instead.
    pub(crate) fn without_effect(&self) -> Vec<(&'static str, &'static str)> {
        const AS_THEY_COME: &str = "samples are sent as soon as they are handed on";
        const WITHOUT_END: &str = "attempts never end, and samples wait in the spool";
        let keys = [
            (
                self.buffer_max_length.is_some(),
                "buffer_max_length",
                AS_THEY_COME,
            ),
            (self.buffer_timeout.is_some(), "buffer_timeout", AS_THEY_COME),
            (self.retry.max_times.is_some(), "retry.max_times", WITHOUT_END),
        ];
        let set = keys.into_iter().filter(|(is_set, ..)| *is_set);
        set.map(|(_, key, instead)| (key, instead)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(toml: &str) -> String {
        let config: Config = toml::from_str(toml).unwrap();
        config.check().unwrap_err().keys().join(" ")
    }

    #[test]
    fn wrong_values_are_refused_with_their_key() {
        for (toml, key) in [
            ("client_name = ''", "client_name"),
            ("client_name = 'a b'", "client_name"),
            ("relay_server = []", "relay_server"),
            ("relay_server = 'no port'", "relay_server"),
            ("relay_server = 'relay.example.org:50051'", "relay_server"),
            ("relay_server = ['127.0.0.1:1', '10.0.0.1:50051']", "relay_server"),
            ("tls = { ca = 'ca.pem', certificate = 'a.pem' }", "tls.key"),
            ("tls = { ca = 'ca.pem', key = 'a.key' }", "tls.certificate"),
            ("token = '0123456789abcdef'\ntoken_file = 'b'", "token"),
            ("token = 'short'", "token"),
            ("connect_timeout = '0s'", "connect_timeout"),
            ("ack_timeout = '0s'", "ack_timeout"),
            ("keepalive = '0s'", "keepalive"),
            ("retry = { initial_delay = '0s' }", "retry.initial_delay"),
            ("retry = { max_delay = '1ms' }", "retry.max_delay"),
        ] {
            assert_eq!(fault(toml), key, "{toml}");
        }
    }

    #[test]
    fn right_values_are_taken() {
        for toml in [
            "",
            "relay_server = ['127.0.0.1:1', '[::1]:2', 'localhost:3']",
            "relay_server = '10.0.0.1:50051'\ninsecure = true",
            "relay_server = 'relay.example.org:50051'\ntls = { ca = 'ca.pem' }",
            "tls = { ca = 'ca.pem', certificate = 'a.pem', key = 'a.key' }\ntoken_file = 'b'",
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check(), Ok(()), "{toml}");
        }
    }

    #[test]
    fn the_keys_of_the_original_are_taken_and_those_without_effect_are_named() {
        let toml = "client_name = 'n'\nrelay_server = '[::1]:50051'\nbuffer_max_length = 4096\n\
                    buffer_timeout = '30s'\n\
                    retry = { max_times = 8, initial_delay = '500ms', max_delay = '4s' }";
        let config: Config = toml::from_str(toml).unwrap();
        assert_eq!(config.check(), Ok(()));
        let keys: Vec<_> = config.without_effect().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["buffer_max_length", "buffer_timeout", "retry.max_times"]);
        assert_eq!(Config::default().without_effect(), []);
    }
}
