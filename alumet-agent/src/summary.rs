//! What `exec` and `watch` tell at the end.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::SeriesMap;
use alumet_core::failure::Failure;
use alumet_core::metric::MetricKind;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::time::Timestamp;
use alumet_core::unit::Unit;
use alumet_shared_control_protocol::Table;
use parking_lot::Mutex;

use crate::child::End;
use crate::terminal;
use crate::tree::MeasuredTree;

/// Adds up all energy.
#[derive(Default)]
pub(crate) struct SummaryOutput {
    lines: SeriesMap<Option<usize>>,
    pub(crate) summary: Summary,
}

/// The result of a [`SummaryOutput`].
#[derive(Clone, Default)]
pub(crate) struct Summary {
    totals: Arc<Mutex<Vec<Total>>>,
}

/// How long it all took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// From the start to the end of the process.
    pub(crate) duration: Duration,
    /// When the process ended, or was left alone.
    pub(crate) ended: Timestamp,
    /// From the first measurement to the last, which is a little longer, and what the energy is that of.
    pub(crate) measured: Duration,
}

/// The energy of one series over the whole time, in joules.
struct Total {
    name: String,
    kind: MetricKind,
    factor: f64,
    sum: f64,
    first: f64,
    last: f64,
}

/// How many processes that still run are named.
const NAMED: usize = 8;

impl Output for SummaryOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let mut totals = self.summary.totals.lock();
        for sample in delivery.samples() {
            let value = sample.value().as_f64();
            let line = self.lines.get_or_insert_with(sample.series, || {
                let series = delivery.catalog().describe(sample.series)?;
                let factor = Unit::convert(1.0, &series.metric.unit, &Unit::JOULE)?;
                let mut name = series.metric.name.trim_end_matches("_delta").replace('_', " ");
                for (_, value) in series.attributes().iter() {
                    let _ = write!(name, " {value}");
                }
                if series.resource().kind() != "local_machine" {
                    let _ = write!(name, " ({})", series.resource());
                }
                totals.push(Total {
                    name,
                    kind: series.metric.kind,
                    factor,
                    sum: 0.0,
                    first: value,
                    last: value,
                });
                Some(totals.len() - 1)
            });
            if let Some(total) = line.and_then(|line| totals.get_mut(line)) {
                total.sum += value;
                total.last = value;
            }
        }
        Ok(Delivering::done())
    }
}

impl Total {
    fn describe(&self, measured: Duration) -> String {
        let amount = match self.kind {
            MetricKind::Gauge => return quantity(self.last * self.factor, "J"),
            MetricKind::Delta => self.sum,
            MetricKind::Counter => self.last - self.first,
        };
        let joules = amount * self.factor;
        let watts = joules / measured.as_secs_f64().max(1e-9);
        format!("{} ({} on average)", quantity(joules, "J"), quantity(watts, "W"))
    }
}

impl Summary {
    /// The summary as text: `title`, then one line per quantity. `end` is that of a program that this one has waited for.
    pub(crate) fn render(
        &self,
        title: &str,
        times: Times,
        tree: Option<MeasuredTree>,
        end: Option<&End>,
    ) -> String {
        let mut rows = vec![row("duration", seconds(times.duration))];
        match tree {
            Some(tree) => rows.extend(of_tree(&tree, times, end)),
            None => rows.push(row("CPU time", "not measured; the log says why")),
        }
        let totals = self.totals.lock();
        rows.extend(
            totals
                .iter()
                .map(|total| row(&total.name, total.describe(times.measured))),
        );
        if totals.is_empty() {
            rows.push(row(
                "energy",
                "not measured: no plugin that provides it is enabled",
            ));
        }
        let table: Table<2> = rows.into_iter().collect();
        format!("\n{title}\n{}", terminal::indented(&table.render()))
    }
}

fn row(name: &str, value: impl Into<String>) -> [String; 2] {
    [name.to_owned(), value.into()]
}

/// What is told of a program and its descendants; the same numbers that its samples add up to.
fn of_tree(tree: &MeasuredTree, times: Times, end: Option<&End>) -> Vec<[String; 2]> {
    let usage = tree.tree.last().usage;
    let [user, system] = [usage.user_ns, usage.system_ns].map(Duration::from_nanos);
    let of_core = 100.0 * (user + system).as_secs_f64() / times.duration.as_secs_f64().max(1e-9);
    let own = tree.peak_of_root;
    let (one, whose) = match end {
        Some(end) if !end.is_hidden => (end.peak, "the largest process".to_owned()),
        Some(end) => (
            own,
            format!("the program when last seen; at most {}", bytes(end.peak)),
        ),
        None => (own, "the process when last seen".to_owned()),
    };
    let peak = match end {
        Some(end) if one == 0 => format!("at most {}: it ended before it was seen", bytes(end.peak)),
        // All together were never less than one alone.
        _ => format!(
            "{} ({whose}), {} (all at one instant)",
            bytes(one),
            bytes(tree.peak.max(one))
        ),
    };
    let cpu_time = format!(
        "{} (user {}, system {}; {of_core:.0} % of one CPU, {:.0} % of all {})",
        seconds(user + system),
        seconds(user),
        seconds(system),
        of_core / tree.cpus as f64,
        tree.cpus
    );
    let io = format!(
        "{} read, {} written",
        bytes(usage.read_bytes),
        bytes(usage.written_bytes)
    );
    let mut rows = vec![
        row("CPU time", cpu_time),
        row("peak memory", peak),
        row("storage I/O", io),
    ];
    let alive = tree.tree.alive().filter(|(pid, _)| *pid != tree.pid);
    let mut names: Vec<String> = alive.map(|(pid, name)| format!("{pid} {name}")).collect();
    if let Some(more @ 1..) = names.len().checked_sub(NAMED) {
        names.truncate(NAMED);
        names.push(format!("{more} more"));
    }
    if !names.is_empty() {
        rows.push(row("still running", names.join(", ")));
    }
    if let Some(missed) = tree.missed(times.ended) {
        let missed = format!("the last {}: its parent took it away at its end", seconds(missed));
        rows.push(row("not measured", missed));
    }
    rows
}

/// A number of bytes that people can read: `1.50 MiB`.
fn bytes(bytes: u64) -> String {
    let steps = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match steps.into_iter().find(|(_, power)| bytes >> power > 0) {
        Some((symbol, power)) => format!("{:.2} {symbol}", bytes as f64 / f64::from(1 << power)),
        None => format!("{bytes} B"),
    }
}

/// A number with a unit that people can read: `12.3 J`.
fn quantity(value: f64, symbol: &str) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 || value == 0.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.decimals$} {symbol}")
}

/// A duration with three or four digits.
fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 60.0 {
        humantime::format_duration(Duration::from_secs(seconds.round() as u64)).to_string()
    } else if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_readable() {
        for (amount, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.50 KiB"),
            (3 << 30, "3.00 GiB"),
        ] {
            assert_eq!(bytes(amount), text);
        }
        for (value, text) in [
            (123.4, "123 J"),
            (12.345, "12.3 J"),
            (3.0, "3.00 J"),
            (0.5, "0.5000 J"),
        ] {
            assert_eq!(quantity(value, "J"), text);
        }
        for (time, text) in [(1500, "1.5 ms"), (2_500_000, "2.50 s"), (90_000_000, "1m 30s")] {
            assert_eq!(seconds(Duration::from_micros(time)), text);
        }
    }

    #[test]
    fn the_power_is_that_of_the_time_in_which_the_energy_was_measured() {
        let summary = Summary::default();
        summary.totals.lock().push(Total {
            name: "rapl consumed energy".to_owned(),
            kind: MetricKind::Delta,
            factor: 1.0,
            sum: 30.0,
            first: 10.0,
            last: 20.0,
        });
        let times = Times {
            duration: Duration::from_secs(2),
            measured: Duration::from_secs(3),
            ended: Timestamp::from_nanos(0),
        };
        let text = summary.render("x has ended", times, None, None);
        assert!(text.contains("duration              2.00 s\n"), "{text}");
        assert!(
            text.contains("rapl consumed energy  30.0 J (10.0 W on average)\n"),
            "{text}"
        );
    }
}
