//! What the table `[plugins.mongodb]` holds.

use std::future::IntoFuture;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use alumet_core::duration::HumanDuration;
use alumet_core::output::QueuePolicy;
use alumet_core::plugin::{ConfigFault, Faults};
use alumet_shared_trust::{Secret, TlsConfig};
use mongodb::options::{Acknowledgment, ClientOptions, ServerAddress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where documents are written, and what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The host of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// A connection string instead of `host` and `port`: for several servers, and for all that the driver can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["mongodb://db-1.example,db-2.example/?replicaSet=rs0"], "writeOnly" = true))]
    pub uri: Option<Secret>,
    /// The database.
    pub database: String,
    /// The collection, which is created if there is none.
    pub collection: String,
    /// The name of a user, as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["alumet"]))]
    pub username: Option<String>,
    /// The password of the user, as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${MONGODB_PASSWORD}"], "writeOnly" = true))]
    pub password: Option<Secret>,
    /// A file that holds the password, read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/mongodb.password"]))]
    pub password_file: Option<PathBuf>,
    /// The database that knows the user. Left out: what the connection string says, or `admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["admin"]))]
    pub auth_source: Option<String>,
    /// How connections are encrypted; `{}` is enough to have that. Without it, they are if the connection string says so.
    /// The driver reads certificate and key from one file, which `certificate` and `key` both name, and takes the host as the
    /// name of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Whether the collection is a time series, which takes less space, but in which a sample may be twice after a
    /// disturbance.
    pub time_series: bool,
    /// Whether there is to be an index on measurement and time.
    pub indexes: bool,
    /// Whether each document has the fields `metric_unit` and `metric_kind`, and `metric_quality` if it was not measured.
    pub describe_metrics: bool,
    /// How long it may take until a server is found and a connection stands.
    pub connect_timeout: HumanDuration,
    /// How long it may take until a request is answered completely.
    pub timeout: HumanDuration,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 27017,
            uri: None,
            database: "alumet".to_owned(),
            collection: "samples".to_owned(),
            username: None,
            password: None,
            password_file: None,
            auth_source: None,
            tls: None,
            time_series: false,
            indexes: true,
            describe_metrics: true,
            connect_timeout: HumanDuration::from_secs(5),
            timeout: HumanDuration::from_secs(30),
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
        faults.keep(self.options());
        let no_database = |c: char| "/\\.\"$\0".contains(c);
        if self.database.is_empty() || self.database.len() > 63 || self.database.contains(no_database) {
            let message = "write a name of 1 to 63 bytes without `/`, `\\`, `.`, `\"` and `$`";
            faults.add("database", message);
        }
        let no_collection = |c: char| "$\0".contains(c);
        if self.collection.is_empty()
            || self.collection.contains(no_collection)
            || self.collection.starts_with("system.")
        {
            let message = "write a name without `$` that does not begin with `system.`";
            faults.add("collection", message);
        }
        if self.password.is_some() && self.password_file.is_some() {
            faults.add("password", "write either `password` or `password_file`");
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        if has_password && self.username.is_none() {
            faults.add("username", "a password needs a user");
        }
        if self.auth_source.is_some() && self.username.is_none() {
            faults.add(
                "auth_source",
                "it is for `username`; write it into `uri` otherwise",
            );
        }
        if let Some(tls) = &self.tls {
            tls.check("tls", &mut faults);
            if tls.certificate.is_some() && tls.key.is_some() && tls.certificate != tls.key {
                let message = "the driver reads certificate and key from one file: put both into one \
                               (`cat node.pem node.key > both.pem`) and name it here and in `tls.certificate`";
                faults.add("tls.key", message);
            }
            if tls.server_name.is_some() {
                let message =
                    "the driver takes the host of the address; write the name in the certificate there";
                faults.add("tls.server_name", message);
            }
        }
        faults.refuse_zero("connect_timeout", *self.connect_timeout);
        faults.refuse_zero("timeout", *self.timeout);
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }

    /// What the driver is told; without what stands in files.
    ///
    /// # Errors
    /// When the connection string is none, or contradicts other keys.
    pub(crate) fn options(&self) -> Result<ClientOptions, ConfigFault> {
        let mut options = match &self.uri {
            Some(uri) => self.parse(&uri.0)?,
            None => {
                if self.host.is_empty() || self.host.contains(['/', '@', ',', ' ']) {
                    let message = "write a name or an IP address alone; `uri` takes more";
                    return Err(ConfigFault::new("host", message));
                }
                // An IPv6 address may stand in brackets, as in addresses with a port.
                let host = self.host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let port = Some(self.port);
                ClientOptions::builder()
                    .hosts(vec![ServerAddress::Tcp { host, port }])
                    .build()
            }
        };
        options.connect_timeout = Some(*self.connect_timeout);
        options.server_selection_timeout = Some(*self.connect_timeout);
        // Whoever delivers counts attempts.
        options.retry_writes = Some(false);
        options.retry_reads = Some(false);
        options.app_name.get_or_insert_with(|| "alumet".to_owned());
        if let Some(username) = &self.username {
            let credential = options.credential.get_or_insert_default();
            credential.username = Some(username.clone());
            if self.auth_source.is_some() {
                credential.source.clone_from(&self.auth_source);
            }
        }
        Ok(options)
    }

    fn parse(&self, uri: &str) -> Result<ClientOptions, ConfigFault> {
        let fault = |reason: &str| {
            ConfigFault::new(
                "uri",
                format!("{reason}; write it as \"mongodb://server.example:27017/?replicaSet=rs0\""),
            )
        };
        if uri.starts_with("mongodb+srv:") {
            let reason = "this program looks up no SRV records: name the servers that your provider shows for \
                          older drivers";
            return Err(fault(reason));
        }
        let default = Self::default();
        if self.host != default.host || self.port != default.port {
            return Err(fault("it takes the place of `host` and `port`: leave these out"));
        }
        // Without SRV records, nothing is waited for.
        let parsing = pin!(ClientOptions::parse(uri).into_future());
        let options = match parsing.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(options)) => options,
            // The words of the driver may repeat what is secret.
            Poll::Ready(Err(_)) if uri.contains('@') => {
                return Err(fault(
                    "it is no connection string, or has a special character in name or password; write them into `username` \
                     and `password_file`, which take every character",
                ));
            }
            Poll::Ready(Err(error)) => {
                return Err(fault(&format!("it is no connection string ({})", error.kind)));
            }
            Poll::Pending => return Err(fault("it asks for a look-up that this program cannot do")),
        };
        let credential = options.credential.as_ref();
        if self.username.is_some() && credential.is_some_and(|credential| credential.username.is_some()) {
            return Err(fault("write the user either here or into `username`"));
        }
        let concern = options.write_concern.as_ref();
        if concern.is_some_and(|concern| concern.w == Some(Acknowledgment::Nodes(0))) {
            return Err(fault("with `w=0`, nobody knows what is stored: leave it out"));
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(toml: &str) -> Faults {
        let config: Config = toml::from_str(toml).unwrap();
        config.check().err().unwrap_or_default()
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key_and_without_secrets() {
        for (toml, key) in [
            ("host = ''", "host"),
            ("host = 'mongodb://a'", "host"),
            ("database = ''", "database"),
            ("database = 'a.b'", "database"),
            ("collection = ''", "collection"),
            ("collection = 'system.users'", "collection"),
            ("password = 'hunter2'", "username"),
            (
                "username = 'a'\npassword = 'hunter2'\npassword_file = 'b'",
                "password",
            ),
            ("auth_source = 'a'", "auth_source"),
            ("tls = { certificate = 'a', key = 'b' }", "tls.key"),
            ("tls = { certificate = 'a' }", "tls.key"),
            ("tls = { server_name = 'a' }", "tls.server_name"),
            ("timeout = '0s'", "timeout"),
            ("connect_timeout = '0s'", "connect_timeout"),
            ("queue.capacity = 0", "queue.capacity"),
            ("uri = ''", "uri"),
            ("uri = 'http://a'", "uri"),
            ("uri = 'mongodb://a:b'", "uri"),
            ("uri = 'mongodb+srv://a'", "uri"),
            ("uri = 'mongodb://a/?w=0'", "uri"),
            ("uri = 'mongodb://a'\nport = 1", "uri"),
            ("uri = 'mongodb://a:hunter2@b@c'", "uri"),
            ("uri = 'mongodb://a:hunter2/b@c'", "uri"),
            ("uri = 'mongodb://a:hunter2@c'\nusername = 'a'", "uri"),
        ] {
            let faults = faults(toml);
            assert_eq!(faults.keys(), [key], "{toml}: {faults}");
            assert!(!faults.to_string().contains("hunter2"), "{faults}");
        }
    }

    #[test]
    fn right_values_are_taken_and_no_debug_form_shows_a_secret() {
        for toml in [
            "",
            "host = '::1'\nport = 1",
            "database = 'FILL ME'\ncollection = 'FILL ME'\nusername = 'FILL ME'\npassword = 'FILL ME'",
            "username = 'a'\npassword = 'hunter2:/?#[]@%'\nauth_source = 'b'",
            "uri = 'mongodb://a:hunter2@b,c:1/?replicaSet=rs0&tls=true&w=2'",
            "uri = 'mongodb://a,[::1]:2/'\nusername = 'u'\npassword_file = 'f'",
            "uri = 'mongodb://a/?authMechanism=MONGODB-X509&authSource=$external'\n\
             tls = { certificate = 'both.pem', key = 'both.pem' }",
        ] {
            assert_eq!(faults(toml), Faults::default(), "{toml}");
            let config: Config = toml::from_str(toml).unwrap();
            assert!(!format!("{config:?}").contains("hunter2"));
            assert_eq!(
                toml::from_str::<Config>(&toml::to_string(&config).unwrap()).unwrap(),
                config
            );
        }
    }

    #[test]
    fn every_character_of_a_name_reaches_the_driver_as_it_is() {
        let config: Config =
            toml::from_str("host = '[::1]'\nusername = 'a@b:c%/é'\nauth_source = 's'").unwrap();
        let options = config.options().unwrap();
        let credential = options.credential.unwrap();
        assert_eq!(credential.username.as_deref(), Some("a@b:c%/é"));
        assert_eq!(credential.source.as_deref(), Some("s"));
        let address = ServerAddress::Tcp {
            host: "::1".to_owned(),
            port: Some(27017),
        };
        assert_eq!(options.hosts, [address]);
    }
}
