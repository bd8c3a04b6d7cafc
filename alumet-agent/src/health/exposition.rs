//! The agent's own metrics in the Prometheus text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write;

use alumet_core::metric::MetricKind;
use alumet_core::pipeline::PipelineStatus;
use alumet_core::pipeline::self_metrics::{FACTS, Known};

use crate::app::App;

/// One family after the other, each with its help and type; those without a value are left out.
pub(super) fn exposition(app: &App, status: PipelineStatus) -> String {
    let mut text = String::new();
    head(
        &mut text,
        "alumet_build_info",
        "gauge",
        "1, with what runs as labels.",
    );
    let labels = [("program", app.name), ("version", app.version)];
    line(&mut text, "alumet_build_info", &labels, 1.0);
    let known = Known::now(status);
    for fact in FACTS {
        let Some(name) = fact.family else { continue };
        let mut is_first = true;
        (fact.values)(&known, &mut |labels, value| {
            if std::mem::take(&mut is_first) {
                let kind = match fact.kind {
                    MetricKind::Gauge => "gauge",
                    MetricKind::Delta | MetricKind::Counter => "counter",
                };
                head(&mut text, name, kind, fact.description);
            }
            line(&mut text, name, labels, fact.in_base_unit(value));
        });
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    let _ = match labels.as_slice() {
        [] => writeln!(text, "{name} {value}"),
        labels => writeln!(text, "{name}{{{}}} {value}", labels.join(",")),
    };
}

/// With backslash, quote and line feed escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = String::new();
        line(&mut text, "a", &[("b", "x\"y\\z\n"), ("c", "d")], 1.5);
        assert_eq!(text, "a{b=\"x\\\"y\\\\z\\n\",c=\"d\"} 1.5\n");
    }
}
