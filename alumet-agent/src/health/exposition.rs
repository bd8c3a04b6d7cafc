//! The agent's own metrics in the Prometheus text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::collections::BTreeMap;
use std::fmt::Write;

use alumet_core::pipeline::{DropReason, Ledger, OutputAccount, PipelineStatus};
use alumet_core::spool::SpoolStatus;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// One family after the other, each with its help and type.
pub(super) fn exposition(program: Program, status: &PipelineStatus) -> String {
    let mut text = String::new();
    about_program(&mut text, program, status);
    about_samples(&mut text, &status.ledger);
    if let Some(spool) = &status.spool {
        about_spool(&mut text, spool);
    }
    about_elements(&mut text, status);
    text
}

/// The program that is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

fn about_program(text: &mut String, program: Program, status: &PipelineStatus) {
    let Program { name, version } = program;
    let labels = format!("{},{}", label("program", name), label("version", version));
    family(
        text,
        "alumet_build_info",
        "gauge",
        "1, with what runs as labels.",
        [(labels, 1.0)],
    );
    let own = Own::measure();
    for (name, kind, help, value) in [
        (
            "alumet_uptime_seconds",
            "gauge",
            "Time since the start.",
            Some(status.uptime.as_secs_f64()),
        ),
        (
            "process_cpu_seconds_total",
            "counter",
            "CPU time that the program has used.",
            own.cpu_seconds,
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory of the program that is in RAM.",
            own.resident,
        ),
        (
            "alumet_series",
            "gauge",
            "Series that are registered.",
            Some(status.live_series as f64),
        ),
    ] {
        family(text, name, kind, help, value.map(|value| (String::new(), value)));
    }
}

/// What the kernel has counted for this process; `None` where it does not tell.
struct Own {
    cpu_seconds: Option<f64>,
    resident: Option<f64>,
}

impl Own {
    fn measure() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
        // Pages, of which the second number counts those in RAM (proc(5)).
        let statm = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = statm.and_then(|statm| statm.split(' ').nth(1)?.parse::<f64>().ok());
        Self {
            cpu_seconds: usage.map(|usage| seconds(usage.user_time()) + seconds(usage.system_time())),
            resident: pages.map(|pages| pages * rustix::param::page_size() as f64),
        }
    }
}

/// The ledger: `produced + added = pending + queued + removed + routed + dropped` without an element, and for each output
/// `offered + recovered = delivered + buffered + dropped`.
fn about_samples(text: &mut String, ledger: &Ledger) {
    for (name, kind, help, value) in [
        (
            "produced_total",
            "counter",
            "Samples that sources have made.",
            ledger.produced,
        ),
        (
            "added_total",
            "counter",
            "Samples that transforms have added.",
            ledger.added,
        ),
        (
            "removed_total",
            "counter",
            "Samples that transforms have removed.",
            ledger.removed,
        ),
        (
            "pending",
            "gauge",
            "Samples that sources have not handed on yet.",
            ledger.pending,
        ),
        (
            "queued",
            "gauge",
            "Samples on their way from sources to transforms.",
            ledger.queued,
        ),
        (
            "routed_total",
            "counter",
            "Samples that have left the transforms.",
            ledger.routed,
        ),
    ] {
        let name = format!("alumet_samples_{name}");
        family(text, &name, kind, help, [(String::new(), value as f64)]);
    }
    type Amount = fn(&OutputAccount) -> u64;
    let accounts: [(&str, &str, &str, Amount); 5] = [
        (
            "offered_total",
            "counter",
            "Samples that were meant for an output.",
            |account| account.offered,
        ),
        (
            "recovered_total",
            "counter",
            "Samples that waited in the spool when the output started.",
            |account| account.recovered,
        ),
        (
            "delivered_total",
            "counter",
            "Samples that an output has written.",
            |account| account.delivered,
        ),
        (
            "buffered",
            "gauge",
            "Samples that wait for an output.",
            |account| account.buffered,
        ),
        (
            "spooled",
            "gauge",
            "Those of them that are in the spool, where they outlive the program.",
            |account| account.spooled,
        ),
    ];
    for (name, kind, help, amount) in accounts {
        let name = format!("alumet_samples_{name}");
        let values = ledger
            .outputs
            .iter()
            .map(|(key, account)| (label("element", &key.to_string()), amount(account) as f64));
        family(text, &name, kind, help, values);
    }
    family(
        text,
        "alumet_samples_dropped_total",
        "counter",
        "Samples that will never be written, by output and reason; without an output, before they reached any.",
        dropped(ledger),
    );
}

/// All reasons for which an output may miss samples: a counter that appears only with its first event hides this event
/// from whoever looks at increases.
const REASONS: [DropReason; 7] = [
    DropReason::QueueFull,
    DropReason::Rejected,
    DropReason::OutputEnded,
    DropReason::Shutdown,
    DropReason::SpoolFull,
    DropReason::Expired,
    DropReason::Damaged,
];

fn dropped(ledger: &Ledger) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    for (key, account) in &ledger.outputs {
        let mut counts: BTreeMap<_, _> = REASONS.into_iter().map(|reason| (reason, 0)).collect();
        counts.extend(account.dropped.iter().map(|(reason, count)| (*reason, *count)));
        let element = label("element", &key.to_string());
        for (reason, count) in counts {
            let labels = format!("{element},{}", label("reason", reason.name()));
            values.push((labels, count as f64));
        }
    }
    for (reason, count) in &ledger.dropped {
        values.push((label("reason", reason.name()), *count as f64));
    }
    values
}

fn about_spool(text: &mut String, spool: &SpoolStatus) {
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
        family(text, name, "gauge", help, [(String::new(), value as f64)]);
    }
}

fn about_elements(text: &mut String, status: &PipelineStatus) {
    let elements = || {
        status
            .elements
            .iter()
            .map(|element| (label("element", &element.key.to_string()), element))
    };
    family(
        text,
        "alumet_element_healthy",
        "gauge",
        "1 if the last call of the element succeeded, else 0.",
        elements().map(|(name, element)| (name, f64::from(u8::from(element.is_healthy())))),
    );
    family(
        text,
        "alumet_element_calls_total",
        "counter",
        "Polls of a source, batches of a transform or output.",
        elements().map(|(name, element)| (name, element.calls as f64)),
    );
    family(
        text,
        "alumet_element_failures_total",
        "counter",
        "Failed calls of an element.",
        elements().map(|(name, element)| (name, element.failures as f64)),
    );
    family(
        text,
        "alumet_element_restarts_total",
        "counter",
        "How often an element was reset after a failure or panic.",
        elements().map(|(name, element)| (name, element.restarts as f64)),
    );
    family(
        text,
        "alumet_element_busy_seconds_total",
        "counter",
        "Time spent in an element.",
        elements().map(|(name, element)| (name, element.busy.as_secs_f64())),
    );
    family(
        text,
        "alumet_ticks_missed_total",
        "counter",
        "Ticks at which a source should have been polled and was not.",
        elements()
            .filter(|(_, element)| element.schedule.is_some())
            .map(|(name, element)| (name, element.missed_ticks as f64)),
    );
    let polled = || elements().filter(|(_, element)| element.schedule.is_some());
    family(
        text,
        "alumet_polls_overrun_total",
        "counter",
        "Polls of a source that took longer than the shortest interval of its thread.",
        polled().map(|(name, element)| (name, element.overruns as f64)),
    );
    family(
        text,
        "alumet_poll_seconds",
        "gauge",
        "How long the poll has lasted that a source is in, else 0.",
        polled().map(|(name, element)| (name, element.polling.unwrap_or_default().as_secs_f64())),
    );
    family(
        text,
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
