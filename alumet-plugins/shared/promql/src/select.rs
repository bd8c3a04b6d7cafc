//! The series of a backend as Prometheus would have scraped them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use alumet_core::Timestamp;
use alumet_core::metric::MetricKind;
use alumet_shared_prometheus_names::{Naming, Number, can_count};
use alumet_shared_query::{
    Backend, Budget, Identity, Label, Matcher, Operator, QueryError, Range, Selector, SeriesSamples, Steps,
};

use crate::labels::{Labels, NAME};

/// Labels that Prometheus has under another name than Alumet.
const RENAMED: [(&str, Label); 4] = [
    ("resource_kind", Label::ResourceKind),
    ("resource_id", Label::ResourceId),
    ("resource_consumer_kind", Label::ConsumerKind),
    ("resource_consumer_id", Label::ConsumerId),
];

/// A series with its samples.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    /// In nanoseconds since 1970, in order.
    pub(crate) times: Vec<i64>,
    /// As many.
    pub(crate) values: Vec<f64>,
    /// Whether the values of a counter are what it has counted, and not only how it moves.
    pub(crate) is_whole: bool,
}

/// What is read of the samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) range: Range,
    /// Only the last sample of each series.
    pub(crate) newest: bool,
    /// Whether the values count that a counter has, and not only how it moves.
    pub(crate) values: bool,
}

/// A series that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) series: Arc<Identity>,
    pub(crate) labels: Labels,
    pub(crate) first_at: i64,
}

/// The name of a metric, as its samples have it.
pub(crate) fn sample_name(naming: &Naming, metric: &alumet_core::metric::Metric) -> String {
    let mut name = naming.family(metric, false).name.name;
    if metric.kind != MetricKind::Gauge {
        name.push_str("_total");
    }
    name
}

/// The labels of a series, without its name.
fn labels(naming: &Naming, series: &Identity) -> Labels {
    let attributes = series.metric.with_quality(&series.attributes);
    let consumer = (series.consumer.kind(), &*series.consumer.id());
    let labels = naming.labels(&series.resource, consumer, &attributes).into_iter();
    labels.map(|(name, value)| (name.name, value)).collect()
}

/// The series that match, and probably have samples in the range.
pub(crate) async fn find(
    backend: &dyn Backend,
    naming: &Naming,
    matchers: &[Matcher],
    range: Range,
    budget: &Budget,
) -> Result<Vec<Found>, QueryError> {
    let selector = Selector {
        matchers: known_to_the_backend(naming, matchers)?,
    };
    let entries = backend.series(&selector, range, budget).await?;
    let mut names = HashMap::new();
    let mut found = Vec::new();
    for entry in entries {
        let metric = &entry.series.metric;
        let key = (metric.name.clone(), metric.kind, metric.unit.clone());
        let name = names.entry(key).or_insert_with(|| {
            let name = sample_name(naming, metric);
            let mut by_name = matchers.iter().filter(|matcher| matcher.label().name() == NAME);
            by_name.all(|matcher| matcher.accepts(&name)).then_some(name)
        });
        let Some(name) = name else { continue };
        let mut labels = labels(naming, &entry.series);
        labels.set(NAME, name);
        if labels.are_selected_by(matchers) {
            found.push(Found {
                labels,
                series: entry.series,
                first_at: entry.first_at,
            });
        }
    }
    Ok(found)
}

/// What a backend can look up of the matchers; it may mean more series.
fn known_to_the_backend(naming: &Naming, matchers: &[Matcher]) -> Result<Vec<Matcher>, QueryError> {
    let mut known = Vec::new();
    for matcher in matchers {
        let (name, operator, value) = (matcher.label().name(), matcher.operator(), matcher.value());
        let renamed = RENAMED.iter().find(|(renamed, _)| *renamed == name);
        if let Some((_, label)) = renamed {
            known.push(Matcher::new(label.clone(), operator, value)?);
        } else if name == NAME && operator == Operator::Equal && !naming.utf8_names {
            known.extend(metrics_named(naming, value)?);
        } else if !name.contains('_') && matches!(matcher.label(), Label::Attribute(_)) {
            // With an underscore, it may have been made of another name.
            known.push(matcher.clone());
        }
    }
    Ok(known)
}

/// The metrics that may have this name in Prometheus: all that become one of its beginnings when what is no letter or digit
/// becomes an underscore. `None` if those are too many.
fn metrics_named(naming: &Naming, name: &str) -> Result<Option<Matcher>, QueryError> {
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let (prefix, suffix) = (plain(&naming.prefix), plain(&naming.suffix));
    // Before a digit, there is one underscore more.
    let bare = name.strip_prefix('_').and_then(|name| name.strip_prefix(&prefix));
    let bare = name.strip_prefix(&prefix).or(bare).unwrap_or_default();
    // What follows the suffix are words, such as the unit.
    let is_end = |(at, _): &(usize, &str)| {
        let rest = &bare[*at + suffix.len()..];
        rest.is_empty() || rest.starts_with('_')
    };
    let ends: Vec<usize> = match suffix.as_str() {
        "" => (0..=bare.len())
            .map(|at| (at, ""))
            .filter(|(at, _)| bare.is_char_boundary(*at))
            .filter(is_end)
            .map(|(at, _)| at)
            .collect(),
        suffix => bare
            .match_indices(suffix)
            .filter(is_end)
            .map(|(at, _)| at)
            .collect(),
    };
    if ends.len() > 32 {
        return Ok(None);
    }
    let patterns = ends.into_iter().map(|end| {
        let words = bare[..end].split('_').map(regex::escape);
        words.collect::<Vec<_>>().join("[^0-9A-Za-z]?")
    });
    let pattern = format!("(?:{})(?:_total)?", patterns.collect::<Vec<_>>().join("|"));
    Matcher::new(Label::Metric, Operator::Matches, &pattern).map(Some)
}

/// Reads the samples of the series that match, in the units and with the sums that a scrape would have shown.
pub(crate) async fn load(
    backend: &dyn Backend,
    naming: &Naming,
    matchers: &[Matcher],
    wanted: Wanted,
    budget: &Budget,
) -> Result<Vec<Series>, QueryError> {
    let found = find(backend, naming, matchers, wanted.range, budget).await?;
    let Some(first_at) = found.iter().map(|found| found.first_at).min() else {
        return Ok(Vec::new());
    };
    let selector = Selector {
        matchers: narrowed(naming, matchers, &found)?,
    };
    let newest = wanted.newest.then_some(1);
    let samples = backend.samples(&selector, wanted.range, newest, budget).await?;
    let has_deltas = found
        .iter()
        .any(|found| found.series.metric.kind == MetricKind::Delta);
    let mut sums = HashMap::new();
    if wanted.values && has_deltas {
        let all = Steps::whole(
            Timestamp::from_nanos(first_at),
            Timestamp::from_nanos(wanted.range.until),
        );
        for found in backend.buckets(&selector, all, budget).await? {
            let sum = found.buckets.iter().map(|bucket| bucket.sum).sum::<f64>();
            sums.insert(found.series, sum);
        }
    }
    let mut found: HashMap<_, _> = found
        .into_iter()
        .map(|found| (found.series, (found.labels, found.first_at)))
        .collect();
    let mut by_labels: BTreeMap<Labels, Series> = BTreeMap::new();
    for samples in samples {
        budget.check()?;
        let Some((labels, first_at)) = found.remove(&samples.series) else {
            continue;
        };
        let total = match wanted.values {
            true => sums.get(&samples.series).copied(),
            // Whatever it has counted before.
            false => None,
        };
        let mut series = as_scraped(naming, labels, &samples, total);
        series.is_whole |= first_at >= wanted.range.from;
        if let Some(other) = by_labels.remove(&series.labels) {
            series = joined(other, series, samples.series.metric.kind != MetricKind::Gauge);
        }
        by_labels.insert(series.labels.clone(), series);
    }
    Ok(by_labels
        .into_values()
        .filter(|series| !series.times.is_empty())
        .collect())
}

/// What was asked for, as exactly as the backend can look it up, now that the series are known.
fn narrowed(naming: &Naming, matchers: &[Matcher], found: &[Found]) -> Result<Vec<Matcher>, QueryError> {
    let metrics: BTreeSet<&str> = found.iter().map(|found| &*found.series.metric.name).collect();
    let mut narrowed = known_to_the_backend(naming, matchers)?;
    narrowed.retain(|matcher| *matcher.label() != Label::Metric);
    let escaped: Vec<String> = metrics.iter().map(|metric| regex::escape(metric)).collect();
    match metrics.first() {
        Some(metric) if metrics.len() == 1 => narrowed.push(Matcher::equal(Label::Metric, metric)),
        _ => narrowed.push(Matcher::new(
            Label::Metric,
            Operator::Matches,
            &escaped.join("|"),
        )?),
    }
    // An attribute whose name needs no change keeps it.
    let have = |name: &str| {
        found
            .iter()
            .all(|found| found.series.attributes.get(name).is_some())
    };
    let by_attribute = matchers.iter().filter(|matcher| {
        let name = matcher.label().name();
        let is_attribute = matches!(matcher.label(), Label::Attribute(_)) && name != NAME;
        let is_renamed = RENAMED.iter().any(|(renamed, _)| *renamed == name);
        is_attribute && name.contains('_') && !is_renamed && have(name)
    });
    narrowed.extend(by_attribute.cloned());
    Ok(narrowed)
}

/// The samples of a series in the unit of Prometheus, and those of a delta added up: so that the last one is `total`, or from
/// nothing on.
fn as_scraped(naming: &Naming, labels: Labels, samples: &SeriesSamples, total: Option<f64>) -> Series {
    let metric = &samples.series.metric;
    let scale = naming.scale(&metric.unit);
    let is_delta = metric.kind == MetricKind::Delta;
    let is_kept = |value| metric.kind == MetricKind::Gauge || can_count(value);
    let kept = || samples.iter().filter(|(_, value)| is_kept(*value));
    let nothing = samples.values.first().map(|value| Number::of(*value).zero());
    let mut sum = nothing.unwrap_or(Number::Whole(0));
    let all = kept().fold(sum, |sum, (_, value)| sum.plus(Number::of(value)));
    let before = total.map_or(0.0, |total| total - all.as_f64());
    // A sum may be less by what was rounded.
    let before = if before.is_finite() { before.max(0.0) } else { 0.0 };
    let values = kept().map(|(_, value)| {
        let value = match is_delta {
            true => {
                sum = sum.plus(Number::of(value));
                before + sum.as_f64()
            }
            false => value.as_f64(),
        };
        scale.apply(value)
    });
    Series {
        labels,
        values: values.collect(),
        times: kept().map(|(at, _)| at.as_nanos()).collect(),
        is_whole: !is_delta || total.is_some(),
    }
}

/// Two series that are one in Prometheus, such as those before and after a change of the type: counters count together.
fn joined(one: Series, other: Series, is_counter: bool) -> Series {
    let mut samples: BTreeMap<i64, [Option<f64>; 2]> = BTreeMap::new();
    for (side, series) in [&one, &other].into_iter().enumerate() {
        for (at, value) in series.times.iter().zip(&series.values) {
            samples.entry(*at).or_default()[side] = Some(*value);
        }
    }
    let mut counted = [0.0; 2];
    let values = samples.values().map(|sides| {
        for (counted, value) in counted.iter_mut().zip(sides) {
            *counted = value.unwrap_or(*counted);
        }
        match is_counter {
            true => counted[0] + counted[1],
            false => sides[0].or(sides[1]).unwrap_or(f64::NAN),
        }
    });
    Series {
        values: values.collect(),
        times: samples.keys().copied().collect(),
        is_whole: one.is_whole && other.is_whole,
        labels: one.labels,
    }
}
