use std::time::Instant;

use hashbrown::HashMap;
use parking_lot::RwLock;
use tracing::callsite::Identifier;
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::catalog::IncompatibleMetric;
use crate::instruments::{Histogram, HistogramMetrics, Instruments};
use crate::unit::Unit;

use super::BOUNDS;

/// Measures how long the spans of the crate [`tracing`] last, from their making to their end: the histogram `span_duration` in
/// seconds, with the attributes `span` and `target`.
///
/// ```
/// # use std::time::Duration;
/// # use alumet_core::bridge::SpanDurations;
/// # use alumet_core::pipeline::PipelineBuilder;
/// use tracing_subscriber::prelude::*;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut builder = PipelineBuilder::new();
/// let instruments = builder.instruments(Duration::from_secs(1));
/// tracing_subscriber::registry()
///     .with(SpanDurations::new(instruments)?)
///     .init();
/// # Ok(())
/// # }
/// ```
///
/// There is one histogram for each span that the code names, whatever the fields of the span are.
pub struct SpanDurations {
    instruments: Instruments,
    metrics: HistogramMetrics,
    bounds: Vec<f64>,
    by_callsite: RwLock<HashMap<Identifier, Histogram>>,
}

/// When a span was made.
struct Begin(Instant);

impl SpanDurations {
    /// A layer that measures into `instruments`.
    ///
    /// # Errors
    /// When the name of one of its metrics is taken by another one.
    pub fn new(instruments: Instruments) -> Result<Self, IncompatibleMetric> {
        let metrics =
            instruments.histogram_metrics("span_duration", Unit::SECOND, "How long a span lasted.")?;
        Ok(Self {
            instruments,
            metrics,
            bounds: BOUNDS.into(),
            by_callsite: RwLock::default(),
        })
    }

    /// Gives all histograms these bounds, in seconds, instead of [`BOUNDS`].
    #[must_use]
    pub fn bounds(mut self, seconds: &[f64]) -> Self {
        self.bounds = seconds.into();
        self
    }

    fn histogram(&self, span: &'static Metadata<'static>) -> Histogram {
        let callsite = span.callsite();
        if let Some(histogram) = self.by_callsite.read().get(&callsite) {
            return histogram.clone();
        }
        let instruments = self
            .instruments
            .with("span", span.name())
            .with("target", span.target());
        let histogram = instruments.histogram_of(self.metrics, &self.bounds);
        self.by_callsite.write().insert(callsite, histogram.clone());
        histogram
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanDurations {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Begin(Instant::now()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id)
            && let Some(Begin(begin)) = span.extensions().get()
        {
            let duration = begin.elapsed().as_secs_f64();
            self.histogram(span.metadata()).record(duration);
        }
    }
}
