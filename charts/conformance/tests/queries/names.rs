//! The names in the queries, against the catalogue of all metrics.

use std::collections::BTreeSet;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::pipeline::self_metrics::FACTS;
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_shared_prometheus_names::Naming;
use regex::Regex;

use crate::dashboard::{all, charts};

/// What `prometheus-exporter` calls all metrics in `docs/metrics.md`, and what is at `/metrics` of the health endpoint.
fn known() -> BTreeSet<String> {
    let catalogue = std::fs::read_to_string(charts().join("../docs/metrics.md")).unwrap();
    let rows = catalogue.lines().filter_map(|line| {
        let mut cells = line
            .strip_prefix("| `")?
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'));
        let (name, kind, _, unit) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        let kind = match kind {
            "gauge" => MetricKind::Gauge,
            "delta" => MetricKind::Delta,
            _ => MetricKind::Counter,
        };
        let metric = Metric {
            name: name.to_owned().into(),
            kind,
            value_type: ValueType::F64,
            unit: Unit::parse(unit),
            description: "".into(),
            quality: Quality::Measured,
        };
        let end = if kind == MetricKind::Gauge { "" } else { "_total" };
        Some(Naming::default().family(&metric, false).name.name + end)
    });
    let own = FACTS.iter().filter_map(|fact| fact.family).map(str::to_owned);
    rows.chain(own).chain(["alumet_build_info".to_owned()]).collect()
}

#[test]
fn every_name_in_the_queries_is_that_of_a_metric() {
    let known = known();
    let mut texts: Vec<String> = all().iter().map(|dashboard| dashboard.json.to_string()).collect();
    texts.push(std::fs::read_to_string(charts().join("rules/alumet.yaml")).unwrap());
    // A list of names, as in `{__name__=~"(a|b)_joules_total"}`, is written out.
    let list = Regex::new(r"\(([a-z_|]+)\)(_alumet\w*)").unwrap();
    let name = Regex::new(r"\b(?:\w+_alumet(?:_\w+)?|alumet_\w+|process_\w+)\b").unwrap();
    let mut found = 0;
    for text in &texts {
        let text = list.replace_all(text, |found: &regex::Captures<'_>| {
            let names = found[1].split('|').map(|name| format!("{name}{}", &found[2]));
            names.collect::<Vec<_>>().join(" ")
        });
        for name in name.find_iter(&text).map(|name| name.as_str()) {
            // The names of recorded series and labels.
            if ["alumet_power_watts", "process_name"].contains(&name) {
                continue;
            }
            assert!(known.contains(name), "there is no metric {name}");
            found += 1;
        }
    }
    assert!(found > 100, "only {found} names were found");
}
