//! Memory of the machine.

use std::borrow::Cow;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::plugin::{StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::meminfo::{Amount, MemInfo, MemInfoFile, snake_case_name};

use crate::config::MemoryConfig;
use crate::metrics;

/// Makes samples of `/proc/meminfo`.
pub(crate) struct MemorySource {
    file: MemInfoFile,
    /// In the order of the entries.
    series: Vec<Series<u64>>,
}

impl MemorySource {
    pub(crate) fn start(
        config: &MemoryConfig,
        root: &SystemRoot,
        alumet: &StartContext<'_>,
    ) -> Result<Self, StartError> {
        let selection = MemInfo::of(config.metrics.iter().map(String::as_str));
        let mut file = MemInfoFile::open(root, selection)?;
        let (mut offered, mut series) = (Vec::new(), Vec::new());
        for entry in file.read()?.entries() {
            let Some(amount) = entry.amount() else {
                tracing::warn!(
                    entry = entry.name(),
                    "this kernel has no such entry in /proc/meminfo; remove it from `memory.metrics`"
                );
                continue;
            };
            let id = alumet
                .catalog()
                .register_metric(metric_of(entry.name(), amount))?;
            let metric = alumet.catalog().typed_metric(id)?;
            series.push(
                alumet
                    .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                    .register(),
            );
            offered.push(entry.name().to_owned());
        }
        let file = MemInfoFile::open(root, MemInfo::of(offered))?;
        Ok(Self { file, series })
    }
}

impl Source for MemorySource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let info = self.file.read()?;
        for (entry, series) in info.entries().iter().zip(&self.series) {
            if let Some(amount) = entry.amount() {
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
