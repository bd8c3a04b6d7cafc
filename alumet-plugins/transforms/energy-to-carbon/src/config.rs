//! What the table `[plugins.energy-to-carbon]` holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_core::time::Monotonic;
use alumet_shared_http_delivery::HttpConfig;
use alumet_shared_metric_names::{OneOrMore, Selection, SeriesKeys, SeriesPattern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::country::Country;

/// Which energy is converted, and how much is emitted for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// How it is known what a kWh emits.
    pub mode: Mode,
    /// The energies that are converted: names of metrics, in which `*` stands for any text, or tables with `metric`,
    /// `resource_kind`, `resource_id`, `consumer_kind`, `consumer_id` and attributes. What is no energy used is not converted.
    pub metrics: Vec<SeriesPattern>,
    /// Which of them are not, as in `metrics`. The default leaves out what is counted within
    /// something else, and sums.
    pub exclude: Vec<SeriesPattern>,
    /// For `mode = "country"`: which one.
    pub country: CountryConfig,
    /// For `mode = "intensity_override"`: how much.
    pub intensity_override: IntensityConfig,
    /// For `mode = "file"`: which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileConfig>,
    /// For `mode = "http"`: which server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<ServerConfig>,
    /// How long a value of a file or a server holds, unless another follows.
    pub hold: HumanDuration,
    /// What counts when the file or the server has nothing, in grams per kWh.
    pub fallback: f64,
}

/// How it is known what a kWh emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Mode {
    /// The mean of the world: 475 g.
    #[default]
    WorldAvg,
    /// The mean of a country in a year.
    Country,
    /// As `intensity_override` says.
    IntensityOverride,
    /// A file has values with their times; it is read again when it changes.
    File,
    /// A server is asked again and again.
    Http,
}

/// A country.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CountryConfig {
    /// Its code by ISO 3166-1 alpha-3.
    pub code: String,
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntensityConfig {
    /// Emissions in grams per kWh.
    pub intensity: f64,
}

/// A file with values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FileConfig {
    /// Where it is. Its lines are `2026-01-01T00:00:00Z,56.2`: since when, and grams per kWh. A number is the seconds since
    /// 1970; a first line with other words is passed over, as are those that begin with `#`.
    #[schemars(extend("examples" = ["/var/lib/alumet/intensity.csv"]))]
    pub path: PathBuf,
}

/// A server that knows the present value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerConfig {
    /// Its address: `"https://api.example"`.
    #[schemars(extend("examples" = ["https://api.example"]))]
    pub url: String,
    /// What follows the address: `"/carbon-intensity?zone=FR"`.
    #[schemars(extend("examples" = ["/carbon-intensity?zone=FR"]))]
    pub path: String,
    /// Where the number is in the JSON of the answer (RFC 6901), in grams per kWh: `"/data/carbonIntensity"`. Empty: the answer
    /// is the number.
    #[schemars(extend("examples" = ["/data/carbonIntensity"]))]
    pub pointer: String,
    /// Time between two requests.
    pub refresh_interval: HumanDuration,
    /// How this program speaks with the server.
    #[serde(flatten)]
    pub http: HttpConfig,
}

/// The mean of the world in grams of CO2 equivalent per kWh: IEA, "Global Energy & CO2 Status Report 2019", for 2018.
pub(crate) const WORLD: f64 = 475.0;

impl Default for Config {
    fn default() -> Self {
        let of = |metric: Option<&str>, attribute: &str, values: OneOrMore| {
            SeriesPattern::Series(SeriesKeys {
                metric: metric.map(|name| [name].into()),
                attributes: BTreeMap::from([(attribute.to_owned(), values)]),
                ..SeriesKeys::default()
            })
        };
        let with = |attribute: &str, values: OneOrMore| of(None, attribute, values);
        Self {
            mode: Mode::WorldAvg,
            metrics: vec!["*".into()],
            exclude: vec![
                // `package` contains `pp0`, `pp1` and `core`; `platform` contains `package`.
                with("domain", ["pp0", "pp1", "core", "platform", "*_total"].into()),
                // What of the energy of the machine no consumer has.
                with("part", ["idle", "unattributed"].into()),
                // Sensors of the board, and the machine's own meter, may count what RAPL counts.
                "hwmon_energy".into(),
                "redfish_energy".into(),
                "cray_pm_energy".into(),
                // What `total` contains, and what the card contains.
                of(
                    Some("grace_energy_consumption"),
                    "sensor",
                    ["module*", "grace*", "cpu*", "sysio*", "dram*"].into(),
                ),
                of(Some("intel_gpu_energy"), "domain", ["package"].into()),
                // Which rail of a board contains the others is known to who has the board.
                "input_energy".into(),
            ],
            country: CountryConfig::default(),
            intensity_override: IntensityConfig::default(),
            file: None,
            http: None,
            hold: HumanDuration::from_secs(3 * 3600),
            fallback: WORLD,
        }
    }
}

impl Default for CountryConfig {
    fn default() -> Self {
        Self {
            code: "FRA".to_owned(),
        }
    }
}

impl Default for IntensityConfig {
    fn default() -> Self {
        Self { intensity: WORLD }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            path: String::new(),
            pointer: String::new(),
            refresh_interval: HumanDuration::from_secs(15 * 60),
            http: HttpConfig::default(),
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
        faults.keep(self.selections(Monotonic::default()));
        faults.refuse_zero("hold", *self.hold);
        for (key, intensity) in [
            ("intensity_override.intensity", self.intensity_override.intensity),
            ("fallback", self.fallback),
        ] {
            if !is_intensity(intensity) {
                faults.add(key, "emissions are at least 0 grams per kWh, for example 475.0");
            }
        }
        if let (Mode::Country, Err(message)) = (self.mode, Country::find(&self.country.code)) {
            faults.add("country.code", message);
        }
        if self.mode == Mode::File && self.file.is_none() {
            faults.add(
                "file",
                "this mode needs it: { path = \"/var/lib/alumet/intensity.csv\" }",
            );
        }
        if self.mode == Mode::Http && self.http.is_none() {
            faults.add(
                "http",
                "this mode needs it: { url = \"https://api.example\", path = \"/intensity\" }",
            );
        }
        if let Some(server) = &self.http {
            let mut of_server = Faults::default();
            server.http.check("url", &server.url, &mut of_server);
            of_server.refuse_often(
                "refresh_interval",
                *server.refresh_interval,
                Duration::from_secs(1),
            );
            for (key, text) in [("path", &server.path), ("pointer", &server.pointer)] {
                if !text.is_empty() && !text.starts_with('/') {
                    of_server.add(key, "it begins with `/`");
                }
            }
            for fault in of_server {
                faults.add(&format!("http.{}", fault.key.join(".")), fault.message);
            }
        }
        faults.or_ok()
    }

    /// What is converted, and which of it is not.
    ///
    /// # Errors
    /// The patterns that cannot be understood.
    pub(crate) fn selections(&self, now: Monotonic) -> Result<(Selection, Selection), Faults> {
        let mut faults = Faults::default();
        let wanted = faults.keep(Selection::new("metrics", &self.metrics, now));
        let unwanted = faults.keep(Selection::new("exclude", &self.exclude, now));
        faults.or_ok()?;
        wanted.zip(unwanted).ok_or_else(Faults::default)
    }
}

/// Whether so many grams per kWh can be emitted.
pub(crate) fn is_intensity(grams: f64) -> bool {
    grams.is_finite() && grams >= 0.0
}
