//! The numbers of `/metrics` as instruments.

use std::sync::Arc;

use alumet_core::metric::MetricKind;
use alumet_core::pipeline::Control;
use alumet_core::pipeline::self_metrics::{FACTS, Known};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use parking_lot::Mutex;

/// Makes an instrument of each family, with its name, so that what stores both sees the same series.
pub(super) fn observe(meter: &Meter, control: &Control) {
    let known = Arc::new(Mutex::new(None));
    let families = FACTS.iter().filter_map(|fact| Some((fact, fact.family?)));
    for (at, (fact, name)) in families.enumerate() {
        let (known, control) = (Arc::clone(&known), control.clone());
        let read = move |instrument: &dyn AsyncInstrument<f64>| {
            let mut known = known.lock();
            // They are read in the order in which they are made, and all of one reading shall be of one instant.
            if at == 0 {
                *known = control.status().ok().map(Known::now);
            }
            let Some(known) = &*known else { return };
            (fact.values)(known, &mut |labels, value| {
                let labels = labels
                    .iter()
                    .map(|(key, value)| KeyValue::new(*key, value.to_string()));
                instrument.observe(fact.in_base_unit(value), &labels.collect::<Vec<_>>());
            });
        };
        // Plain numbers have none: a store of Prometheus would append `_ratio` to the name of a gauge.
        let unit = match &*fact.unit.code() {
            "ns" => "s".to_owned(),
            "1" => String::new(),
            code => code.to_owned(),
        };
        match fact.kind {
            MetricKind::Gauge => {
                let gauge = meter.f64_observable_gauge(name).with_unit(unit);
                gauge
                    .with_description(fact.description)
                    .with_callback(read)
                    .build();
            }
            MetricKind::Delta | MetricKind::Counter => {
                let counter = meter.f64_observable_counter(name).with_unit(unit);
                counter
                    .with_description(fact.description)
                    .with_callback(read)
                    .build();
            }
        }
    }
}
