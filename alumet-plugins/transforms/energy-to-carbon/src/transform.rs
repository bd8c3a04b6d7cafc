//! The transform: adds a sample of emissions for each of energy.

use std::time::Duration;

use alumet_core::catalog::MetricHandle;
use alumet_core::series::SeriesId;
use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Failure, Series, SeriesMap};
use alumet_shared_metric_names::Selection;

use crate::intensity::Intensity;
use crate::model::{grams, joules_per_value};

/// Converts energy.
pub(crate) struct EnergyToCarbon {
    wanted: Selection,
    unwanted: Selection,
    intensity: Intensity,
    hold: Duration,
    fallback: f64,
    metric: MetricHandle<f64>,
    /// `None` for what is not converted.
    series: SeriesMap<Option<Conversion>>,
    /// How many samples were converted while the intensity was not known.
    unknown: u64,
}

/// A series that is converted.
struct Conversion {
    output: Series<f64>,
    joules_per_value: f64,
}

impl EnergyToCarbon {
    pub(crate) fn new(
        (wanted, unwanted): (Selection, Selection),
        intensity: Intensity,
        hold: Duration,
        fallback: f64,
        metric: MetricHandle<f64>,
    ) -> Self {
        Self {
            wanted,
            unwanted,
            intensity,
            hold,
            fallback,
            metric,
            series: SeriesMap::new(),
            unknown: 0,
        }
    }

    /// Counts samples whose intensity is not known, and says once that there are some.
    fn note(&mut self, unknown: u64) {
        if self.unknown == 0 && unknown > 0 {
            tracing::warn!(
                intensity = self.fallback,
                "the carbon intensity is not known for all samples; `fallback` counts where it is not"
            );
        }
        self.unknown += unknown;
    }
}

impl Transform for EnergyToCarbon {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.intensity.refresh(context.now.monotonic);
        let mut out = context.catalog.batch();
        let mut unknown = 0;
        let Self {
            wanted,
            unwanted,
            intensity,
            metric,
            series,
            ..
        } = self;
        let plan = |id: SeriesId| {
            let info = context.catalog.describe(id)?;
            let joules_per_value = joules_per_value(&info.metric)?;
            let is_wanted = wanted.contains(&info) && !unwanted.contains(&info);
            is_wanted.then(|| Conversion {
                output: context
                    .catalog
                    .series(*metric, info.resource().clone(), info.consumer().clone())
                    .attributes(info.attributes())
                    .attribute("energy_metric", info.metric.name.clone())
                    .register(),
                joules_per_value,
            })
        };
        for sample in batch.samples() {
            let plan = || plan(sample.series);
            let Some(conversion) = series.get_or_insert_with(sample.series, plan) else {
                continue;
            };
            let known = intensity.at(sample.timestamp.as_nanos(), context.now, self.hold);
            unknown += u64::from(known.is_none());
            let joules = sample.value().as_f64() * conversion.joules_per_value;
            let intensity = known.unwrap_or(self.fallback);
            out.push(&conversion.output, sample.timestamp, grams(joules, intensity));
        }
        self.note(unknown);
        batch.extend(out.samples());
        Ok(())
    }

    /// Nothing is kept back, but the series of energies that are gone are forgotten.
    fn waits(&self) -> bool {
        true
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.wanted.check_at()
    }

    fn tick(&mut self, _: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.wanted.check(context.catalog, context.now.monotonic);
        Ok(())
    }

    fn retired(&mut self, series: SeriesId) {
        self.series.remove(series);
    }

    fn finish(&mut self, _: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        if self.unknown > 0 {
            tracing::info!(
                samples = self.unknown,
                "so many samples were converted with `fallback`, because the carbon intensity was not known"
            );
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.series.clear();
    }
}
