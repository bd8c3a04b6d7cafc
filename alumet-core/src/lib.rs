//! The measurement core of Alumet: series, samples, plugins and the engine that runs them.
//!
//! A program measures a piece of work with one line, see [`mod@measure`]:
//!
//! ```
//! let measured = alumet_core::measure(|| (1..1000).sum::<u32>());
//! println!("{} took {:?}", measured.value, measured.usage);
//! ```
//!
//! It embeds a pipeline to measure something all the time, and to do something with the numbers:
//!
//! ```
//! use std::time::Duration;
//! use alumet_core::output::RecordingOutput;
//! use alumet_core::pipeline::PipelineBuilder;
//! use alumet_core::source::{Accumulator, Source};
//! use alumet_core::{Consumer, Failure, Resource, Series, Unit};
//!
//! alumet_core::metrics! {
//!     /// What is measured.
//!     pub OPEN_FILES = Gauge<u64> {
//!         name: "open_files", unit: Unit::ONE, description: "Files that this program has open.",
//!         resources: ["local_machine"], consumers: ["process"], attributes: [],
//!     };
//! }
//!
//! /// A source pushes numbers each time it is polled.
//! struct OpenFiles { series: Series<u64> }
//!
//! impl Source for OpenFiles {
//!     fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
//!         let open = std::fs::read_dir("/proc/self/fd")?.count();
//!         out.push(&self.series, open as u64);
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut builder = PipelineBuilder::new();
//! // A series says once what is measured and of whom; a sample is then a handle and a number.
//! let metric = builder.catalog().metric(&OPEN_FILES)?;
//! let process = Consumer::Process { pid: std::process::id() };
//! let series = builder.catalog().series(metric, Resource::LocalMachine, process).register();
//! builder.source("files", OpenFiles { series }).every(Duration::from_millis(20));
//! let output = RecordingOutput::new();
//! let recording = output.recording();
//! builder.output("recording", output);
//!
//! let pipeline = builder.start()?;
//! assert!(recording.wait_for(3, Duration::from_secs(60)));
//! // The last poll is written, too, and every sample is accounted for.
//! let report = pipeline.stop(Duration::from_secs(60));
//! assert!(report.is_complete());
//! assert_eq!(report.ledger.produced, recording.len() as u64);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to read on
//!
//! - What a number means: [`metric`], [`mod@unit`], [`resource`], [`consumer`], [`attributes`]; together they are a
//!   [`series`], which the [`catalog`] holds. Numbers travel in a [`batch`].
//! - What works on them: [`source`], [`transform`], [`output`]. A [`plugin`] adds such elements and has a configuration.
//!   A [`failure`] says what can be done about it.
//! - What runs them: [`pipeline`], whose [`Control`](pipeline::Control) steers it and whose
//!   [`Ledger`](pipeline::Ledger) knows where every sample is. What waits on disk is in a [`spool`].
//! - What needs no source: [`mod@measure`] for a piece of work, [`instruments`] for counters, gauges and histograms, and `bridge`,
//!   with the features `metrics` and `tracing`, for what libraries count and time. [`LastValues`](output::LastValues) are read
//!   by the program itself.
//! - What sources need: [`counter`] for numbers that wrap, [`time`], and the [`events`] of consumers that come and go.
//!   Transforms that join series know from [`progress`] how far each has come.
//! - What tests need: `testkit`, with the feature of that name.
//!
//! # A plugin in a crate of its own
//!
//! `examples/outside-plugin` is one, to be copied. It needs no other crate: [`serde`], [`schemars`],
//! [`async_trait`](macro@async_trait) and [`CancellationToken`] must be those of this crate, and are used from here. The
//! macros of the first two are told where they are: `#[serde(crate = "alumet_core::serde")]`,
//! `#[schemars(crate = "alumet_core::schemars")]`.
//!
//! - An implementation of [`EventSource`](source::EventSource) stands below `#[async_trait]`; without it, the compiler says
//!   that lifetime parameters do not match the trait (E0195).
//! - `?` takes what implements [`std::error::Error`]. `anyhow::Error` and boxed errors do not: `.map_err(Failure::retry)?`,
//!   or [`or_skip()?`](failure::OrFail::or_skip) and its siblings.
//! - A module has one table of [`metrics!`], for it defines `all()`.

#[macro_use]
mod word;

mod alarm;
pub mod attributes;
pub mod batch;
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub mod bridge;
pub mod catalog;
pub mod consumer;
pub mod counter;
pub mod duration;
mod entity;
pub mod events;
pub mod failure;
pub mod instruments;
pub mod measure;
pub mod metric;
pub mod output;
pub mod pipeline;
pub mod plugin;
pub mod progress;
pub mod resource;
pub mod series;
pub mod services;
pub mod size;
pub mod source;
pub mod span;
pub mod spool;
pub mod state;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod time;
pub mod transform;
pub mod unit;
pub mod value;

pub use async_trait::async_trait;
pub use attributes::{AttributeValue, Attributes};
pub use batch::{Batch, Sample};
pub use catalog::Catalog;
pub use consumer::Consumer;
pub use failure::Failure;
pub use measure::{Measured, measure, measure_future};
pub use metric::{Metric, MetricKind};
pub use resource::Resource;
pub use schemars;
pub use serde;
pub use series::{Series, SeriesId, SeriesMap};
pub use time::Timestamp;
pub use tokio_util::sync::CancellationToken;
pub use unit::Unit;
pub use value::{Value, ValueType};
