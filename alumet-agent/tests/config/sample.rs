//! The configuration type that the tests read, and short ways to load a text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use alumet_agent::config::{Document, KeyPath, Loader, Problems, from_json};
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Table;

/// How often a sensor is read, and where the values go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Sensor {
    /// Time between two polls.
    ///
    /// At least 1 ms.
    #[serde(serialize_with = "to_text", deserialize_with = "from_text")]
    #[schemars(with = "String")]
    pub poll_interval: Duration,
    /// Port of the sensor.
    pub port: u16,
    /// Factor | on all values.
    pub factor: f64,
    /// Whether a broken device is left out.
    pub skip_failed: bool,
    pub output_path: String,
    /// Name in all values; the host's name if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "node-1")]
    pub client_name: Option<String>,
    /// How much is measured.
    pub mode: Mode,
    /// Names of metrics.
    pub metrics: Vec<String>,
    /// What happens after an error.
    pub retry: Retry,
    /// Groups of processes.
    pub groups: Vec<Group>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Everything.
    Full,
    /// Energy only.
    Minimal,
}

/// Attempts after an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Retry {
    /// Number of attempts.
    pub max_times: u32,
}

/// One group of processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Group {
    /// Which programs belong to it.
    pub exe_regex: String,
    /// Extra attributes.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            port: 9091,
            factor: 1.0,
            skip_failed: true,
            output_path: "out.csv".to_owned(),
            client_name: None,
            mode: Mode::Full,
            metrics: vec!["energy".to_owned()],
            retry: Retry::default(),
            groups: vec![Group {
                exe_regex: "a\\.b".to_owned(),
                labels: BTreeMap::new(),
            }],
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_times: 8 }
    }
}

fn to_text<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(de::Error::custom)
}

/// An environment without any variable.
pub(crate) fn nothing(_: &str) -> Option<OsString> {
    None
}

/// The document of one file, `alumet.toml`.
pub(crate) fn load(text: &str) -> Result<Document, Problems> {
    Loader::new(&nothing).text("alumet.toml", text).load()
}

/// The message of a text that cannot be loaded.
pub(crate) fn message(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

/// The path of a table.
pub(crate) fn sensor() -> KeyPath {
    KeyPath::dotted("plugins.sensor")
}

/// The plain values.
pub(crate) fn plain(document: &Document) -> Table {
    document.table(&KeyPath::root()).unwrap().clone()
}

/// A table as a `T`.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(
    document: &Document,
    path: &KeyPath,
) -> Result<T, Problems> {
    document.read(path, || schema_for!(T), from_json, |_| Ok(()))
}

/// The message of a section that is no `Sensor`.
pub(crate) fn sensor_message(text: &str) -> String {
    let document = load(text).unwrap();
    read::<Sensor>(&document, &sensor()).unwrap_err().to_string()
}
