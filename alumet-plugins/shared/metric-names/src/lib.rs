//! Which series a transform is about: patterns in its configuration.
//!
//! [`SeriesPattern`] is what stands there, [`Selector`] what it means, and [`Selection`] a list of them, and
//! [`SeriesFilter`] what is kept of everything.

#![forbid(unsafe_code)]

mod filter;
mod pattern;
mod selection;

pub use filter::{FilterConfig, SeriesFilter};
pub use pattern::{OneOrMore, SeriesKeys, SeriesPattern, Word};
pub use selection::{Selection, Selector};
