//! What there is to measure of a process.

use alumet_core::catalog::MetricHandle;

/// A part of what a process uses of a graphics processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'n> {
    /// Nanoseconds in which the engine of this name worked for it, since the previous sample.
    Engine(&'n str),
    /// Bytes that it holds of the region of this name.
    Memory(&'n str),
    /// Bytes that it holds of all regions.
    AllMemory,
}

/// The metric of a part, a delta for engines and a gauge for memory, and the attribute that tells it from others.
#[derive(Debug, Clone, Copy)]
pub struct Described<'n> {
    /// The metric.
    pub metric: MetricHandle<u64>,
    /// Key and value.
    pub attribute: Option<(&'static str, &'n str)>,
}

/// Says which metric of a plugin has which part.
pub trait Describe: Send + 'static {
    /// The metric of a part; none if it is not measured.
    fn describe<'n>(&self, part: Part<'n>) -> Option<Described<'n>>;
}
