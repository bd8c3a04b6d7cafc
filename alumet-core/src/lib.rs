//! The measurement core of Alumet: series, samples, plugins and the engine that runs them.

mod alarm;
pub mod attributes;
pub mod batch;
pub mod catalog;
pub mod consumer;
pub mod counter;
pub mod duration;
mod entity;
pub mod events;
pub mod failure;
pub mod metric;
pub mod output;
pub mod pipeline;
pub mod plugin;
pub mod resource;
pub mod series;
pub mod services;
pub mod size;
pub mod source;
pub mod spool;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod time;
pub mod timeseries;
pub mod transform;
pub mod unit;
pub mod value;

pub use attributes::{AttributeValue, Attributes};
pub use batch::{Batch, Sample};
pub use catalog::Catalog;
pub use consumer::Consumer;
pub use failure::Failure;
pub use metric::{Metric, MetricKind};
pub use resource::Resource;
pub use series::{Series, SeriesId, SeriesMap};
pub use time::Timestamp;
pub use unit::Unit;
pub use value::{Value, ValueType};
