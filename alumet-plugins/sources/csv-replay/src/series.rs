//! The series of rows, each registered once.

use alumet_core::catalog::{Catalog, TypeMismatch};
use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Consumer, Resource, Series};
use hashbrown::HashMap;

use crate::device::{Row, metric_name};

/// The series of the rows so far, by what identifies them.
#[derive(Debug, Default)]
pub(crate) struct SeriesOfRows {
    known: HashMap<Box<[u8]>, Series<f64>>,
    key: Vec<u8>,
}

/// So many series are kept: a large cluster has less at a time. With more they are forgotten, and found again.
const MOST: usize = 1 << 16;

impl SeriesOfRows {
    /// The series of a row for the metric that the file calls `name`.
    ///
    /// # Errors
    /// Never: the metric is registered with the type of its values.
    pub(crate) fn get(
        &mut self,
        row: Row<'_>,
        name: &str,
        catalog: &Catalog,
    ) -> Result<&Series<f64>, TypeMismatch> {
        self.key.clear();
        row.identify(&mut self.key);
        self.key.extend_from_slice(name.as_bytes());
        // Looked up twice where it is new, which happens once.
        if !self.known.contains_key(&*self.key) {
            if self.known.len() >= MOST {
                self.known.clear();
            }
            let series = register(row, name, catalog)?;
            self.known.insert(self.key.as_slice().into(), series);
        }
        Ok(&self.known[&*self.key])
    }
}

fn register(row: Row<'_>, name: &str, catalog: &Catalog) -> Result<Series<f64>, TypeMismatch> {
    let written = metric_name(name);
    if written != name && catalog.find_metric(&written).is_none() {
        tracing::info!(
            name,
            metric = &*written,
            "a metric of the file is called otherwise here"
        );
    }
    // A number as the file has it: of its unit and kind nothing is known. It may be called like a metric of a plugin.
    let (id, _held) = catalog.admit_metric(Metric {
        name: written.into_owned().into(),
        kind: MetricKind::Gauge,
        value_type: ValueType::F64,
        unit: Unit::ONE,
        description: "What a file that is replayed has under this name.".into(),
        quality: Quality::Measured,
    });
    let resource = Resource::Gpu {
        bus_id: row.gpu().into(),
    };
    let mut series = catalog.series(catalog.typed_metric(id)?, resource, Consumer::LocalMachine);
    for (label, text) in row.labels() {
        series = series.attribute(label, text);
    }
    if let Some(index) = row.index() {
        series = series.attribute(Row::INDEX, index);
    }
    Ok(series.register())
}
