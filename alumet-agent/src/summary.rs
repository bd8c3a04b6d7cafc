//! What `exec` and `watch` tell at the end.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::metric::MetricKind;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::time::Timestamp;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, SeriesMap};
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

/// What is missing of a process is told from this on.
const NEARLY_NOTHING: Duration = Duration::from_millis(1);

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
    last_at: Timestamp,
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
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let pid = *self.pid.lock();
        let mut totals = self.totals.lock();
        for sample in delivery.samples() {
            let line = self.lines.get_or_insert_with(sample.series, || {
                let series = delivery.catalog().describe(sample.series)?;
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
                        last_at: sample.timestamp,
                        count: 0,
                    });
                    totals.len() - 1
                })
            });
            if let Some(total) = line.and_then(|line| totals.get_mut(line)) {
                total.add(sample.timestamp, sample.value().as_f64());
            }
        }
        Ok(Delivering::done())
    }
}

impl Total {
    fn add(&mut self, at: Timestamp, value: f64) {
        self.sum += value;
        self.max = self.max.max(value);
        self.first.get_or_insert(value);
        self.last = value;
        self.last_at = at;
        self.count += 1;
    }

    /// The amount over the whole time of a delta or counter, the maximum and mean of a gauge.
    fn describe(&self, measured: Duration) -> String {
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
                let watts = joules / measured.as_secs_f64().max(1e-9);
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

    /// How long before its end the process was measured for the last time; `None` if it was measured at its end.
    fn missed(&self, totals: &[Total], times: &Times) -> Option<Duration> {
        let of_process = totals.iter().filter(|total| total.of_process);
        let last = of_process.map(|total| total.last_at).max()?;
        times
            .ended
            .checked_since(last)
            .filter(|missed| *missed > NEARLY_NOTHING)
    }

    /// The summary as text: `title`, then one line per quantity.
    pub(crate) fn render(&self, title: &str, times: Times, usage: Option<Usage>) -> String {
        let mut rows = vec![("duration".to_owned(), seconds(times.duration))];
        if let Some(usage) = usage {
            let total = usage.user + usage.system;
            let share = 100.0 * total.as_secs_f64() / times.duration.as_secs_f64().max(1e-9);
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
                        "at most {}; a peak below that of the agent cannot be seen",
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
                .map(|total| (total.name.clone(), total.describe(times.measured))),
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
        if let Some(missed) = self.missed(&totals, &times).filter(|_| usage.is_none()) {
            rows.push((
                "not measured".to_owned(),
                format!("the last {}: its parent took it away at its end", seconds(missed)),
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

    #[test]
    fn the_power_is_that_of_the_time_in_which_the_energy_was_measured() {
        let (_, summary) = SummaryOutput::new();
        summary.totals.lock().push(Total {
            name: "rapl consumed energy".to_owned(),
            of_process: false,
            kind: MetricKind::Delta,
            unit: Unit::JOULE,
            sum: 30.0,
            max: 20.0,
            first: Some(10.0),
            last: 20.0,
            last_at: Timestamp::from_nanos(0),
            count: 2,
        });
        let times = Times {
            duration: Duration::from_secs(2),
            measured: Duration::from_secs(3),
            ended: Timestamp::from_nanos(0),
        };
        let text = summary.render("x has ended", times, None);
        assert!(text.contains("duration              2.00 s\n"), "{text}");
        assert!(
            text.contains("rapl consumed energy  30.0 J (10.0 W on average)\n"),
            "{text}"
        );
        assert!(!text.contains("not measured"), "{text}");
    }

    #[test]
    fn what_a_process_did_after_its_last_measurement_is_told_to_be_missing() {
        let text = |last: i64| {
            let (_, summary) = SummaryOutput::new();
            summary.totals.lock().push(Total {
                name: "cpu time user".to_owned(),
                of_process: true,
                kind: MetricKind::Delta,
                unit: Unit::SECOND.nano(),
                sum: 5e6,
                max: 5e6,
                first: Some(5e6),
                last: 5e6,
                last_at: Timestamp::from_nanos(last),
                count: 1,
            });
            let times = Times {
                duration: Duration::from_secs(2),
                measured: Duration::from_secs(2),
                ended: Timestamp::from_nanos(2_500_000_000),
            };
            summary.render("x has ended", times, None)
        };
        let torn = text(1_000_000_000);
        assert!(torn.contains("not measured   the last 1.50 s: "), "{torn}");
        let whole = text(2_600_000_000);
        assert!(!whole.contains("the last"), "{whole}");
    }
}
