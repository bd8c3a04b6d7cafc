//! What the table `[plugins.rest-api]` holds.

use std::net::{Ipv4Addr, SocketAddr};

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_query::Limits;
use alumet_shared_trust::ServerTlsConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the API listens, who may ask, and for how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Address and port on which to listen; `"0.0.0.0:8081"` is every IPv4 address of the machine, `"[::]:8081"` every address.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// The plugin that has the series.
    pub backend: String,
    /// How connections are encrypted. Without it, they are not.
    pub tls: ServerTlsConfig,
    /// How many clients may be connected. One more takes the place of one that asks for nothing.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// How much one question may need.
    pub query: QueryLimits,
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
            tls: ServerTlsConfig::default(),
            max_connections: 1024,
            query: QueryLimits::default(),
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
        self.tls.check("tls", &mut faults);
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
