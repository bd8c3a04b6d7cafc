//! Memory of the machine.

use std::borrow::Cow;

use alumet_core::catalog::Catalog;
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Failure, Series};
use alumet_reader_procfs::meminfo::{self, Amount, MemEntry, snake_case_name};
use alumet_reader_procfs::{SystemRoot, Table};

use super::{Opened, of_machine};
use crate::metrics;

/// What is told of.
pub(crate) const SUBJECT: &str = "memory";

/// Makes samples of `/proc/meminfo`.
pub(crate) struct MemorySource {
    file: Table<Vec<MemEntry>>,
    /// In the order of the entries; `None` for what this kernel lacks.
    series: Vec<Option<Series<u64>>>,
}

pub(crate) fn open(entries: &[String], root: &SystemRoot, catalog: &Catalog) -> Opened<MemorySource> {
    let mut file = meminfo::table(root, entries);
    let (mut series, mut missing) = (Vec::new(), Vec::new());
    for entry in file.read()? {
        let Some(amount) = entry.amount else {
            missing.push(entry.name.as_str());
            series.push(None);
            continue;
        };
        let id = catalog.register_metric(metric_of(&entry.name, amount))?;
        let metric = catalog.typed_metric(id)?;
        series.push(Some(of_machine(catalog, metric).register()));
    }
    let finding = match (entries.len(), missing.len()) {
        (_, 0) => Finding::works(SUBJECT, "all entries of the configuration"),
        (all, some) => Finding::limited(
            SUBJECT,
            format!(
                "{} of {all} entries; this kernel has no {}",
                all - some,
                missing.join(", ")
            ),
            "remove the others from plugins.procfs.memory.metrics",
        ),
    };
    Ok((Some(MemorySource { file, series }), finding))
}

impl Source for MemorySource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for (entry, series) in self.file.read()?.iter().zip(&self.series) {
            if let (Some(amount), Some(series)) = (entry.amount, series) {
                out.push(series, amount.value());
            }
        }
        Ok(())
    }
}

/// The metric of an entry: from the table, or made here for the entries that are not in it.
fn metric_of(entry: &str, amount: Amount) -> Metric {
    let name = snake_case_name(entry);
    if let Some(known) = metrics::all().into_iter().find(|known| known.name == name) {
        return known.metric();
    }
    Metric {
        name: Cow::Owned(name),
        kind: MetricKind::Gauge,
        value_type: ValueType::U64,
        unit: match amount {
            Amount::Bytes(_) => Unit::BYTE,
            Amount::Count(_) => Unit::ONE,
        },
        description: Cow::Owned(format!("The entry `{entry}` of /proc/meminfo.")),
        quality: Quality::Measured,
    }
}
