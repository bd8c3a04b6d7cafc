//! The agent's own metrics in the Prometheus text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write;

use alumet_core::pipeline::PipelineStatus;

/// One family after the other, each with its help and type.
pub(super) fn exposition(status: &PipelineStatus) -> String {
    let mut text = String::new();
    let ledger = &status.ledger;
    family(
        &mut text,
        "alumet_uptime_seconds",
        "gauge",
        "Time since the start.",
        [(String::new(), status.uptime.as_secs_f64())],
    );
    family(
        &mut text,
        "alumet_series",
        "gauge",
        "Series that are registered.",
        [(String::new(), status.live_series as f64)],
    );
    family(
        &mut text,
        "alumet_samples_produced_total",
        "counter",
        "Samples that sources have made.",
        [(String::new(), ledger.produced as f64)],
    );
    let outputs = || {
        ledger
            .outputs
            .iter()
            .map(|(key, account)| (label("element", &key.to_string()), account))
    };
    family(
        &mut text,
        "alumet_samples_delivered_total",
        "counter",
        "Samples that an output has written.",
        outputs().map(|(element, account)| (element, account.delivered as f64)),
    );
    family(
        &mut text,
        "alumet_samples_buffered",
        "gauge",
        "Samples that wait for an output.",
        outputs().map(|(element, account)| (element, account.buffered as f64)),
    );
    family(
        &mut text,
        "alumet_samples_dropped_total",
        "counter",
        "Samples that an output will never write, by reason.",
        outputs()
            .flat_map(|(element, account)| {
                account.dropped.iter().map(move |(reason, count)| {
                    (
                        format!("{element},{}", label("reason", reason.name())),
                        *count as f64,
                    )
                })
            })
            .chain(
                ledger
                    .dropped
                    .iter()
                    .map(|(reason, count)| (label("reason", reason.name()), *count as f64)),
            ),
    );
    if let Some(spool) = &status.spool {
        for (name, help, value) in [
            ("alumet_spool_bytes", "Bytes that wait in the spool.", spool.bytes),
            (
                "alumet_spool_samples",
                "Samples that wait in the spool.",
                spool.samples,
            ),
            (
                "alumet_spool_uncommitted_samples",
                "Samples in the spool that are not on disk yet.",
                spool.uncommitted_samples,
            ),
            (
                "alumet_spool_fault",
                "1 if the spool works in memory only, else 0.",
                u64::from(spool.fault.is_some()),
            ),
        ] {
            family(&mut text, name, "gauge", help, [(String::new(), value as f64)]);
        }
    }
    let elements = || {
        status
            .elements
            .iter()
            .map(|element| (label("element", &element.key.to_string()), element))
    };
    family(
        &mut text,
        "alumet_element_healthy",
        "gauge",
        "1 if the last call of the element succeeded, else 0.",
        elements().map(|(name, element)| (name, f64::from(u8::from(element.is_healthy())))),
    );
    family(
        &mut text,
        "alumet_element_calls_total",
        "counter",
        "Polls of a source, batches of a transform or output.",
        elements().map(|(name, element)| (name, element.calls as f64)),
    );
    family(
        &mut text,
        "alumet_element_failures_total",
        "counter",
        "Failed calls of an element.",
        elements().map(|(name, element)| (name, element.failures as f64)),
    );
    family(
        &mut text,
        "alumet_element_restarts_total",
        "counter",
        "How often an element was reset after a failure or panic.",
        elements().map(|(name, element)| (name, element.restarts as f64)),
    );
    family(
        &mut text,
        "alumet_element_busy_seconds_total",
        "counter",
        "Time spent in an element.",
        elements().map(|(name, element)| (name, element.busy.as_secs_f64())),
    );
    family(
        &mut text,
        "alumet_ticks_missed_total",
        "counter",
        "Ticks at which a source should have been polled and was not.",
        elements()
            .filter(|(_, element)| element.schedule.is_some())
            .map(|(name, element)| (name, element.missed_ticks as f64)),
    );
    family(
        &mut text,
        "alumet_tick_lateness_seconds",
        "gauge",
        "How late the ticks of a poll thread have come since the start.",
        status.punctuality.iter().flat_map(|thread| {
            [("0.5", 0.5), ("0.99", 0.99), ("1", 1.0)].map(|(name, quantile)| {
                let labels = format!("{},{}", label("thread", &thread.thread), label("quantile", name));
                (labels, thread.lateness.quantile(quantile).as_secs_f64())
            })
        }),
    );
    text
}

fn family(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, f64)>,
) {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = match labels.as_str() {
            "" => writeln!(text, "{name} {value}"),
            labels => writeln!(text, "{name}{{{labels}}} {value}"),
        };
    }
}

/// `name="value"` with backslash, quote and line feed escaped.
fn label(name: &str, value: &str) -> String {
    format!(
        "{name}=\"{}\"",
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label("a", "x\"y\\z\n"), "a=\"x\\\"y\\\\z\\n\"");
    }

    #[test]
    fn a_family_without_samples_is_left_out() {
        let mut text = String::new();
        family(&mut text, "a", "gauge", "A.", []);
        family(
            &mut text,
            "b",
            "gauge",
            "B.",
            [(String::new(), 1.5), (label("x", "y"), 2.0)],
        );
        assert_eq!(text, "# HELP b B.\n# TYPE b gauge\nb 1.5\nb{x=\"y\"} 2\n");
    }
}
