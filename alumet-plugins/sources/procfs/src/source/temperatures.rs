//! Temperature sensors.

use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::hwmon::{Sensor, SensorOrigin, TemperatureFiles};
use alumet_reader_procfs::{ReadError, SystemRoot};

use crate::error::TableError;
use crate::metrics;
use crate::notes::{count, note, some};

const SUBJECT: &str = "temperatures";
/// The name of the source, and what is told of.
pub(crate) const TABLE: (&str, &str) = ("temperatures", SUBJECT);

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

impl TemperaturesSource {
    pub(crate) fn start(
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        // Some sensors take milliseconds to answer: the first poll asks them on its own thread.
        if alumet.is_trial() {
            note(alumet, found(TemperatureFiles::discover(root)));
        }
        Ok(Some(Self {
            root: root.clone(),
            files: TemperatureFiles::default(),
            metric: alumet.metric(&metrics::TEMPERATURE)?,
            series: Vec::new(),
            listed: None,
        }))
    }

    fn list(&mut self, now: Monotonic, catalog: &Catalog) {
        self.files = TemperatureFiles::discover(&self.root);
        let mut names: Vec<(String, String)> = Vec::new();
        let mut series = Vec::new();
        for sensor in self.files.sensors() {
            let device = sensor.device.as_deref().unwrap_or(&sensor.folder);
            let mut name = name_of(sensor, device);
            // Two chips of one device may have the same name.
            if names.contains(&(sensor.chip.clone(), name.clone())) {
                name = name_of(sensor, &sensor.folder);
            }
            names.push((sensor.chip.clone(), name.clone()));
            let described = catalog
                .series(self.metric, Resource::LocalMachine, Consumer::LocalMachine)
                .attribute("chip", sensor.chip.as_str())
                .attribute("sensor", name);
            series.push(match &sensor.label {
                Some(label) => described.attribute("label", label.as_str()).register(),
                None => described.register(),
            });
        }
        // Replaced only now, so that a series that stays is never without a handle.
        self.series = series;
        self.listed = Some(now);
    }
}

impl Source for TemperaturesSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let now = out.tick().monotonic;
        if self.listed.is_none_or(|listed| now.since(listed) >= LIST_EVERY) {
            self.list(now, out.catalog());
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

/// `coretemp.0/temp1`, or `thermal_zone0`.
fn name_of(sensor: &Sensor, device: &str) -> String {
    match sensor.origin {
        SensorOrigin::Hwmon => format!("{device}/temp{}", sensor.channel),
        SensorOrigin::ThermalZone => sensor.folder.clone(),
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
    match (all, asleep.len()) {
        (0, _) => Finding::absent(SUBJECT, "no sensor, which is normal in a virtual machine"),
        (_, 0) => Finding::works(SUBJECT, detail),
        (_, number) => {
            let asleep = some(number, asleep.into_iter());
            Finding::works(SUBJECT, format!("{detail}; no reading at present of {asleep}"))
        }
    }
}
