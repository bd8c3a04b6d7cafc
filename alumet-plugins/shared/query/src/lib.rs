//! Questions about stored series, who can answer them, and what the answers mean.
//!
//! A [`Backend`] finds series, and gives their samples or what those come to in intervals of equal length. What can be computed
//! of that is here: [`Query`] goes on with whatever a backend gives. So a backend is a store and nothing else, and an answer
//! means the same whichever has it.
//!
//! Every question has a [`Budget`]: a deadline, and how many series and samples it may touch. A backend that goes beyond it
//! stops with [`QueryError::TooMuch`].

#![forbid(unsafe_code)]

pub mod amount;
mod backend;
mod bucket;
mod budget;
mod error;
mod identity;
mod published;
mod query;
mod selector;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use backend::{Backend, BackendStatus, Range, SeriesBuckets, SeriesEntry, SeriesSamples};
pub use bucket::{Bucket, Buckets, Steps};
pub use budget::{Budget, Limits};
pub use error::QueryError;
pub use identity::{Identity, Label};
pub use published::Backends;
pub use query::{Combine, OverTime, Point, Query, Row};
pub use selector::{Matcher, Operator, Selector};
