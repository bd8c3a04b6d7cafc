use std::collections::BTreeMap;

use alumet_core::metric::MetricKind;
use alumet_core::plugin::Faults;
use alumet_shared_http_delivery::HttpConfig;
use alumet_shared_trust::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which InfluxDB is asked, with the keys of the plugin `influxdb` that has written into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InfluxdbConfig {
    /// The address of the server: `"https://influx.example:8086"`.
    pub host: String,
    /// The organization, for a server of version 2.
    pub org: String,
    /// The bucket, for a server of version 2.
    pub bucket: String,
    /// The database of a version 1, which takes the place of `org` and `bucket`. Credentials are `user` and `password_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["alumet"]))]
    pub database: Option<String>,
    /// The retention policy in that database. Left out: its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["one_year"]))]
    pub retention_policy: Option<String>,
    /// What metrics mean whose samples were written without the tags `metric_kind` and `metric_unit`, by their names. All
    /// others without these are taken for gauges of unit 1.
    pub metrics: BTreeMap<String, Meaning>,
    /// How this program speaks with the server.
    #[serde(flatten)]
    pub http: HttpConfig,
}

/// What the values of a metric mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Meaning {
    /// `"gauge"` for a state, `"delta"` for the amount since the sample before, `"counter"` for the amount since some start.
    pub kind: String,
    /// The code of the unit (UCUM): `"J"`.
    pub unit: String,
}

impl Default for InfluxdbConfig {
    fn default() -> Self {
        Self {
            host: "http://localhost:8086".to_owned(),
            org: "influxdata".to_owned(),
            bucket: "default".to_owned(),
            database: None,
            retention_policy: None,
            metrics: BTreeMap::new(),
            http: HttpConfig::default(),
        }
    }
}

impl InfluxdbConfig {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.http.check("host", &self.host, &mut faults);
        match &self.database {
            None if self.bucket.is_empty() => {
                let message = "write the name of a bucket, or that of a `database` of version 1";
                faults.add("bucket", message);
            }
            Some(database) if database.is_empty() => faults.add("database", "write the name of a database"),
            _ => {}
        }
        if self.retention_policy.is_some() && self.database.is_none() {
            let message = "it is part of a `database`; a bucket has its own";
            faults.add("retention_policy", message);
        }
        for (name, meaning) in &self.metrics {
            if kind_of(&meaning.kind).is_none() {
                let message = format!("the kind of `{name}` is \"gauge\", \"delta\" or \"counter\"");
                faults.add("metrics", message);
            }
        }
        faults.or_ok()
    }
}

/// The kind of this name.
pub(super) fn kind_of(text: &str) -> Option<MetricKind> {
    MetricKind::ALL.iter().copied().find(|kind| kind.name() == text)
}

/// Why a `config.json` is of no use.
#[derive(Debug, thiserror::Error)]
pub enum OldConfigError {
    /// It is something else.
    #[error("it is no configuration of the old API: {0}")]
    Json(#[from] serde_json::Error),
    /// It names several databases, or none.
    #[error("it has {0} entries in `inputs.influxdb_v2`, and must have one")]
    Inputs(usize),
}

/// The file `config.json` of the old API, of which only the database counts.
#[derive(Deserialize)]
struct Old {
    inputs: OldInputs,
}

#[derive(Deserialize)]
struct OldInputs {
    influxdb_v2: Vec<OldInput>,
}

#[derive(Deserialize)]
struct OldInput {
    bucket: String,
    host: String,
    org: String,
    port: Option<OldPort>,
    token: Secret,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OldPort {
    Number(u16),
    Text(String),
}

/// Reads the file `config.json` of the old API: `{"inputs": {"influxdb_v2": [{bucket, host, org, port, token, name}]}, …}`. A host
/// without `http://` or `https://` is one with `http://`.
///
/// # Errors
/// When it is something else, or names several databases.
pub fn from_old_config_json(text: &str) -> Result<InfluxdbConfig, OldConfigError> {
    let Old { inputs } = serde_json::from_str(text)?;
    let count = inputs.influxdb_v2.len();
    let [input] = <[OldInput; 1]>::try_from(inputs.influxdb_v2).map_err(|_| OldConfigError::Inputs(count))?;
    let scheme = if input.host.contains("://") { "" } else { "http://" };
    let port = match input.port {
        None => String::new(),
        Some(OldPort::Number(port)) => format!(":{port}"),
        Some(OldPort::Text(port)) => format!(":{port}"),
    };
    let host = input.host.trim_end_matches('/');
    Ok(InfluxdbConfig {
        host: format!("{scheme}{host}{port}"),
        org: input.org,
        bucket: input.bucket,
        http: HttpConfig {
            token: Some(input.token),
            ..HttpConfig::default()
        },
        ..InfluxdbConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key() {
        for (toml, key) in [
            ("host = 'server'", "host"),
            ("bucket = ''", "bucket"),
            ("database = ''", "database"),
            ("retention_policy = 'p'", "retention_policy"),
            ("metrics = { m = { kind = 'sum', unit = 'J' } }", "metrics"),
        ] {
            let config: InfluxdbConfig = toml::from_str(toml).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{toml}");
        }
        let right =
            "database = 'd'\nretention_policy = 'p'\nmetrics = { m = { kind = 'delta', unit = 'J' } }";
        toml::from_str::<InfluxdbConfig>(right).unwrap().check().unwrap();
    }

    #[test]
    fn the_file_of_the_old_api_is_read_as_it_is() {
        let text = |port| {
            format!(
                r#"{{"inputs":{{"influxdb_v2":[{{"bucket":"b","host":"influxdb2","org":"o","port":{port},"token":"t","name":"n"}}]}},
                "log":{{"level":"info","output":"stdout"}},"outputs":{{}},"parameters":{{}}}}"#
            )
        };
        for port in ["8086", "\"8086\""] {
            let config = from_old_config_json(&text(port)).unwrap();
            assert_eq!(
                (&*config.host, &*config.bucket, &*config.org),
                ("http://influxdb2:8086", "b", "o")
            );
            assert_eq!(config.http.token.as_ref().unwrap().0, "t");
            config.check().unwrap();
        }
        let none = from_old_config_json(r#"{"inputs":{"influxdb_v2":[]}}"#).unwrap_err();
        assert!(matches!(none, OldConfigError::Inputs(0)));
        assert!(from_old_config_json("{}").is_err());
    }
}
