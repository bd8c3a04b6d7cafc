//! What the table `[plugins.rest-api]` holds.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_query::Limits;
use alumet_shared_remote_query::{CollectorsConfig, InfluxdbConfig};
use alumet_shared_trust::ServerTlsConfig;
use axum::http::{HeaderName, HeaderValue, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the API listens, who may ask, and for how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Address and port on which to listen; `"0.0.0.0:8081"` is every IPv4 address of the machine, `"[::]:8081"` every address.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The plugin that has the series, unless a server has them that the next three keys tell.
    pub backend: String,
    /// An InfluxDB that has the series, written by the plugin `influxdb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub influxdb: Option<InfluxdbConfig>,
    /// Servers such as this one, of which each has some of the series; what they answer becomes one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collectors: Option<CollectorsConfig>,
    /// The file `config.json` of an earlier API, which tells the InfluxDB that has the series. A token `${NAME}` in it is what the
    /// environment variable `NAME` holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/config.json"]))]
    pub old_config: Option<PathBuf>,
    /// How connections are encrypted. Without it, they are not.
    pub tls: ServerTlsConfig,
    /// Whether everybody who reaches the address may ask, and be answered in plain text, although it is not one of this machine
    /// only. Without it, such an address needs `tls`, and `tokens_file` or `tls.client_ca`; and one of this machine without tokens
    /// answers only who asks under a name of this machine, such as `localhost`: set it behind a proxy that keeps strangers out.
    pub insecure: bool,
    /// A file that says who may ask: in each line a name, a token of at least 16 characters and, if the token is for some series
    /// only, what their labels must be, such as `namespace=team-a` or `node=~n1|n2`. It is read again when it changes. Without
    /// it, everybody may see everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/api.tokens"]))]
    pub tokens_file: Option<PathBuf>,
    /// How often each client may ask in a second: whoever has a token, and each address without one. Left out: as often as it
    /// likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("examples" = [100]))]
    pub requests_per_second: Option<u32>,
    /// Whether programs that measure themselves may send telemetry with `POST /publish/{topic}`. Of tokens, those will do that are
    /// for all series. What they send goes through the pipeline, and is answered when it is on disk.
    pub publish: bool,
    /// Which pages of other servers may ask from within a browser. Left out: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// How many clients may be connected. One more takes the place of one that asks for nothing.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// How much one question may need.
    pub query: QueryLimits,
}

/// Which pages of other servers may ask from within a browser (CORS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cors {
    /// Where these pages come from, such as `"https://grafana.example.org"`; `"*"` is everywhere.
    pub allowed_origins: Vec<String>,
    /// The methods with which they may ask.
    pub allowed_methods: Vec<String>,
    /// The headers that they may send.
    pub allowed_headers: Vec<String>,
}

/// How much one question may need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct QueryLimits {
    /// How many series are looked into.
    #[schemars(range(min = 1))]
    pub max_series: u64,
    /// How many samples, or intervals of series, are read.
    #[schemars(range(min = 1))]
    pub max_samples: u64,
    /// How many values an answer may have.
    #[schemars(range(min = 1))]
    pub max_points: u64,
    /// How long it may take until there is an answer.
    pub timeout: HumanDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 8081).into(),
            backend: "store".to_owned(),
            influxdb: None,
            collectors: None,
            old_config: None,
            tls: ServerTlsConfig::default(),
            insecure: false,
            tokens_file: None,
            requests_per_second: None,
            publish: false,
            cors: None,
            max_connections: 1024,
            query: QueryLimits::default(),
        }
    }
}

impl Default for Cors {
    fn default() -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            allowed_origins: owned(&["*"]),
            allowed_methods: owned(&["GET", "POST", "OPTIONS"]),
            allowed_headers: owned(&["Content-Type", "Authorization", "X-Requested-With"]),
        }
    }
}

impl Default for QueryLimits {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            max_series: limits.series,
            max_samples: limits.samples,
            max_points: limits.points,
            timeout: HumanDuration(limits.duration),
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
        self.check_trust(&mut faults);
        self.check_backend(&mut faults);
        if self.requests_per_second == Some(0) {
            let message = "nobody could ask; allow at least 1, or remove the key";
            faults.add("requests_per_second", message);
        }
        if let Some(cors) = &self.cors {
            cors.check(&mut faults);
        }
        if self.max_connections == 0 {
            faults.add("max_connections", "nobody could ask; allow at least 1");
        }
        for (key, limit) in [
            ("query.max_series", self.query.max_series),
            ("query.max_samples", self.query.max_samples),
            ("query.max_points", self.query.max_points),
        ] {
            if limit == 0 {
                faults.add(key, "nothing could be answered; allow at least 1");
            }
        }
        faults.refuse_zero("query.timeout", *self.query.timeout);
        faults.or_ok()
    }
}

impl Config {
    /// Whether only programs of this machine reach it.
    pub(crate) fn is_for_this_machine(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// Whom to trust must be said before somebody else on the network decides it.
    fn check_trust(&self, faults: &mut Faults) {
        self.tls.check("tls", faults);
        if self.insecure || self.is_for_this_machine() {
            return;
        }
        if self.tls.certificate.is_none() {
            let message = "without TLS everybody on the way could read what is answered; set `tls` (`alumet-server certs init DIR` makes \
                           certificates), or write `insecure = true` if the network is trusted";
            faults.add("address", message);
        } else if self.tokens_file.is_none() && self.tls.client_ca.is_none() {
            let message = "everybody who reaches it could see all series; set `tokens_file` or `tls.client_ca`, or write \
                           `insecure = true` if the network is trusted";
            faults.add("address", message);
        }
    }
}

impl Config {
    fn check_backend(&self, faults: &mut Faults) {
        let told = [
            ("influxdb", self.influxdb.is_some()),
            ("collectors", self.collectors.is_some()),
            ("old_config", self.old_config.is_some()),
        ];
        for (key, _) in told.iter().filter(|(_, is_told)| *is_told).skip(1) {
            let message = "one server has the series: keep one of `influxdb`, `collectors` and `old_config`";
            faults.add(key, message);
        }
        let influxdb = self.influxdb.as_ref().map(InfluxdbConfig::check);
        let collectors = self.collectors.as_ref().map(CollectorsConfig::check);
        for (table, checked) in [("influxdb", influxdb), ("collectors", collectors)] {
            for fault in checked.and_then(Result::err).into_iter().flatten() {
                faults.add(&format!("{table}.{}", fault.key.join(".")), fault.message);
            }
        }
    }
}

impl Cors {
    fn check(&self, faults: &mut Faults) {
        for (index, origin) in self.allowed_origins.iter().enumerate() {
            let is_origin = origin == "*" || (origin.contains("://") && !origin.ends_with('/'));
            if !is_origin || HeaderValue::from_str(origin).is_err() {
                let message = "write \"https://host\", \"http://host:port\" or \"*\"";
                faults.add(&format!("cors.allowed_origins.{index}"), message);
            }
        }
        for (index, method) in self.allowed_methods.iter().enumerate() {
            if method.parse::<Method>().is_err() {
                faults.add(
                    &format!("cors.allowed_methods.{index}"),
                    "this is no method; write for example \"GET\"",
                );
            }
        }
        for (index, header) in self.allowed_headers.iter().enumerate() {
            if header.parse::<HeaderName>().is_err() {
                faults.add(
                    &format!("cors.allowed_headers.{index}"),
                    "this is no name of a header; write for example \"Authorization\"",
                );
            }
        }
    }
}

impl QueryLimits {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            series: self.max_series,
            samples: self.max_samples,
            points: self.max_points,
            duration: *self.timeout,
        }
    }
}

/// Reads an address with a port, and says how to write one if it is none.
fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "{text:?} is no address with a port; write for example \"127.0.0.1:8081\", or \"0.0.0.0:8081\" for all networks"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_or_is_open_to_strangers_is_refused_with_its_key() {
        let tls = "tls = { certificate = 'c', key = 'k' }\n";
        for (toml, keys) in [
            ("", ""),
            ("address = '[::1]:1'", ""),
            ("address = '0.0.0.0:1'", "address"),
            ("address = '0.0.0.0:1'\ninsecure = true", ""),
            ("address = '0.0.0.0:1'\ntokens_file = 't'", "address"),
            (&format!("address = '0.0.0.0:1'\n{tls}"), "address"),
            (&format!("address = '0.0.0.0:1'\ntokens_file = 't'\n{tls}"), ""),
            ("tls = { key = 'k' }", "tls.certificate"),
            ("requests_per_second = 0", "requests_per_second"),
            ("influxdb = { host = 'x' }", "influxdb.host"),
            ("collectors = { addresses = [] }", "collectors.addresses"),
            ("old_config = 'c'\ninfluxdb = { bucket = 'b' }", "old_config"),
            ("cors = {}", ""),
            (
                "cors = { allowed_origins = ['*', 'x', 'http://a/'] }",
                "cors.allowed_origins.1 cors.allowed_origins.2",
            ),
            ("cors = { allowed_methods = ['G T'] }", "cors.allowed_methods.0"),
            ("cors = { allowed_headers = ['a b'] }", "cors.allowed_headers.0"),
            ("max_connections = 0", "max_connections"),
            (
                "query = { max_series = 0, max_samples = 0, max_points = 0, timeout = '0s' }",
                "query.max_series query.max_samples query.max_points query.timeout",
            ),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            let keys_found = config
                .check()
                .err()
                .map_or_else(String::new, |faults| faults.keys().join(" "));
            assert_eq!(keys_found, keys, "{toml}");
        }
        let error = toml::from_str::<Config>("address = 'host'")
            .unwrap_err()
            .to_string();
        assert!(error.contains("write for example"), "{error}");
    }
}
