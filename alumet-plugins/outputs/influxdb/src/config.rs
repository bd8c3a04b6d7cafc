//! What the table `[plugins.influxdb]` holds.

use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use alumet_shared_http_delivery::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where samples are written, and what becomes of their attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The address of the server: `"https://influx.example:8086"`.
    pub host: String,
    /// The organization, which versions before 2 and after 2 do not ask for.
    pub org: String,
    /// The bucket; a version 3 calls it database.
    pub bucket: String,
    /// The database of a version 1, which takes the place of `org` and `bucket`. Credentials are `user` and `password_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["alumet"]))]
    pub database: Option<String>,
    /// The retention policy in that database. Left out: its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["one_year"]))]
    pub retention_policy: Option<String>,
    /// What an attribute becomes. Samples of one time that differ only in fields overwrite each other.
    pub attributes_as: AttributesAs,
    /// Attributes that become tags, whatever `attributes_as` says.
    pub attributes_as_tags: Vec<String>,
    /// Attributes that become fields, whatever `attributes_as` says.
    pub attributes_as_fields: Vec<String>,
    /// What an unsigned integer becomes. Left out: `"unsigned"`, but `"integer"` in a `database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["integer"]))]
    pub unsigned_as: Option<UnsignedAs>,
    /// Whether each line has the tags `metric_unit` and `metric_kind`, and `metric_quality` if it was not measured.
    pub describe_metrics: bool,
    /// How this program speaks with the server.
    #[serde(flatten)]
    pub http: HttpConfig,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

/// What an attribute becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AttributesAs {
    /// A part of the identity of the series, which is indexed; always text.
    #[default]
    Tag,
    /// A value beside `value`, with its type.
    Field,
}

/// What an unsigned integer becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum UnsignedAs {
    /// Itself (`7u`), which versions before 2 do not know.
    Unsigned,
    /// A signed integer (`7i`). One above 9 223 372 036 854 775 807 is rejected.
    Integer,
    /// A floating point number, which is not exact above 9 007 199 254 740 992.
    Float,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "http://localhost:8086".to_owned(),
            org: "influxdata".to_owned(),
            bucket: "default".to_owned(),
            database: None,
            retention_policy: None,
            attributes_as: AttributesAs::default(),
            attributes_as_tags: Vec::new(),
            attributes_as_fields: Vec::new(),
            unsigned_as: None,
            describe_metrics: true,
            http: HttpConfig::default(),
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
        self.http.check("host", &self.host, &mut faults);
        match &self.database {
            None if self.bucket.is_empty() => {
                faults.add(
                    "bucket",
                    "write the name of a bucket, or that of a `database` of version 1",
                );
            }
            Some(database) if database.is_empty() => faults.add("database", "write the name of a database"),
            _ => {}
        }
        if self.retention_policy.is_some() && self.database.is_none() {
            faults.add(
                "retention_policy",
                "it is part of a `database`; a bucket has its own",
            );
        }
        for key in &self.attributes_as_tags {
            if self.attributes_as_fields.contains(key) {
                faults.add(
                    "attributes_as_fields",
                    format!("{key:?} is also in `attributes_as_tags`"),
                );
            }
        }
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }

    /// Where lines are written to.
    pub(crate) fn path(&self) -> String {
        let (path, pairs) = match &self.database {
            None => (
                "/api/v2/write",
                vec![("org", &self.org), ("bucket", &self.bucket)],
            ),
            Some(database) => ("/write", vec![("db", database)]),
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .extend_pairs(self.retention_policy.iter().map(|policy| ("rp", policy)))
            .append_pair("precision", "ns")
            .finish();
        format!("{path}?{query}")
    }

    /// Whether an attribute becomes a tag.
    pub(crate) fn is_tag(&self, key: &str) -> bool {
        let is_in = |list: &[String]| list.iter().any(|one| one == key);
        match self.attributes_as {
            AttributesAs::Tag => !is_in(&self.attributes_as_fields),
            AttributesAs::Field => is_in(&self.attributes_as_tags),
        }
    }

    /// What an unsigned integer becomes.
    pub(crate) fn unsigned_as(&self) -> UnsignedAs {
        self.unsigned_as.unwrap_or(match self.database {
            None => UnsignedAs::Unsigned,
            Some(_) => UnsignedAs::Integer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(toml: &str) -> Vec<String> {
        let config: Config = toml::from_str(toml).unwrap();
        config
            .check()
            .err()
            .map(|faults| faults.keys())
            .unwrap_or_default()
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key() {
        for (toml, key) in [
            ("host = 'server'", "host"),
            ("bucket = ''", "bucket"),
            ("database = ''", "database"),
            ("retention_policy = 'p'", "retention_policy"),
            (
                "attributes_as_tags = ['a']\nattributes_as_fields = ['a']",
                "attributes_as_fields",
            ),
            ("queue.capacity = 0", "queue.capacity"),
        ] {
            assert_eq!(keys(toml), [key], "{toml}");
        }
        assert_eq!(
            keys("database = 'd'\nretention_policy = 'p'\nbucket = ''"),
            [""; 0]
        );
    }

    #[test]
    fn names_are_escaped_in_the_address() {
        let mut config = Config {
            org: "a&b".to_owned(),
            bucket: "c d/é".to_owned(),
            ..Config::default()
        };
        assert_eq!(
            config.path(),
            "/api/v2/write?org=a%26b&bucket=c+d%2F%C3%A9&precision=ns"
        );
        config.database = Some("db".to_owned());
        config.retention_policy = Some("p".to_owned());
        assert_eq!(config.path(), "/write?db=db&rp=p&precision=ns");
    }

    #[test]
    fn lists_of_attributes_go_before_the_rule_for_all() {
        let config = |toml| toml::from_str::<Config>(toml).unwrap();
        let tags = config("attributes_as_fields = ['f']");
        assert!(tags.is_tag("a") && !tags.is_tag("f"));
        let fields = config("attributes_as = 'field'\nattributes_as_tags = ['t']");
        assert!(!fields.is_tag("a") && fields.is_tag("t"));
    }
}
