//! From the configuration to the sources.

use std::borrow::Cow;
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricDoc, MetricKind, Quality};
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Consumer, Resource};
use alumet_reader_perf_event::Libpfm;
use parking_lot::Mutex;

use crate::announcements::Announcements;
use crate::config::{Config, NamedEvent};
use crate::counted::Events;
use crate::machine::{Machine, most_descriptors};
use crate::source::{Measured, PerfSource, State};
use crate::{metrics, notes};

/// Counters of many groups take the kernel long to open and to close, and to read on other CPUs: nobody else shall wait for that.
const THREAD: &str = "perf";

/// Counts what the CPU and the kernel count.
#[derive(Debug)]
pub struct PerfPlugin;

impl Plugin for PerfPlugin {
    const ID: &'static str = "perf";
    const SUMMARY: &'static str =
        "Counts what the CPU and the kernel count, per process, control group and CPU, with perf events.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check().map(|_| ())
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let libpfm = Libpfm::new(std::env::var_os("ALUMET_LIBPFM_LIB"));
        let countable = notes::countable(&config, config.check()?, &libpfm, alumet);
        let machine = Machine::at(alumet.root());
        let mut metrics = Vec::new();
        for (named, _) in &countable {
            let id = alumet.catalog().register_metric(metric_of(named))?;
            metrics.push(alumet.catalog().typed_metric(id)?);
        }
        let events = Events {
            events: countable.into_iter().map(|(_, event)| event).collect(),
            metrics,
            running_share: alumet.metric(&metrics::PERF_RUNNING_SHARE)?,
        };
        let cpu = machine.cpus().first().copied();
        notes::note_targets(&config, &events.events, cpu, alumet);
        if events.events.is_empty() || alumet.is_trial() {
            return Ok(Self);
        }
        let of_machine = |definition| {
            let metric = alumet.metric(definition)?;
            let series = alumet.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
            Ok::<_, StartError>(series.register())
        };
        let measured = Arc::new(Mutex::new(Measured {
            descriptors: of_machine(&metrics::PERF_DESCRIPTORS)?,
            left_out: of_machine(&metrics::PERF_LEFT_OUT)?,
            events,
            machine,
            subscription: alumet.events().subscribe(),
            most: most_descriptors(config.max_descriptors),
            state: State::default(),
            config: config.clone(),
        }));
        let source = |reads_all| PerfSource {
            measured: Arc::clone(&measured),
            reads_all,
        };
        let all = alumet.source("perf", source(true)).every(*config.poll_interval);
        all.flush_every(*config.flush_interval).thread(THREAD);
        if config.add_source_in_pause_state {
            all.paused();
        }
        let announced = alumet
            .source("perf-announced", source(false))
            .on_request()
            .thread(THREAD);
        if config.add_source_in_pause_state {
            announced.paused();
        }
        let waker = announced.waker();
        let subscription = alumet.events().subscribe();
        alumet.event_source("perf-announcements", Announcements { subscription, waker });
        Ok(Self)
    }
}

/// The metric of an event.
fn metric_of(named: &NamedEvent) -> Metric {
    let (unit, what) = match named.name.counts_time() {
        true => (Unit::SECOND.nano(), "Time"),
        false => (Unit::ONE, "Count"),
    };
    Metric {
        name: Cow::Owned(named.metric.clone()),
        kind: MetricKind::Delta,
        value_type: ValueType::U64,
        unit,
        description: Cow::Owned(format!("{what} of the perf event `{}`.", named.text)),
        quality: Quality::Measured,
    }
}
