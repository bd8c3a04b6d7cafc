//! Reads `/metrics`, and complains about everything that Prometheus would not take.

use std::collections::{BTreeMap, BTreeSet};

/// Values by name and labels, such as `alumet_series` or `name{label="value"}`.
pub(crate) type Metrics = BTreeMap<String, f64>;

/// Parses an exposition.
#[track_caller]
pub(crate) fn parse(text: &str) -> Metrics {
    let (mut metrics, mut helped, mut typed) = (Metrics::new(), BTreeSet::new(), BTreeMap::new());
    assert!(text.ends_with('\n'), "the last line is torn");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(
                !help.is_empty() && helped.insert(name.to_owned()),
                "a second help: {line}"
            );
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert!(
                kind == "gauge" || name.ends_with("_total"),
                "a counter without _total: {line}"
            );
            assert!(
                typed.insert(name.to_owned(), kind).is_none(),
                "a second type: {line}"
            );
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(
                name.bytes()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_'),
                "{line}"
            );
            assert!(
                helped.contains(name) && typed.contains_key(name),
                "no help or type before: {line}"
            );
            check_labels(labels.strip_suffix('}').unwrap());
            let value: f64 = value.parse().unwrap();
            assert!(
                metrics.insert(series.to_owned(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    metrics
}

/// `name="value"` pairs with commas between; no value of ours holds a quote.
#[track_caller]
fn check_labels(labels: &str) {
    for pair in labels.split_terminator("\",") {
        let (name, value) = pair
            .split_once("=\"")
            .unwrap_or_else(|| panic!("no pair: {pair:?}"));
        assert!(
            !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'),
            "{labels}"
        );
        assert!(!value.trim_end_matches('"').contains('"'), "{labels}");
    }
}
