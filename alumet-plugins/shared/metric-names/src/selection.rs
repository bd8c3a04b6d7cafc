use std::time::Duration;

use alumet_core::Catalog;
use alumet_core::plugin::Faults;
use alumet_core::series::SeriesInfo;
use alumet_core::time::Monotonic;
use globset::{Glob, GlobMatcher};

use crate::pattern::{OneOrMore, SeriesKeys, SeriesPattern, Word};

/// Series that are meant, by any of several patterns.
#[derive(Debug, Clone)]
pub struct Selection {
    selectors: Vec<Selector>,
    /// When it is said which names no metric has; `None` afterwards.
    check_at: Option<Monotonic>,
}

/// Which series one pattern means. A series is to be asked for once, and the answer kept in a
/// [`SeriesMap`](alumet_core::SeriesMap).
#[derive(Debug, Clone, Default)]
pub struct Selector {
    metric: Option<Globs>,
    resource_kind: Option<Globs>,
    resource_id: Option<Globs>,
    consumer_kind: Option<Globs>,
    consumer_id: Option<Globs>,
    attributes: Vec<(String, Globs)>,
}

/// Patterns of which one is enough.
#[derive(Debug, Clone)]
struct Globs(Vec<Name>);

/// A pattern. Most are plain names, and a matcher takes a tenth of a millisecond to be made.
#[derive(Debug, Clone)]
struct Name {
    text: String,
    glob: Option<GlobMatcher>,
}

/// What an attribute is not called, but a key of another table is.
const MISTAKEN: [&str; 5] = ["metrics", "resource", "consumer", "attribute", "attributes"];

impl Selection {
    /// Metrics appear as sources and other nodes bring them; after this time a name that nothing has is likely wrong.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// The patterns that the configuration has under `key`, seen from `now` on.
    ///
    /// # Errors
    /// The patterns that cannot be understood.
    pub fn new(key: &str, patterns: &[SeriesPattern], now: Monotonic) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let of_pattern = |(index, pattern): (usize, &SeriesPattern)| {
            let path = format!("{key}.{index}");
            match pattern {
                SeriesPattern::Metric(name) => Selector {
                    metric: Some(Globs::of_words(&path, &[Word::Text(name.clone())], &mut faults)),
                    ..Selector::default()
                },
                SeriesPattern::Series(keys) => Selector::new(&path, keys, &mut faults),
            }
        };
        let selectors = patterns.iter().enumerate().map(of_pattern).collect();
        faults.or_ok()?;
        Ok(Self {
            selectors,
            check_at: (!patterns.is_empty()).then(|| now + Self::PATIENCE),
        })
    }

    /// Whether the series is meant.
    pub fn contains(&self, series: &SeriesInfo) -> bool {
        self.selectors.iter().any(|selector| selector.matches(series))
    }

    /// Whether no series is meant.
    pub const fn is_empty(&self) -> bool {
        self.selectors.is_empty()
    }

    /// When [`check`](Self::check) is to be called.
    pub const fn check_at(&self) -> Option<Monotonic> {
        self.check_at
    }

    /// Says once, after a minute, which names no metric of the catalog has; gives them back.
    pub fn check(&mut self, catalog: &Catalog, now: Monotonic) -> Vec<&str> {
        if self.check_at.take_if(|at| now >= *at).is_none() {
            return Vec::new();
        }
        let metrics = catalog.metrics();
        let names = self
            .selectors
            .iter()
            .filter_map(|selector| selector.metric.as_ref());
        let unknown: Vec<_> = names
            .flat_map(|names| &names.0)
            .filter(|name| !metrics.iter().any(|metric| name.is_match(&metric.name)))
            .map(|name| name.text.as_str())
            .collect();
        if !unknown.is_empty() {
            tracing::warn!(
                names = unknown.join(", "),
                "no metric has these names so far; `alumet-agent plugins info` lists those that there are"
            );
        }
        unknown
    }
}

impl Selector {
    /// What the table at `path` of the configuration means; what cannot be understood is added to `faults`.
    pub fn new(path: &str, keys: &SeriesKeys, faults: &mut Faults) -> Self {
        let SeriesKeys {
            metric,
            resource_kind,
            resource_id,
            consumer_kind,
            consumer_id,
            attributes,
        } = keys;
        if *keys == SeriesKeys::default() {
            faults.add(path, "it names nothing; write for example { metric = \"cpu_*\" }");
        }
        let mut globs =
            |key: &str, words: &OneOrMore| Globs::of_words(&format!("{path}.{key}"), words.words(), faults);
        let selector = Self {
            metric: metric.as_ref().map(|words| globs("metric", words)),
            resource_kind: resource_kind.as_ref().map(|words| globs("resource_kind", words)),
            resource_id: resource_id.as_ref().map(|words| globs("resource_id", words)),
            consumer_kind: consumer_kind.as_ref().map(|words| globs("consumer_kind", words)),
            consumer_id: consumer_id.as_ref().map(|words| globs("consumer_id", words)),
            attributes: attributes
                .iter()
                .map(|(key, words)| (key.clone(), globs(key, words)))
                .collect(),
        };
        for key in attributes.keys().filter(|key| MISTAKEN.contains(&key.as_str())) {
            let message = "it is none of `metric`, `resource_kind`, `resource_id`, `consumer_kind` and `consumer_id`, and every \
                           other key is the name of an attribute";
            faults.add(&format!("{path}.{key}"), message);
        }
        selector
    }

    /// Whether the series is meant.
    pub fn matches(&self, series: &SeriesInfo) -> bool {
        let (resource, consumer) = (series.resource(), series.consumer());
        let holds =
            |globs: &Option<Globs>, text: &str| globs.as_ref().is_none_or(|globs| globs.is_match(text));
        holds(&self.metric, &series.metric.name)
            && holds(&self.resource_kind, resource.kind())
            && holds(&self.resource_id, &resource.id())
            && holds(&self.consumer_kind, consumer.kind())
            && holds(&self.consumer_id, &consumer.id())
            && self.attributes.iter().all(|(key, globs)| {
                let value = series.attributes().get(key);
                value.is_some_and(|value| globs.is_match(&value.to_string()))
            })
    }
}

impl Globs {
    fn of_words(path: &str, words: &[Word], faults: &mut Faults) -> Self {
        if words.is_empty() {
            faults.add(
                path,
                "an empty list means no series; leave the key out, or name something",
            );
        }
        let names = words.iter().filter_map(|word| {
            let refused = |error: globset::Error| {
                let message = format!(
                    "`{word}` cannot be understood ({}); write it in full, or as `cpu_*`",
                    error.kind()
                );
                faults.add(path, message);
            };
            Name::new(word.to_string()).map_err(refused).ok()
        });
        Self(names.collect())
    }

    fn is_match(&self, text: &str) -> bool {
        self.0.iter().any(|name| name.is_match(text))
    }
}

impl Name {
    fn new(text: String) -> Result<Self, globset::Error> {
        let is_plain = !text.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let glob = match is_plain {
            true => None,
            false => Some(Glob::new(&text)?.compile_matcher()),
        };
        Ok(Self { text, glob })
    }

    /// The id of a control group can have characters that mean something in a pattern.
    fn is_match(&self, text: &str) -> bool {
        self.text == text || self.glob.as_ref().is_some_and(|glob| glob.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alumet_core::metric::{Metric, Quality};
    use alumet_core::series::SeriesKey;
    use alumet_core::unit::Unit;
    use alumet_core::value::ValueType;
    use alumet_core::{Attributes, Consumer, MetricKind, Resource};
    use serde::Deserialize;
    use std::sync::Arc;

    #[derive(Deserialize)]
    struct Config {
        include: Vec<SeriesPattern>,
    }

    fn selection(toml: &str) -> Result<Selection, Faults> {
        let config: Config = toml::from_str(&format!("include = [{toml}]")).unwrap();
        Selection::new("include", &config.include, Monotonic::from_nanos(0))
    }

    fn metric(name: &str) -> Metric {
        Metric {
            name: name.to_owned().into(),
            kind: MetricKind::Delta,
            value_type: ValueType::F64,
            unit: Unit::JOULE,
            description: "For tests.".into(),
            quality: Quality::Measured,
        }
    }

    /// A series of a package and a control group, with a domain and a number as attributes.
    fn series(name: &str, path: &str) -> SeriesInfo {
        let catalog = Catalog::new();
        let (id, _held) = catalog.admit_metric(metric(name));
        let key = SeriesKey {
            metric: id,
            resource: Resource::CpuPackage { id: 1 },
            consumer: Consumer::ControlGroup { path: path.into() },
            attributes: Attributes::from_iter([("domain", "package")]).with("die", 0_u64),
        };
        let handle = catalog.register(key);
        Arc::unwrap_or_clone(catalog.describe(handle.id()).unwrap())
    }

    #[test]
    fn a_name_means_itself_and_a_star_anything() {
        let selection = selection("'energy', 'cpu_*'").unwrap();
        let has = |name| selection.contains(&series(name, "/a"));
        assert!(has("energy") && has("cpu_percent"));
        assert!(!has("energy_total") && !has("my_cpu_percent"));
    }

    #[test]
    fn a_table_means_what_has_all_of_it_and_a_list_one_of_its_words() {
        for (toml, expected) in [
            ("metric = 'cpu'", true),
            ("metric = ['x', 'c?u']", true),
            ("metric = 'x'", false),
            ("resource_kind = 'cpu_*', resource_id = 1", true),
            ("resource_kind = 'cpu_*', resource_id = 2", false),
            ("consumer_kind = 'cgroup', consumer_id = '/user.slice/*'", true),
            ("consumer_kind = 'process'", false),
            ("consumer_id = '/user.slice'", false),
            ("domain = ['pp0', 'pack*']", true),
            ("die = 0", true),
            ("die = [1, '2']", false),
            ("domain = 'package', metric = 'x'", false),
            ("node = '*'", false),
        ] {
            let selection = selection(&format!("{{ {toml} }}")).unwrap();
            assert_eq!(
                selection.contains(&series("cpu", "/user.slice/1")),
                expected,
                "{toml}"
            );
        }
    }

    #[test]
    fn a_table_with_more_keys_embeds_the_pattern() {
        #[derive(Deserialize)]
        struct Table {
            keep: bool,
            #[serde(flatten)]
            keys: SeriesKeys,
        }
        let table: Table = toml::from_str("keep = true\nmetric = 'cpu'\ndomain = 'package'").unwrap();
        let mut faults = Faults::default();
        let selector = Selector::new("table", &table.keys, &mut faults);
        assert!(table.keep && selector.matches(&series("cpu", "/a")));
        assert_eq!(faults, Faults::default());
    }

    #[test]
    fn a_text_is_right_if_it_is_the_pattern_itself() {
        let path = r"/system.slice/a\x2db[1].service";
        let selection = selection(&format!("{{ consumer_id = '{path}' }}")).unwrap();
        assert!(selection.contains(&series("cpu", path)));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_at_its_place() {
        let wrong =
            "'energy', 'cpu_[a', { consumer_id = ['ok', '['] }, {}, { metric = [] }, { metrics = 'a' }";
        let faults = selection(wrong).unwrap_err();
        let keys = [
            "include.1",
            "include.2.consumer_id",
            "include.3",
            "include.4.metric",
            "include.5.metrics",
        ];
        assert_eq!(faults.keys(), keys);
        assert!(faults.to_string().contains("`cpu_[a`"), "{faults}");
    }

    #[test]
    fn what_no_metric_has_is_said_once_after_a_minute() {
        let catalog = Catalog::new();
        let mut selection =
            selection("'energy', 'energi', { metric = ['energy', 'enrgy'], domain = 'x' }").unwrap();
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        assert!(selection.check(&catalog, at(59)).is_empty());
        catalog.register_metric(metric("energy")).unwrap();
        assert_eq!(selection.check_at(), Some(at(60)));
        assert_eq!(selection.check(&catalog, at(60)), ["energi", "enrgy"]);
        assert!(selection.check(&catalog, at(61)).is_empty() && selection.check_at().is_none());
    }
}
