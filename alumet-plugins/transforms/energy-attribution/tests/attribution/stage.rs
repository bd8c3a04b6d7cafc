//! A plugin on the work bench, with the series that sources would bring, in streams that a test moves by hand.

use std::collections::HashMap;
use std::time::Duration;

use alumet_core::metric::{MetricDef, Quality};
use alumet_core::output::RecordedSample;
use alumet_core::progress::{Progress, StreamId};
use alumet_core::series::SeriesHandle;
use alumet_core::spool::{InstanceId, Origin};
use alumet_core::testkit::{Bench, ManualClock};
use alumet_core::time::{Clock, Moment, Monotonic};
use alumet_core::unit::Unit;
use alumet_core::value::{Number, Value, ValueType};
use alumet_core::{Attributes, Batch, Consumer, Resource, Timestamp};
use alumet_plugin_energy_attribution::{Config, EnergyAttributionPlugin};

alumet_core::metrics! {
    pub RAPL = Delta<f64> {
        name: "rapl_consumed_energy", unit: Unit::JOULE, description: "For this test.",
    };
    pub ESTIMATED = Delta<f64> {
        name: "estimated_consumed_energy", unit: Unit::JOULE, description: "For this test.", quality: Estimated,
    };
    pub CPU_TIME = Delta<u64> {
        name: "cpu_time_delta", unit: Unit::SECOND.nano(), description: "For this test.",
    };
    pub TREE_TIME = Delta<u64> {
        name: "process_tree_cpu_time", unit: Unit::SECOND.nano(), description: "For this test.",
    };
    pub KERNEL_TIME = Delta<u64> {
        name: "kernel_cpu_time", unit: Unit::SECOND.milli(), description: "For this test.",
    };
    pub GPU_ENERGY = Delta<f64> {
        name: "nvml_energy_consumption", unit: Unit::JOULE.milli(), description: "For this test.",
    };
    pub GPU_UTILIZATION = Gauge<u64> {
        name: "nvml_sm_utilization", unit: Unit::PERCENT, description: "For this test.",
    };
    pub GPU_TIME = Delta<u64> {
        name: "amd_gpu_process_engine_gfx", unit: Unit::SECOND.nano(), description: "For this test.",
    };
    pub GPU_SM_TIME = Delta<u64> {
        name: "nvml_process_sm_time", unit: Unit::SECOND.nano(), description: "For this test.",
    };
    pub GPU_ENGINE = Delta<u64> {
        name: "intel_gpu_process_engine_time", unit: Unit::SECOND.nano(), description: "For this test.",
    };
    pub GPU_MODELLED = Delta<f64> {
        name: "nvml_estimated_energy_consumption", unit: Unit::JOULE.milli(), description: "For this test.", quality: Modelled,
    };
    pub GPU_CARD = Delta<f64> {
        name: "intel_gpu_energy", unit: Unit::JOULE, description: "For this test.",
    };
    pub INSTRUCTIONS = Delta<u64> {
        name: "perf_INSTRUCTIONS", unit: Unit::ONE, description: "For this test.",
    };
    pub CPU_PERCENT = Gauge<f64> {
        name: "cpu_percent", unit: Unit::PERCENT, description: "For this test.",
    };
}

/// The plugin, and all that came out of it.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    streams: HashMap<(&'static str, &'static str), StreamId>,
    pub(crate) emitted: Vec<RecordedSample>,
    /// When the machine of a node was started, in nanoseconds.
    boots: HashMap<&'static str, u64>,
    /// How much the wall clock was set forth, in milliseconds.
    pub(crate) set_forth: i64,
}

impl Stage {
    pub(crate) fn new(config: Config) -> Self {
        Self::on(Bench::start::<EnergyAttributionPlugin>(config, "/").unwrap())
    }

    pub(crate) fn on(bench: Bench) -> Self {
        Self {
            bench,
            streams: HashMap::new(),
            emitted: Vec::new(),
            boots: HashMap::new(),
            set_forth: 0,
        }
    }

    pub(crate) fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    pub(crate) fn series<T: Number>(
        &self,
        metric: &MetricDef<T>,
        resource: &Resource,
        consumer: &Consumer,
        attributes: &[(&'static str, &str)],
    ) -> SeriesHandle {
        let catalog = self.bench.catalog();
        let metric = catalog.metric(metric).unwrap();
        let series = catalog.series(metric, resource.clone(), consumer.clone());
        let attributes: Attributes = attributes
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect();
        series.attributes(&attributes).register().handle().clone()
    }

    pub(crate) fn package(&self, id: u32) -> SeriesHandle {
        self.series(
            &RAPL,
            &Resource::CpuPackage { id },
            &Consumer::LocalMachine,
            &[("domain", "package")],
        )
    }

    pub(crate) fn dram(&self, package: u32) -> SeriesHandle {
        self.series(
            &RAPL,
            &Resource::Dram { package },
            &Consumer::LocalMachine,
            &[("domain", "dram")],
        )
    }

    pub(crate) fn kernel(&self, state: &str) -> SeriesHandle {
        self.series(
            &KERNEL_TIME,
            &Resource::LocalMachine,
            &Consumer::LocalMachine,
            &[("cpu_state", state)],
        )
    }

    pub(crate) fn process(&self, pid: u32) -> SeriesHandle {
        self.series(
            &CPU_TIME,
            &Resource::LocalMachine,
            &process(pid),
            &[("kind", "user")],
        )
    }

    pub(crate) fn group(&self, path: &str) -> SeriesHandle {
        self.series(
            &CPU_TIME,
            &Resource::LocalMachine,
            &group(path),
            &[("kind", "total")],
        )
    }

    /// Lets time pass until so many milliseconds after the start.
    pub(crate) fn at(&self, milliseconds: u64) {
        let wanted = Monotonic::from_nanos(1_000_000_000) + Duration::from_millis(milliseconds);
        let now = self.bench.clock().now().monotonic;
        self.bench.advance(wanted.since(now));
    }

    /// One batch of a stream of this machine, complete until so many milliseconds after the start, in which all samples were made.
    pub(crate) fn samples<'a>(
        &mut self,
        stream: &'static str,
        milliseconds: u64,
        samples: impl IntoIterator<Item = (&'a SeriesHandle, f64)>,
    ) {
        let nanos = milliseconds * 1_000_000;
        let samples = samples
            .into_iter()
            .map(|(series, value)| (series, nanos, value))
            .collect::<Vec<_>>();
        self.batch("", stream, nanos, samples);
    }

    /// One batch of a stream of a node; times are nanoseconds after the start.
    pub(crate) fn batch<'a>(
        &mut self,
        node: &'static str,
        stream: &'static str,
        until: u64,
        samples: impl IntoIterator<Item = (&'a SeriesHandle, u64, f64)>,
    ) {
        let mut batch = self.prepare(node, stream, until, samples);
        let inputs = batch.len();
        self.bench.transform(&mut batch).unwrap();
        let samples = RecordedSample::of_batch(&batch).into_iter();
        self.emitted.extend(samples.skip(inputs));
    }

    /// Such a batch, which the plugin has not seen yet.
    pub(crate) fn prepare<'a>(
        &mut self,
        node: &'static str,
        stream: &'static str,
        until: u64,
        samples: impl IntoIterator<Item = (&'a SeriesHandle, u64, f64)>,
    ) -> Batch {
        let boot = self.boots.get(node).copied().unwrap_or(0);
        let set_forth = self.set_forth * 1_000_000;
        let wall = |nanos| Timestamp::from_nanos(wall(nanos).as_nanos() + set_forth);
        let mut batch = self.bench.catalog().batch();
        for (series, nanos, value) in samples {
            let value = match series.id().value_type() {
                ValueType::U64 => Value::U64(value as u64),
                ValueType::I64 => Value::I64(value as i64),
                ValueType::F64 => Value::F64(value),
            };
            batch.push_value(series, wall(nanos), value).unwrap();
        }
        let stream = *self.streams.entry((node, stream)).or_insert_with(StreamId::new);
        let until = Moment {
            wall: wall(until),
            monotonic: Monotonic::from_nanos(1_000_000_000 + until - boot),
        };
        batch.set_progress(Progress { stream, until });
        // That of another machine has come from there.
        if !node.is_empty() {
            batch.set_origin(Origin {
                instance: InstanceId([0; 16]),
                sequence: 0,
                checksum: 0,
            });
        }
        batch
    }

    /// The machine of a node is started anew: its clock and its streams begin again.
    pub(crate) fn reboot(&mut self, node: &'static str, nanos: u64) {
        self.boots.insert(node, nanos);
        self.streams.retain(|(of, _), _| *of != node);
    }

    pub(crate) fn tick(&mut self) {
        self.emitted.extend(self.bench.tick().unwrap());
    }

    pub(crate) fn finish(&mut self) {
        self.emitted.extend(self.bench.finish().unwrap());
    }

    /// The text with which a consumer's results are explained.
    pub(crate) fn explain(&self, consumer: &Consumer) -> String {
        self.bench.control().explain(consumer).unwrap_or_default()
    }

    /// What was emitted since this was last asked, but for the zeros with which series begin: `milliseconds: sample`.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let mut lines: Vec<_> = std::mem::take(&mut self.emitted)
            .into_iter()
            .filter(|sample| sample.value.as_f64() != 0.0)
            .map(|sample| line(&sample))
            .collect();
        lines.sort();
        lines
    }
}

/// With nine digits, so that what is rounded off does not show.
fn line(sample: &RecordedSample) -> String {
    let value = (sample.value.as_f64() * 1e9).round() / 1e9;
    let series = &sample.series;
    let resource = match series.resource() {
        Resource::LocalMachine => String::new(),
        other => format!(" {other}"),
    };
    let quality = match series.metric.quality {
        Quality::Estimated => ", estimated",
        _ => "",
    };
    format!(
        "{}: {}{resource} {} {} {value}{quality}",
        millis(sample.timestamp),
        series.metric.name,
        series.consumer(),
        series.attributes()
    )
}

pub(crate) fn millis(timestamp: Timestamp) -> i64 {
    (timestamp.as_nanos() - ManualClock::START.as_nanos()) / 1_000_000
}

pub(crate) fn wall(nanos: u64) -> Timestamp {
    ManualClock::START.saturating_add(Duration::from_nanos(nanos))
}

pub(crate) const fn process(pid: u32) -> Consumer {
    Consumer::Process { pid }
}

pub(crate) fn group(path: &str) -> Consumer {
    Consumer::ControlGroup { path: path.into() }
}
