//! Temperature sensors.

use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::{Failure, Series};
use alumet_reader_procfs::hwmon::{self, TemperatureFiles};
use alumet_reader_procfs::{ReadError, SystemRoot};

use super::{Opened, of_machine};
use crate::metrics;
use crate::notes::{count, some};

/// What is told of.
pub(crate) const SUBJECT: &str = "temperatures";

/// Sensors can be plugged in, and sysfs does not tell; a sensor that vanishes is noticed at once.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Makes samples of `hwmon` and `thermal`.
pub(crate) struct TemperaturesSource {
    root: SystemRoot,
    files: TemperatureFiles,
    metric: MetricHandle<f64>,
    /// In the order of the files.
    series: Vec<Series<f64>>,
    listed: Option<Monotonic>,
}

pub(crate) fn open(is_trial: bool, root: &SystemRoot, catalog: &Catalog) -> Opened<TemperaturesSource> {
    // Some sensors take milliseconds to answer: the first poll asks them on its own thread.
    let finding = match is_trial {
        true => found(TemperatureFiles::discover(root)?),
        false => Finding::works(SUBJECT, "read by the first poll"),
    };
    let source = TemperaturesSource {
        root: root.clone(),
        files: TemperatureFiles::default(),
        metric: catalog.metric(&metrics::TEMPERATURE)?,
        series: Vec::new(),
        listed: None,
    };
    Ok((Some(source), finding))
}

impl TemperaturesSource {
    fn list(&mut self, now: Monotonic, catalog: &Catalog) -> Result<(), ReadError> {
        self.files = TemperatureFiles::discover(&self.root)?;
        let names = hwmon::names("temp", self.files.sensors());
        let series = self.files.sensors().zip(names).map(|(sensor, name)| {
            let described = of_machine(catalog, self.metric)
                .attribute("chip", sensor.chip.as_str())
                .attribute("sensor", name);
            match &sensor.label {
                Some(label) => described.attribute("label", label.as_str()).register(),
                None => described.register(),
            }
        });
        let series = series.collect();
        // Replaced only now, so that a series that stays is never without a handle.
        self.series = series;
        self.listed = Some(now);
        Ok(())
    }
}

impl Source for TemperaturesSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        if self.listed.is_none_or(|listed| now.since(listed) >= LIST_EVERY) {
            self.list(now, out.catalog())?;
        }
        let mut vanished = false;
        let series = &self.series;
        self.files
            .read(|position, sensor, result| match (result, series.get(position)) {
                (Ok(celsius), Some(series)) => out.push(series, celsius),
                (Err(ReadError::NotSupported { .. }), _) => vanished = true,
                // Asleep, such as a disk or a GPU that is powered down: there is no temperature to tell.
                (Err(error), _) => tracing::trace!(%error, chip = sensor.chip, "a sensor has no reading"),
                (Ok(_), None) => {}
            });
        if vanished {
            self.listed = None;
        }
        Ok(())
    }
}

/// How many sensors there are, and which of them sleep.
fn found(mut files: TemperatureFiles) -> Finding {
    let (mut all, mut asleep) = (0, Vec::new());
    files.read(|_, sensor, result| {
        all += 1;
        if result.is_err() {
            asleep.push(format!("{}/{}", sensor.chip, sensor.folder));
        }
    });
    let detail = count(all, "sensor");
    match (all, some(&asleep)) {
        (0, _) => Finding::absent(SUBJECT, "no sensor, which is normal in a virtual machine"),
        (_, asleep) if asleep.is_empty() => Finding::works(SUBJECT, detail),
        (_, asleep) => Finding::works(SUBJECT, format!("{detail}; no reading at present of {asleep}")),
    }
}
