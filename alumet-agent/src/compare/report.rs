//! The results for people.

use std::fmt::Write;

use alumet_shared_control_protocol::Table;

use super::statistics::{Comparison, Statistics};
use super::{Quantity, Results, VariantResult};
use crate::summary::{bytes, quantity, seconds};
use crate::terminal;

/// Below this, a difference is no chance.
const SIGNIFICANT: f64 = 0.05;

impl Results {
    /// Each variant with its numbers, then the others against the first.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for variant in &self.variants {
            let table: Table<2> = variant.rows(self.warmup).into_iter().collect();
            let _ = write!(
                text,
                "\n{}\n{}",
                variant.name,
                terminal::indented(&table.render())
            );
        }
        if let Some(base) = self.variants.first()
            && !self.comparisons.is_empty()
        {
            let rows = self.comparisons.iter().map(|compared| {
                let quantities = compared.quantities.iter();
                let words = quantities.map(|(quantity, comparison)| comparison.words(quantity.name()));
                [compared.name.clone(), words.collect::<Vec<_>>().join("; ")]
            });
            let table: Table<2> = rows.collect();
            let _ = write!(
                text,
                "\ncompared with {}\n{}",
                base.name,
                terminal::indented(&table.render())
            );
        }
        text
    }
}

impl VariantResult {
    fn rows(&self, warmup: u32) -> Vec<[String; 2]> {
        let warmed = match warmup {
            0 => String::new(),
            warmup => format!(", after {warmup} that warmed up"),
        };
        let mut rows = vec![["runs".to_owned(), format!("{}{warmed}", self.runs.len())]];
        for (quantity, statistics) in &self.statistics {
            let mut text = statistics.words(|value| quantity.format(value));
            if *quantity == Quantity::EnergyJoules
                && let Some(quality) = self.energy_quality
            {
                let _ = write!(text, ", {quality}");
            }
            rows.push([quantity.name().to_owned(), text]);
        }
        rows
    }
}

impl Statistics {
    fn words(&self, format: impl Fn(f64) -> String) -> String {
        let Some(deviation) = self.standard_deviation else {
            return format(self.mean);
        };
        let mut text = format!(
            "{} ± {} (median {}, {} … {})",
            format(self.mean),
            format(deviation),
            format(self.median),
            format(self.min),
            format(self.max)
        );
        match self.outliers {
            0 => {}
            1 => text.push_str(", 1 outlier"),
            outliers => {
                let _ = write!(text, ", {outliers} outliers");
            }
        }
        text
    }
}

impl Comparison {
    fn words(&self, name: &str) -> String {
        let deviation = self.ratio_deviation;
        let deviation = deviation.map_or_else(String::new, |deviation| format!(" ± {deviation:.2}"));
        let chance = match self.p_value {
            Some(p) if p < 0.001 => " (p < 0.001)".to_owned(),
            Some(p) if p < SIGNIFICANT => format!(" (p = {p:.3})"),
            Some(p) => format!(" (may be chance: p = {p:.2})"),
            None => String::new(),
        };
        format!("{name} {:.2}{deviation} times{chance}", self.ratio)
    }
}

impl Quantity {
    const fn name(self) -> &'static str {
        match self {
            Self::DurationSeconds => "time",
            Self::CpuSeconds => "CPU time",
            Self::EnergyJoules => "energy",
            Self::PeakMemoryBytes => "peak memory",
            Self::AgentCpuSeconds => "CPU time of the agent",
        }
    }

    fn format(self, value: f64) -> String {
        match self {
            Self::DurationSeconds | Self::CpuSeconds | Self::AgentCpuSeconds => seconds(value),
            Self::EnergyJoules => quantity(value, "J"),
            Self::PeakMemoryBytes => bytes(value as u64),
        }
    }
}
