//! The sources: what turns readings into samples.

pub(crate) mod cpu_frequency;
mod device_counts;
pub(crate) mod disks;
pub(crate) mod kernel;
mod late;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pressure;
pub(crate) mod processes;
pub(crate) mod temperatures;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::Finding;
use alumet_core::series::SeriesBuilder;
use alumet_core::value::Number;
use alumet_core::{Consumer, Resource};

use crate::error::TableError;

pub(crate) use late::Late;

/// The source of a table, if there is something to measure, and what was found.
pub(crate) type Opened<S> = Result<(Option<S>, Finding), TableError>;

/// Begins to describe a series of the machine.
fn of_machine<T: Number>(catalog: &Catalog, metric: MetricHandle<T>) -> SeriesBuilder<'_, T> {
    catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine)
}
