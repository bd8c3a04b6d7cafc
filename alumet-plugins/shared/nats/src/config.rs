//! The keys that both plugins have.

use std::path::PathBuf;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_core::size::ByteSize;
use alumet_shared_trust::{Secret, TlsConfig};
use async_nats::ServerAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the servers are, and who this program is to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConnectionConfig {
    /// The servers of one cluster, as `nats://host:port`, or `tls://host:port` for one that must encrypt. Any of them is used, and
    /// another one when it is away.
    #[schemars(extend("examples" = [["nats://nats-1.example:4222", "nats://nats-2.example:4222"]]))]
    pub servers: Vec<String>,
    /// How connections are encrypted; `{}` is enough to have that, with the authorities that the system trusts. Without it, they
    /// are if the server wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// The name of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["alumet"]))]
    pub username: Option<String>,
    /// The password of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${NATS_PASSWORD}"], "writeOnly" = true))]
    pub password: Option<Secret>,
    /// A file that holds the password, read again for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/nats.password"]))]
    pub password_file: Option<PathBuf>,
    /// A token instead of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${NATS_TOKEN}"], "writeOnly" = true))]
    pub token: Option<Secret>,
    /// A file that holds the token, read again for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/nats.token"]))]
    pub token_file: Option<PathBuf>,
    /// A file with the seed of an NKey, which begins with `SU`, read again for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/nats.nk"]))]
    pub nkey_file: Option<PathBuf>,
    /// A file with the JWT and the seed of a user, as `nsc` writes it, read again for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/nats.creds"]))]
    pub credentials_file: Option<PathBuf>,
    /// How long it may take until a connection stands.
    pub connect_timeout: HumanDuration,
    /// How long a server may take to answer a request.
    pub timeout: HumanDuration,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            tls: None,
            username: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            nkey_file: None,
            credentials_file: None,
            connect_timeout: HumanDuration::from_secs(5),
            timeout: HumanDuration::from_secs(10),
        }
    }
}

impl ConnectionConfig {
    /// Refuses what types cannot.
    pub fn check(&self, faults: &mut Faults) {
        if self.servers.is_empty() {
            faults.add("servers", "name at least one server");
        }
        faults.keep(self.addresses());
        if let Some(tls) = &self.tls {
            tls.check("tls", faults);
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        if self.password.is_some() && self.password_file.is_some() {
            faults.add("password", "write either `password` or `password_file`");
        }
        if has_password != self.username.is_some() {
            faults.add("username", "a user needs a password, and a password a user");
        }
        if self.token.is_some() && self.token_file.is_some() {
            faults.add("token", "write either `token` or `token_file`");
        }
        let ways = [
            ("username", self.username.is_some()),
            ("token", self.token.is_some() || self.token_file.is_some()),
            ("nkey_file", self.nkey_file.is_some()),
            ("credentials_file", self.credentials_file.is_some()),
        ];
        let mut used = ways.iter().filter(|(_, is_used)| *is_used).map(|(key, _)| *key);
        if let (Some(one), Some(other)) = (used.next(), used.next()) {
            faults.add(
                other,
                format!("`{one}` says already who this program is; leave one of them out"),
            );
        }
        faults.refuse_zero("connect_timeout", *self.connect_timeout);
        faults.refuse_zero("timeout", *self.timeout);
    }

    /// The servers.
    ///
    /// # Errors
    /// Those that are none.
    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddr>, Faults> {
        let mut faults = Faults::default();
        let mut addresses = Vec::new();
        for server in &self.servers {
            match server.parse::<ServerAddr>() {
                Ok(address) if address.username().is_some() || address.password().is_some() => {
                    faults.add(
                        "servers",
                        "write the user into `username` and the password into `password_file`",
                    );
                }
                Ok(address) if !address.host().is_empty() && ["nats", "tls"].contains(&address.scheme()) => {
                    addresses.push(address);
                }
                _ => faults.add(
                    "servers",
                    format!("`{server}` is no address of a server; write it as \"nats://host:4222\""),
                ),
            }
        }
        faults.or_ok().map(|()| addresses)
    }

    /// The files that hold secrets, with what they hold.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let tls_key = self.tls.as_ref().and_then(|tls| tls.key.as_ref());
        [
            ("password", self.password_file.as_ref()),
            ("token", self.token_file.as_ref()),
            ("NKey", self.nkey_file.as_ref()),
            ("credentials", self.credentials_file.as_ref()),
            ("private key", tls_key),
        ]
        .into_iter()
        .filter_map(|(what, path)| Some((what, path?)))
    }
}

/// The stream that keeps the messages until they are taken. It is made if there is none; one that is there is used as it is, and
/// the log says where it differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StreamConfig {
    /// Its name.
    pub name: String,
    /// The subjects that it takes.
    pub subjects: Vec<String>,
    /// How many servers of a cluster have it: 1, 3 or 5.
    pub replicas: usize,
    /// How many messages it keeps of each subject. The oldest make room, whether they were taken or not; 0 is no limit.
    pub max_msgs_per_subject: u32,
    /// How long it keeps a message, taken or not; `0s` is no limit.
    pub max_age: HumanDuration,
    /// How large it may become. The oldest messages make room, taken or not; 0 is no limit.
    pub max_bytes: ByteSize,
    /// How long it recognises a message that comes again.
    pub duplicate_window: HumanDuration,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            name: "TELEMETRY".to_owned(),
            subjects: vec!["telemetry.>".to_owned()],
            replicas: 1,
            max_msgs_per_subject: 10_000,
            max_age: HumanDuration::from_secs(0),
            max_bytes: ByteSize(0),
            duplicate_window: HumanDuration::from_secs(120),
        }
    }
}

impl StreamConfig {
    /// Refuses what types cannot; `path` is the key of this table.
    pub fn check(&self, path: &str, faults: &mut Faults) {
        let at = |key: &str| format!("{path}.{key}");
        check_name(&self.name, &at("name"), faults);
        if self.subjects.is_empty() || self.subjects.iter().any(|subject| !is_subject(subject)) {
            let message = "write subjects without spaces and empty parts, such as \"telemetry.>\"";
            faults.add(&at("subjects"), message);
        }
        if ![1, 3, 5].contains(&self.replicas) {
            faults.add(
                &at("replicas"),
                "choose 1, 3 or 5: of an even number, no more may fail",
            );
        }
        faults.refuse_often(
            &at("duplicate_window"),
            *self.duplicate_window,
            Duration::from_secs(1),
        );
        if !self.max_age.is_zero() && self.duplicate_window > self.max_age {
            faults.add(&at("duplicate_window"), "it must not be longer than `max_age`");
        }
    }
}

/// Refuses what cannot be the name of a stream or consumer.
pub fn check_name(name: &str, path: &str, faults: &mut Faults) {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 128 || !name.chars().all(is_letter) {
        faults.add(path, "use 1 to 128 letters, digits, `-` and `_`");
    }
}

fn is_subject(subject: &str) -> bool {
    let is_token = |token: &str| !token.is_empty() && !token.contains(char::is_whitespace);
    subject.split('.').all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(toml: &str) -> Faults {
        let mut faults = Faults::default();
        toml::from_str::<ConnectionConfig>(toml)
            .unwrap()
            .check(&mut faults);
        faults
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key_and_without_secrets() {
        for (toml, key) in [
            ("servers = []", "servers"),
            ("servers = ['http://a']", "servers"),
            ("servers = ['nats://']", "servers"),
            ("servers = ['nats://a', 'ws://b']", "servers"),
            ("servers = ['nats://u:hunter2@a']", "servers"),
            ("username = 'a'", "username"),
            ("password = 'hunter2'", "username"),
            (
                "username = 'a'\npassword = 'hunter2'\npassword_file = 'f'",
                "password",
            ),
            ("token = 'hunter2'\ntoken_file = 'f'", "token"),
            ("username = 'a'\npassword_file = 'f'\ntoken = 'hunter2'", "token"),
            ("nkey_file = 'a'\ncredentials_file = 'b'", "credentials_file"),
            ("tls = { certificate = 'a' }", "tls.key"),
            ("connect_timeout = '0s'", "connect_timeout"),
            ("timeout = '0s'", "timeout"),
        ] {
            let faults = faults(toml);
            assert_eq!(faults.keys(), [key], "{toml}: {faults}");
            assert!(!faults.to_string().contains("hunter2"), "{faults}");
        }
        for toml in [
            "",
            "servers = ['a', 'b:1', 'nats://[::1]:4222', 'tls://c']\ntoken_file = 'f'",
        ] {
            assert_eq!(faults(toml), Faults::default(), "{toml}");
        }
    }

    #[test]
    fn a_stream_that_no_server_would_make_is_refused_with_its_key() {
        for (toml, key) in [
            ("name = ''", "stream.name"),
            ("name = 'a.b'", "stream.name"),
            ("subjects = []", "stream.subjects"),
            ("subjects = ['a..b']", "stream.subjects"),
            ("subjects = ['a b']", "stream.subjects"),
            ("replicas = 2", "stream.replicas"),
            ("duplicate_window = '0s'", "stream.duplicate_window"),
            ("max_age = '1m'", "stream.duplicate_window"),
        ] {
            let mut faults = Faults::default();
            toml::from_str::<StreamConfig>(toml)
                .unwrap()
                .check("stream", &mut faults);
            assert_eq!(faults.keys(), [key], "{toml}: {faults}");
        }
        let mut faults = Faults::default();
        StreamConfig::default().check("stream", &mut faults);
        assert_eq!(faults, Faults::default());
    }
}
