//! A summary for people.

use std::time::Duration;

use alumet_shared_control_protocol::Table;

use super::{Domain, EnergySummary, PeakOf, Phase, Summary, Usage};
use crate::terminal;

/// How many processes that still run are named.
const NAMED: usize = 8;

impl Summary {
    /// The title, then one line per quantity.
    pub(crate) fn text(&self) -> String {
        let mut rows = vec![row("duration", seconds(self.duration_seconds))];
        match &self.usage {
            Some(usage) => rows.extend(usage.rows(self.duration_seconds)),
            None => rows.push(row("CPU time", "not measured; the log says why")),
        }
        rows.extend(self.energy.rows(self.measured_seconds));
        rows.extend(self.phases.iter().map(Phase::row));
        let of_core = 100.0 * self.agent_cpu_seconds / self.duration_seconds.max(1e-9);
        let agent = format!(
            "{} of CPU time, {of_core:.1} % of one CPU",
            seconds(self.agent_cpu_seconds)
        );
        rows.push(row("the agent itself", agent));
        let samples = self
            .samples
            .iter()
            .map(|(place, samples)| format!("{samples} in {place}"));
        let samples = samples.collect::<Vec<_>>();
        if !samples.is_empty() {
            rows.push(row("samples", samples.join(", ")));
        }
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        if !labels.is_empty() {
            rows.push(row("labels", labels.join(", ")));
        }
        let table: Table<2> = rows.into_iter().collect();
        format!("\n{}\n{}", self.title, terminal::indented(&table.render()))
    }
}

impl Phase {
    fn row(&self) -> [String; 2] {
        let name = match &self.name {
            Some(name) => format!("phase {name}"),
            None => "before the phases".to_owned(),
        };
        let mut text = format!(
            "{}, {} of CPU time",
            seconds(self.duration_seconds),
            seconds(self.cpu_seconds)
        );
        if let Some(joules) = self.joules {
            text.push_str(&format!(", {}", quantity(joules, "J")));
        }
        if let Some(joules) = self.gpu_joules {
            text.push_str(&format!(", {} of GPUs", quantity(joules, "J")));
        }
        if let Some(joules) = self.machine_joules {
            text.push_str(&format!(" of the machine's {}", quantity(joules, "J")));
        }
        row(&name, text)
    }
}

impl Usage {
    fn rows(&self, duration: f64) -> Vec<[String; 2]> {
        let all = self.cpu_user_seconds + self.cpu_system_seconds;
        let of_core = 100.0 * all / duration.max(1e-9);
        let (one, together) = (self.peak_memory_bytes, self.peak_memory_of_all_bytes);
        let together = format!("{} (all at one instant)", bytes(together));
        let peak = match (self.peak_memory_of, self.peak_memory_at_most_bytes) {
            (_, Some(most)) if one == 0 => format!("at most {}: it ended before it was seen", bytes(most)),
            (_, Some(most)) => {
                let most = bytes(most);
                format!(
                    "{} (the program when last seen; at most {most}), {together}",
                    bytes(one)
                )
            }
            (PeakOf::LargestProcess, None) => format!("{} (the largest process), {together}", bytes(one)),
            (PeakOf::ProgramWhenLastSeen, None) => {
                format!("{} (the process when last seen), {together}", bytes(one))
            }
            (PeakOf::AllWhenSeen, None) => together,
        };
        let cpu_time = format!(
            "{} (user {}, system {}; {of_core:.0} % of one CPU, {:.0} % of all {})",
            seconds(all),
            seconds(self.cpu_user_seconds),
            seconds(self.cpu_system_seconds),
            of_core / self.cpus as f64,
            self.cpus
        );
        let io = format!(
            "{} read, {} written",
            bytes(self.storage_read_bytes),
            bytes(self.storage_written_bytes)
        );
        let faults = format!(
            "{}, of which {} waited for storage",
            self.minor_page_faults + self.major_page_faults,
            self.major_page_faults
        );
        let mut rows = vec![
            row("CPU time", cpu_time),
            row("peak memory", peak),
            row("storage I/O", io),
            row("page faults", faults),
        ];
        if let (Some(received), Some(sent)) = (self.network_received_bytes, self.network_sent_bytes) {
            rows.push(row(
                "network",
                format!(
                    "{} received, {} sent, in its own namespace",
                    bytes(received),
                    bytes(sent)
                ),
            ));
        }
        if let (Some(voluntary), Some(involuntary)) =
            (self.voluntary_context_switches, self.involuntary_context_switches)
        {
            let all = voluntary + involuntary;
            rows.push(row(
                "context switches",
                format!("{all}, of which {involuntary} were forced"),
            ));
        }
        let mut names = self.still_running.clone();
        if let Some(more @ 1..) = names.len().checked_sub(NAMED) {
            names.truncate(NAMED);
            names.push(format!("{more} more"));
        }
        if !names.is_empty() {
            rows.push(row("still running", names.join(", ")));
        }
        if let Some(missed) = self.not_measured_seconds {
            let missed = format!("the last {}: its parent took it away at its end", seconds(missed));
            rows.push(row("not measured", missed));
        }
        rows
    }
}

impl EnergySummary {
    /// What is told of energy: that of the program and its part of the machine's, then each domain of the machine.
    pub(super) fn rows(&self, measured: f64) -> Vec<[String; 2]> {
        let watts = |joules: f64| quantity(joules / measured.max(1e-9), "W");
        let shared = self.machine_joules.unwrap_or(0.0);
        let percent = |joules: f64| 100.0 * joules / shared.max(f64::MIN_POSITIVE);
        let mut rows = Vec::new();
        if let Some(program) = &self.program {
            let text = format!(
                "{} ({} on average, {}), {:.0} % of the machine's {}",
                quantity(program.joules, "J"),
                watts(program.joules),
                program.quality.name(),
                percent(program.joules),
                quantity(shared, "J")
            );
            rows.push(row("energy", text));
        }
        rows.extend(self.missing.iter().map(|missing| row("energy", missing)));
        if let Some(idle) = self.idle_joules.filter(|idle| *idle > 0.0) {
            let text = format!("{}, {:.0} % of the machine's", quantity(idle, "J"), percent(idle));
            rows.push(row("idle", text));
        }
        let amount = |domain: &Domain| match (domain.joules, domain.grams) {
            (Some(joules), _) => format!(
                "{} ({} on average, {})",
                quantity(joules, "J"),
                watts(joules),
                domain.quality.name()
            ),
            (None, grams) => format!(
                "{} ({})",
                quantity(grams.unwrap_or(0.0), "g"),
                domain.quality.name()
            ),
        };
        let gpus = self.gpus.iter().map(|gpu| {
            let name = match self.gpus.len() {
                1 => "GPU energy".to_owned(),
                _ => format!("GPU energy {}", gpu.name),
            };
            row(&name, amount(gpu))
        });
        rows.extend(gpus);
        let domains = self.domains.iter();
        rows.extend(domains.map(|domain| row(&format!("machine: {}", domain.name), amount(domain))));
        rows.extend(self.carbon.iter().map(|carbon| row("CO2", amount(carbon))));
        rows
    }
}

fn row(name: &str, value: impl Into<String>) -> [String; 2] {
    [name.to_owned(), value.into()]
}

/// A number of bytes that people can read: `1.50 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let steps = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match steps.into_iter().find(|(_, power)| bytes >> power > 0) {
        Some((symbol, power)) => format!("{:.2} {symbol}", bytes as f64 / f64::from(1 << power)),
        None => format!("{bytes} B"),
    }
}

/// A number with a unit that people can read: `12.3 J`.
pub(crate) fn quantity(value: f64, symbol: &str) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 || value == 0.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.decimals$} {symbol}")
}

/// A duration with three or four digits.
pub(crate) fn seconds(seconds: f64) -> String {
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
            assert_eq!(seconds(f64::from(time) / 1e6), text);
        }
    }
}
