//! What the table `[plugins.prometheus-exporter]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use alumet_shared_prometheus_names::Naming;
use alumet_shared_trust::{Secret, ServerTlsConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the samples can be scraped, how they are named, and how many series there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The address or name of this machine on which to listen; `"0.0.0.0"` is every IPv4 address of it, `"::"` every address.
    pub host: String,
    /// The port on which to listen.
    pub port: u16,
    /// Several places to listen, as `host:port`, instead of `host` and `port`.
    pub addresses: Vec<String>,
    /// What stands before the name of each metric.
    pub prefix: String,
    /// What follows the name of each metric, before its unit.
    pub suffix: String,
    /// Whether values are in seconds, joules, bytes, ratios and the like, as Prometheus recommends. Otherwise they have the units
    /// of the metrics, as in earlier versions: `millijoules`.
    pub base_units: bool,
    /// Whether attributes become labels. Otherwise, counters that differ only in attributes are added up; of gauges, one is
    /// there, and the others are rejected.
    pub add_attributes_to_labels: bool,
    /// Whether names of metrics and attributes are exposed as they are, for scrapers that allow it as Prometheus does from
    /// version 3 on; others get them escaped (`U__a_2e_b`). Otherwise, what is no letter or digit becomes `_`.
    pub utf8_names: bool,
    /// Whether OpenMetrics tells since when each counter counts. Prometheus stores that as a series of its own
    /// (`…_created`), unless it is told to make use of it.
    pub created_timestamps: bool,
    /// How long a series is exposed without a new sample.
    pub stale_after: HumanDuration,
    /// How many series there are at most, those of `top` that are not exposed included. Samples of others are rejected, and the
    /// series counted in `alumet_exporter_series_left_out_total`.
    #[schemars(range(min = 1))]
    pub limit: usize,
    /// Exposes only the consumers with the largest values, and the sum of the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Top>,
    /// How connections are encrypted. Without it, they are not.
    pub tls: ServerTlsConfig,
    /// The name that a scraper must give, with the password. Left out: everybody may scrape.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["prometheus"]))]
    pub user: Option<String>,
    /// The password of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["${SCRAPE_PASSWORD}"]))]
    pub password: Option<Secret>,
    /// A file that holds this password, read again for each scrape.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/etc/alumet/scrape.password"]))]
    pub password_file: Option<PathBuf>,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

/// Which consumers are exposed by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Top {
    /// The metric by whose values consumers are compared; those of one consumer are added up.
    pub metric: String,
    /// How many consumers are exposed. The sum of all others has the consumer kind `other`.
    pub n: usize,
    /// Attributes that this sum does not have, because they are those of a consumer, such as the name of a pod.
    pub without: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 9091,
            addresses: Vec::new(),
            prefix: String::new(),
            suffix: "_alumet".to_owned(),
            base_units: true,
            add_attributes_to_labels: true,
            utf8_names: false,
            created_timestamps: false,
            stale_after: HumanDuration::from_secs(300),
            limit: 100_000,
            top: None,
            tls: ServerTlsConfig::default(),
            user: None,
            password: None,
            password_file: None,
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
        if self.addresses.is_empty() && self.host.is_empty() {
            faults.add("host", "write a name or an address, for example \"0.0.0.0\"");
        }
        for (index, address) in self.addresses.iter().enumerate() {
            if split(address).is_none() {
                let message =
                    format!("{address:?} is no address; write it as \"host:9091\" or \"[::1]:9091\"");
                faults.add(&format!("addresses.{index}"), message);
            }
        }
        for (key, text) in [("prefix", &self.prefix), ("suffix", &self.suffix)] {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !self.utf8_names && !text.chars().all(is_plain) {
                faults.add(
                    key,
                    "only letters, digits and `_` can be in a name; or set `utf8_names`",
                );
            }
        }
        faults.refuse_zero("stale_after", *self.stale_after);
        if self.limit == 0 {
            faults.add("limit", "nothing could be exposed; allow at least 1");
        }
        if self.top.as_ref().is_some_and(|top| top.metric.is_empty()) {
            faults.add("top.metric", "name the metric by which consumers are compared");
        }
        self.tls.check("tls", &mut faults);
        if self.password.is_some() && self.password_file.is_some() {
            faults.add("password", "write either `password` or `password_file`");
        }
        if self.user.is_some() != (self.password.is_some() || self.password_file.is_some()) {
            faults.add("user", "a user needs a password and a password a user");
        }
        if self.user.as_ref().is_some_and(|user| user.contains(':')) {
            faults.add(
                "user",
                "a colon cannot be in it, because it ends the name in what scrapers send",
            );
        }
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }

    /// How metrics and labels are called.
    pub(crate) fn naming(&self) -> Naming {
        Naming {
            prefix: self.prefix.clone(),
            suffix: self.suffix.clone(),
            base_units: self.base_units,
            utf8_names: self.utf8_names,
        }
    }

    /// The keys that say where to listen.
    pub(crate) const fn place_keys(&self) -> &'static str {
        match self.addresses.is_empty() {
            true => "`host` and `port`",
            false => "`addresses`",
        }
    }

    /// Where to listen.
    pub(crate) fn places(&self) -> Vec<(String, u16)> {
        match self.addresses.as_slice() {
            [] => vec![(self.host.clone(), self.port)],
            addresses => addresses.iter().filter_map(|address| split(address)).collect(),
        }
    }
}

/// Host and port of an address.
fn split(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // Without brackets, nobody knows where an IPv6 address ends.
    let is_host = !host.is_empty() && !host.contains(['[', ']', ':', '/']);
    let host = bare.or(is_host.then_some(host))?;
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key() {
        for (toml, key) in [
            ("host = ''", "host"),
            (
                "addresses = ['a:1', 'b', '::1:9', ':1']",
                "addresses.1 addresses.2 addresses.3",
            ),
            ("prefix = 'a.'", "prefix"),
            ("suffix = ' '", "suffix"),
            ("stale_after = '0s'", "stale_after"),
            ("limit = 0", "limit"),
            ("top = { n = 3 }", "top.metric"),
            ("tls = { key = 'k' }", "tls.certificate"),
            ("tls = { certificate = 'c' }", "tls.key"),
            ("tls = { client_ca = 'c' }", "tls.certificate"),
            ("user = 'a'", "user"),
            ("password = 'b'", "user"),
            ("user = 'a:b'\npassword_file = 'f'", "user"),
            ("user = 'a'\npassword = 'b'\npassword_file = 'f'", "password"),
            ("queue.capacity = 0", "queue.capacity"),
        ] {
            let config: Config = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys().join(" "), key, "{toml}");
        }
        let right = "addresses = ['localhost:9091', '[::1]:0']\nprefix = 'é.'\nutf8_names = true\nhost = ''";
        let config: Config = toml::from_str(right).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(
            config.places(),
            [("localhost".to_owned(), 9091), ("::1".to_owned(), 0)]
        );
    }
}
