//! Documentation from a schema and a default.

use alumet_agent::config::{KeyPath, Reference};
use proptest::prelude::*;
use schemars::Schema;

use crate::sample::{Mode, Retry, Sensor};

#[test]
fn the_default_is_written_with_the_description_of_each_key() {
    let text = Reference::of::<Sensor>().unwrap().to_toml(&["plugins", "sensor"]);
    assert_eq!(
        text,
        r#"# How often a sensor is read, and where the values go.
[plugins.sensor]

# Time between two polls.
#
# At least 1 ms.
poll_interval = "1s"

# Port of the sensor.
port = 9091

# Factor | on all values.
factor = 1.0

# Whether a broken device is left out.
skip_failed = true
output_path = "out.csv"

# How much is measured.
#   - "full": Everything.
#   - "minimal": Energy only.
mode = "full"

# Names of metrics.
metrics = ["energy"]

# Name in all values; the host's name if not given.
# client_name = "node-1"

# What happens after an error.
[plugins.sensor.retry]

# Number of attempts.
max_times = 8

# Groups of processes.
[[plugins.sensor.groups]]

# Which programs belong to it.
exe_regex = "a\\.b"

# Extra attributes.
[plugins.sensor.groups.labels]
"#
    );
}

#[test]
fn a_short_default_has_the_chosen_keys_with_their_descriptions_and_the_tables_around_them() {
    let keys = [
        "plugins.sensor.port",
        "plugins.sensor.retry.max_times",
        "plugins.other.factor",
    ];
    let keys = keys.map(KeyPath::dotted);
    let reference = Reference::of::<Sensor>().unwrap();
    assert_eq!(
        reference.to_short_toml(&["plugins", "sensor"], &keys),
        "[plugins.sensor]\n\n# Port of the sensor.\nport = 9091\n\n# What happens after an error.\n\
         [plugins.sensor.retry]\n\n# Number of attempts.\nmax_times = 8\n"
    );
}

#[test]
fn the_keys_are_written_as_a_markdown_table() {
    let text = Reference::of::<Sensor>().unwrap().to_markdown();
    assert_eq!(
        text,
        r#"| Key | Type | Default | Description |
|---|---|---|---|
| `poll_interval` | string | `"1s"` | Time between two polls. At least 1 ms. |
| `port` | integer | `9091` | Port of the sensor. |
| `factor` | number | `1.0` | Factor \| on all values. |
| `skip_failed` | boolean | `true` | Whether a broken device is left out. |
| `output_path` | string | `"out.csv"` |  |
| `mode` | `"full"` or `"minimal"` | `"full"` | How much is measured.<br>`full`: Everything.<br>`minimal`: Energy only. |
| `metrics` | list of string | `["energy"]` | Names of metrics. |
| `retry` | table |  | What happens after an error. |
| `retry.max_times` | integer | `8` | Number of attempts. |
| `groups` | list of table |  | Groups of processes. |
| `groups[].exe_regex` | string | `"a\\.b"` | Which programs belong to it. |
| `groups[].labels` | table |  | Extra attributes. |
| `groups[].labels.<name>` | string |  |  |
| `client_name` | string |  | Name in all values; the host's name if not given. |
"#
    );
}

#[test]
fn keys_without_a_description_in_the_schema_are_written_all_the_same() {
    let default = toml::from_str("a = 1\n[b.c]\nd = [{ e = 1 }, { e = 2 }]\nf = []\n").unwrap();
    let schema = Schema::default();
    let reference = Reference { schema, default };
    let text = reference.to_toml(&[]);
    let read: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(read, reference.default, "{text}");
}

#[test]
fn a_table_without_a_default_is_shown_with_its_keys_and_a_list_of_words_with_the_words() {
    /// How it is encrypted.
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    struct Tls {
        /// The certificate.
        certificate: String,
        /// How much is measured.
        modes: Vec<Mode>,
    }
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    struct Client {
        /// Not at all if left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        tls: Option<Tls>,
        port: u16,
    }
    let reference = Reference::of::<Client>().unwrap();
    let text = reference.to_toml(&["client"]);
    assert_eq!(
        text,
        r#"[client]
port = 0

# Not at all if left out.
# [client.tls]

# The certificate.
# certificate = ""

# How much is measured.
#   - "full": Everything.
#   - "minimal": Energy only.
# modes = []
"#
    );
    let keys: Vec<_> = text
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .collect();
    let uncommented: toml::Table = keys.join("\n").parse().unwrap();
    assert_eq!(uncommented["client"]["tls"]["certificate"].as_str(), Some(""));
}

/// A type whose schema has an example, as that of a duration.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[schemars(extend("examples" = ["500ms"]))]
struct Pause(String);

#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
#[schemars(default)]
struct Client {
    /// How long it may take.
    timeout: Pause,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            timeout: Pause("10s".to_owned()),
        }
    }
}

#[test]
fn a_table_without_a_default_is_shown_with_the_defaults_that_its_keys_would_have() {
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    struct Output {
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<Client>,
    }
    let reference = Reference::of::<Output>().unwrap();
    let text = reference.to_toml(&["output"]);
    assert!(text.contains("\n# timeout = \"10s\"\n"), "{text}");
    let table = reference.to_markdown();
    let row = "| `client.timeout` | string | `\"10s\"` | How long it may take. |";
    assert!(table.contains(row), "{table}");
}

#[test]
fn the_keys_of_an_element_are_shown_below_an_empty_list() {
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    struct Output {
        /// The clients.
        clients: Vec<Client>,
    }
    let text = Reference::of::<Output>().unwrap().to_toml(&["output"]);
    assert_eq!(
        text,
        r#"[output]

# The clients.
clients = []

# An element, in place of the empty list `clients` above.
# [[output.clients]]

# How long it may take.
# timeout = "10s"
"#
    );
}

#[test]
fn a_key_of_a_variant_says_with_which_tag_it_goes() {
    #[derive(serde::Serialize, schemars::JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema counts")]
    enum Target {
        File {
            /// Where it is.
            path: String,
        },
        Server {
            /// Where it listens.
            port: u16,
        },
    }
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    struct Output {
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<Target>,
    }
    let reference = Reference::of::<Output>().unwrap();
    let text = reference.to_toml(&["output"]);
    assert!(
        text.contains("# Where it is.\n# Only with `kind = \"file\"`.\n# path = \"\""),
        "{text}"
    );
    let table = reference.to_markdown();
    let row = "| `target.port` | integer |  | Where it listens. Only with `kind = \"server\"`. |";
    assert!(table.contains(row), "{table}");
}

#[test]
fn a_type_that_contains_itself_ends() {
    #[derive(Default, serde::Serialize, schemars::JsonSchema)]
    struct Node {
        #[serde(skip_serializing_if = "Option::is_none")]
        inner: Option<Box<Node>>,
    }
    let reference = Reference::of::<Node>().unwrap();
    assert!(reference.to_markdown().lines().count() < 20);
    assert_eq!(
        reference.to_toml(&["node"]),
        "[node]\n\n# [node.inner]\n# inner = {}\n"
    );
}

prop_compose! {
    fn any_sensor()(
        port: u16, factor in -1e9..1e9f64, skip_failed: bool, output_path: String, client_name: Option<String>,
        minimal: bool, metrics: Vec<String>, max_times: u32,
        groups in prop::collection::vec((any::<String>(), prop::collection::btree_map(any::<String>(), any::<String>(), 0..3)), 0..3),
    ) -> Sensor {
        let mode = if minimal { Mode::Minimal } else { Mode::Full };
        let groups = groups.into_iter().map(|(exe_regex, labels)| crate::sample::Group { exe_regex, labels }).collect();
        Sensor {
            port, factor, skip_failed, output_path, client_name, mode, metrics, groups,
            retry: Retry { max_times }, ..Sensor::default()
        }
    }
}

proptest! {
    #[test]
    fn a_written_default_parses_back_to_itself(sensor in any_sensor()) {
        let default = toml::Table::try_from(&sensor).unwrap();
        let reference = Reference { default, ..Reference::of::<Sensor>().unwrap() };
        let text = reference.to_toml(&["plugins", "my sensor"]);
        let read: toml::Table = toml::from_str(&text).unwrap();
        prop_assert_eq!(read["plugins"]["my sensor"].as_table(), Some(&reference.default));
    }
}
