//! What `exec` and `watch` tell at the end.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::metric::MetricKind;
use alumet_core::output::{Output, OutputContext};
use alumet_core::unit::Unit;
use alumet_core::{Batch, Consumer, SeriesMap};
use parking_lot::Mutex;

use crate::child::{PeakMemory, Usage};

/// Adds up what was measured of one process, and all energy.
pub(crate) struct SummaryOutput {
    pid: Arc<Mutex<Option<u32>>>,
    lines: SeriesMap<Option<usize>>,
    totals: Arc<Mutex<Vec<Total>>>,
}

/// The result of a [`SummaryOutput`].
#[derive(Clone)]
pub(crate) struct Summary {
    pid: Arc<Mutex<Option<u32>>>,
    totals: Arc<Mutex<Vec<Total>>>,
}

/// One series over the whole time.
struct Total {
    name: String,
    of_process: bool,
    kind: MetricKind,
    unit: Unit,
    sum: f64,
    max: f64,
    first: Option<f64>,
    last: f64,
    count: u64,
}

impl SummaryOutput {
    pub(crate) fn new() -> (Self, Summary) {
        let summary = Summary {
            pid: Arc::default(),
            totals: Arc::default(),
        };
        let output = Self {
            pid: Arc::clone(&summary.pid),
            lines: SeriesMap::new(),
            totals: Arc::clone(&summary.totals),
        };
        (output, summary)
    }
}

impl Output for SummaryOutput {
    fn write(&mut self, batch: &Batch, context: &OutputContext<'_>) -> Result<(), Failure> {
        let pid = *self.pid.lock();
        let mut totals = self.totals.lock();
        for sample in batch.samples() {
            let line = self.lines.get_or_insert_with(sample.series, || {
                let series = context.catalog.describe(sample.series)?;
                let of_process = pid.is_some_and(|pid| *series.consumer() == Consumer::Process { pid });
                let energy = Unit::convert(1.0, &series.metric.unit, &Unit::JOULE).is_some();
                let own = series.metric.name.starts_with("alumet_");
                ((of_process || energy) && !own).then(|| {
                    let mut name = series.metric.name.trim_end_matches("_delta").replace('_', " ");
                    for (_, value) in series.attributes().iter() {
                        let _ = write!(name, " {value}");
                    }
                    if !of_process && series.resource().kind() != "local_machine" {
                        let _ = write!(name, " ({})", series.resource());
                    }
                    totals.push(Total {
                        name,
                        of_process,
                        kind: series.metric.kind,
                        unit: series.metric.unit.clone(),
                        sum: 0.0,
                        max: f64::MIN,
                        first: None,
                        last: 0.0,
                        count: 0,
                    });
                    totals.len() - 1
                })
            });
            if let Some(total) = line.and_then(|line| totals.get_mut(line)) {
                total.add(sample.value().as_f64());
            }
        }
        Ok(())
    }
}

impl Total {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.max = self.max.max(value);
        self.first.get_or_insert(value);
        self.last = value;
        self.count += 1;
    }

    /// The amount over the whole time of a delta or counter, the maximum and mean of a gauge.
    fn describe(&self, elapsed: Duration) -> String {
        let joules = Unit::convert(1.0, &self.unit, &Unit::JOULE);
        let amount = match self.kind {
            MetricKind::Gauge => {
                let mean = self.sum / self.count.max(1) as f64;
                return format!(
                    "max {}, mean {}",
                    quantity(self.max, &self.unit),
                    quantity(mean, &self.unit)
                );
            }
            MetricKind::Delta => self.sum,
            MetricKind::Counter => self.last - self.first.unwrap_or(self.last),
        };
        match joules {
            Some(factor) => {
                let joules = amount * factor;
                let watts = joules / elapsed.as_secs_f64().max(1e-9);
                format!(
                    "{} ({} on average)",
                    quantity(joules, &Unit::JOULE),
                    quantity(watts, &Unit::WATT)
                )
            }
            None => quantity(amount, &self.unit),
        }
    }
}

impl Summary {
    /// The process whose samples are added up from now on.
    pub(crate) fn follow(&self, pid: u32) {
        *self.pid.lock() = Some(pid);
    }

    /// The summary as text: `title`, then one line per quantity.
    pub(crate) fn render(&self, title: &str, elapsed: Duration, usage: Option<Usage>) -> String {
        let mut rows = vec![("duration".to_owned(), seconds(elapsed))];
        if let Some(usage) = usage {
            let total = usage.user + usage.system;
            let share = 100.0 * total.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
            rows.push((
                "CPU time".to_owned(),
                format!(
                    "{} (user {}, system {}; {share:.0} % of one core)",
                    seconds(total),
                    seconds(usage.user),
                    seconds(usage.system)
                ),
            ));
            let peak = match usage.peak_memory {
                PeakMemory::Exactly(bytes) => quantity(bytes as f64, &Unit::BYTE),
                PeakMemory::AtMost(bytes) => {
                    format!(
                        "at most {}, which is what the agent itself uses",
                        quantity(bytes as f64, &Unit::BYTE)
                    )
                }
            };
            rows.push(("peak memory".to_owned(), peak));
            rows.push((
                "storage I/O".to_owned(),
                format!(
                    "{} read, {} written",
                    quantity(usage.read as f64, &Unit::BYTE),
                    quantity(usage.written as f64, &Unit::BYTE)
                ),
            ));
        }
        let totals = self.totals.lock();
        // What the kernel has told exactly at the end is not repeated from samples.
        let shown = |total: &&Total| !total.of_process || (usage.is_none() && total.max > 0.0);
        rows.extend(
            totals
                .iter()
                .filter(shown)
                .map(|total| (total.name.clone(), total.describe(elapsed))),
        );
        if !totals
            .iter()
            .any(|total| Unit::convert(1.0, &total.unit, &Unit::JOULE).is_some())
        {
            rows.push((
                "energy".to_owned(),
                "not measured: no plugin that provides it is enabled".to_owned(),
            ));
        }
        let width = rows
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or_default();
        let mut text = format!("\n{title}\n");
        for (name, value) in rows {
            let _ = writeln!(text, "  {name:width$}  {value}");
        }
        text
    }
}

/// A number with a unit that people can read: `1.50 MiB`, `12.3 mJ`.
pub(crate) fn quantity(value: f64, unit: &Unit) -> String {
    if *unit == Unit::BYTE {
        let steps = [
            ("B", 1.0),
            ("KiB", 1024.0),
            ("MiB", 1024.0 * 1024.0),
            ("GiB", 1024.0 * 1024.0 * 1024.0),
        ];
        let (symbol, factor) = steps
            .into_iter()
            .rev()
            .find(|(_, factor)| value.abs() >= *factor)
            .unwrap_or(("B", 1.0));
        return if factor > 1.0 {
            format!("{:.2} {symbol}", value / factor)
        } else {
            format!("{value:.0} B")
        };
    }
    if let Some(time) = Unit::convert(value, unit, &Unit::SECOND).filter(|time| *time >= 0.0 && *time < 1e15)
    {
        return seconds(Duration::from_secs_f64(time));
    }
    let symbol = unit.symbol();
    let decimals = match value.abs() {
        value if value >= 100.0 || value == 0.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 4,
    };
    if symbol.is_empty() {
        format!("{value:.decimals$}")
    } else {
        format!("{value:.decimals$} {symbol}")
    }
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
        for (value, unit, text) in [
            (0.0, Unit::BYTE, "0 B"),
            (1536.0, Unit::BYTE, "1.50 KiB"),
            (12.345, Unit::JOULE, "12.3 J"),
            (0.5, Unit::WATT, "0.5000 W"),
            (1_500_000.0, Unit::SECOND.nano(), "1.5 ms"),
            (90.0, Unit::SECOND, "1m 30s"),
            (3.0, Unit::ONE, "3.00"),
        ] {
            assert_eq!(quantity(value, &unit), text);
        }
    }
}
