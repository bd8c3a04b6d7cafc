//! The results for programs and papers.

use std::fmt::Write;

use super::{Quantity, Results};

impl Results {
    /// Everything, with the summary of each run.
    pub(crate) fn json(&self) -> Result<String, serde_json::Error> {
        Ok(format!("{}\n", serde_json::to_string_pretty(self)?))
    }

    /// One row per variant: the command, its parameters, then statistics of each quantity.
    pub(crate) fn csv(&self) -> String {
        let names = self.parameter_names();
        let mut text = "command".to_owned();
        for name in &names {
            let _ = write!(text, ",{}", field(name));
        }
        text.push_str(",runs");
        for quantity in Quantity::ALL {
            let name = quantity.key();
            let _ = write!(
                text,
                ",{name}_mean,{name}_stddev,{name}_median,{name}_min,{name}_max"
            );
        }
        text.push('\n');
        for variant in &self.variants {
            text.push_str(&field(&variant.name));
            for name in &names {
                let value = variant.parameters.get(*name).map_or("", String::as_str);
                let _ = write!(text, ",{}", field(value));
            }
            let _ = write!(text, ",{}", variant.runs.len());
            for quantity in Quantity::ALL {
                match variant.statistics.get(&quantity) {
                    Some(of) => {
                        let deviation = of
                            .standard_deviation
                            .map(|value| value.to_string())
                            .unwrap_or_default();
                        let _ = write!(
                            text,
                            ",{},{deviation},{},{},{}",
                            of.mean, of.median, of.min, of.max
                        );
                    }
                    None => text.push_str(",,,,,"),
                }
            }
            text.push('\n');
        }
        text
    }

    /// A table with time, energy and the ratio of both to the first variant.
    pub(crate) fn markdown(&self) -> String {
        let mut text = "| Command | Time [s] | Relative time | Energy [J] | Relative energy |\n|:---|---:|---:|---:|---:|\n".to_owned();
        let cell = |value: f64, deviation: Option<f64>, decimals: usize| match deviation {
            Some(deviation) => format!("{value:.decimals$} ± {deviation:.decimals$}"),
            None => format!("{value:.decimals$}"),
        };
        for (at, variant) in self.variants.iter().enumerate() {
            let _ = write!(text, "| `{}` |", variant.name.replace('|', "\\|"));
            for quantity in [Quantity::DurationSeconds, Quantity::EnergyJoules] {
                let own = variant.statistics.get(&quantity);
                let own = own
                    .map(|of| cell(of.mean, of.standard_deviation, 3))
                    .unwrap_or_default();
                let relative = match at.checked_sub(1) {
                    None => "1.00".to_owned(),
                    Some(at) => {
                        let compared = self.comparisons.get(at);
                        let compared = compared.and_then(|compared| compared.quantities.get(&quantity));
                        compared
                            .map(|of| cell(of.ratio, of.ratio_deviation, 2))
                            .unwrap_or_default()
                    }
                };
                let _ = write!(text, " {own} | {relative} |");
            }
            text.push('\n');
        }
        text
    }

    fn parameter_names(&self) -> Vec<&str> {
        let first = self.variants.first();
        first
            .map(|variant| variant.parameters.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

impl Quantity {
    const fn key(self) -> &'static str {
        match self {
            Self::DurationSeconds => "duration_seconds",
            Self::CpuSeconds => "cpu_seconds",
            Self::EnergyJoules => "energy_joules",
            Self::PeakMemoryBytes => "peak_memory_bytes",
            Self::AgentCpuSeconds => "agent_cpu_seconds",
        }
    }
}

/// A field of a CSV file (RFC 4180).
fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
