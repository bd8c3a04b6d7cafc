//! Which series of a backend are meant by their names in Prometheus.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricKind};
use alumet_shared_prometheus_names::Naming;
use alumet_shared_query::{Backend, Budget, Identity, Label, Matcher, Operator, QueryError, Range, Selector};

use crate::labels::{Labels, NAME};

/// Labels that Prometheus has under another name than Alumet.
const RENAMED: [(&str, Label); 4] = [
    ("resource_kind", Label::ResourceKind),
    ("resource_id", Label::ResourceId),
    ("resource_consumer_kind", Label::ConsumerKind),
    ("resource_consumer_id", Label::ConsumerId),
];

/// A series that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) series: Arc<Identity>,
    pub(crate) labels: Labels,
    pub(crate) first_at: i64,
}

/// The name of a metric, as its samples have it.
pub(crate) fn sample_name(naming: &Naming, metric: &Metric) -> String {
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

/// What was asked for, as exactly as the backend can look it up, now that the series are known.
pub(crate) fn narrowed(
    naming: &Naming,
    matchers: &[Matcher],
    found: &[Found],
) -> Result<Vec<Matcher>, QueryError> {
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

#[cfg(test)]
mod tests {
    use alumet_core::metric::Quality;
    use alumet_core::unit::Unit;
    use alumet_core::value::ValueType;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_metric_is_found_by_its_name_in_prometheus(
            name in "[a-c_.é1]{0,8}(_total|_joules|_alumet|_created)?",
            (prefix, suffix) in ("(|9|a_|_)", "(|_alumet|a|_joules)"),
            kind in prop::sample::select(MetricKind::ALL),
            unit in prop::sample::select(vec![Unit::ONE, Unit::JOULE.milli(), Unit::custom("g{CO2eq}", "g")]),
        ) {
            let naming = Naming { prefix, suffix, ..Naming::default() };
            let metric = Metric {
                name: name.into(),
                kind,
                value_type: ValueType::F64,
                unit,
                description: "".into(),
                quality: Quality::Measured,
            };
            let shown = sample_name(&naming, &metric);
            let matcher = metrics_named(&naming, &shown).unwrap();
            prop_assert!(matcher.is_none_or(|matcher| matcher.accepts(&metric.name)), "{shown}");
        }
    }
}
