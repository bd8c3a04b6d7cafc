//! A pipeline that counts, with a spool on disk and one output.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::catalog::Catalog;
use alumet_core::pipeline::{Ledger, OutputAccount, Pipeline, PipelineBuilder};
use alumet_core::plugin::Plugin;
use alumet_core::series::Series;
use alumet_core::source::{Accumulator, Source};
use alumet_core::spool::{Spool, SpoolSlot};
use alumet_core::{Consumer, Failure, Resource, unit::Unit};
use alumet_shared_spool::{DiskSpool, SpoolConfig};

use crate::network::{Mood, Network};

alumet_core::metrics! {
    pub(crate) NUMBER = Gauge<u64> {
        name: "number",
        unit: Unit::ONE,
        description: "One more with each sample.",
        resources: ["local_machine"],
        consumers: ["process"],
        attributes: [],
    };
}

/// Counts: each poll makes as many numbers as there are series.
struct Numbers {
    series: Vec<Series<u64>>,
    next: u64,
}

impl Source for Numbers {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for series in &self.series {
            out.push(series, self.next);
            self.next += 1;
        }
        Ok(())
    }
}

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// A pipeline that gives an output, whose queue is durable unless it says otherwise, ten samples of the metric `number` each 10 ms: `first`, and
/// from there on one more each. The spool is in `folder`.
pub fn run<P: Plugin>(folder: &Path, config: P::Config, first: u64) -> Pipeline {
    let path = folder.join("spool.db");
    let slot = SpoolSlot::new(move |catalog: &Catalog| -> Arc<dyn Spool> {
        let config = SpoolConfig {
            path: Some(path.clone()),
            commit_interval: Duration::from_millis(5),
            ..SpoolConfig::default()
        };
        DiskSpool::open(config, catalog.clone())
    });
    let mut builder = PipelineBuilder::new().spool(slot).durable_by_default(true);
    let metric = builder.catalog().metric(&NUMBER).unwrap();
    let series = |pid| {
        let consumer = Consumer::Process { pid };
        builder
            .catalog()
            .series(metric, Resource::LocalMachine, consumer)
            .register()
    };
    let series = (1..=10).map(series).collect();
    let source = builder.source("numbers", Numbers { series, next: first });
    source.every(Duration::from_millis(10));
    builder.plugin::<P>(config).unwrap();
    builder.start().unwrap()
}

/// The account of the output in a ledger that is balanced.
pub fn account(ledger: &Ledger) -> OutputAccount {
    assert!(ledger.is_balanced(), "{ledger:?}");
    ledger.outputs.values().next().unwrap().clone()
}

/// How many samples the output has delivered.
pub fn delivered(pipeline: &Pipeline) -> u64 {
    account(&pipeline.control().status().unwrap().ledger).delivered
}

/// Whether an element of the pipeline has said all of this of its last error.
pub fn has_said(pipeline: &Pipeline, words: &[&str]) -> bool {
    let status = pipeline.control().status().unwrap();
    let errors = status.elements.iter();
    let mut errors = errors.filter_map(|element| element.last_error.as_ref());
    errors.any(|error| words.iter().all(|word| error.contains(word)))
}

/// Lets the way to the server break in every mood, and waits each time until the output has tried again, and then until it has
/// delivered more.
pub fn break_in_every_way(network: &Network, pipeline: &Pipeline) {
    for mood in [
        Mood::Away,
        Mood::Hangs,
        Mood::BreaksOff,
        Mood::Nonsense,
        Mood::Nothing,
        Mood::Slow,
    ] {
        network.set(mood);
        let connections = network.connections();
        if mood != Mood::Slow {
            until("it has tried again", || network.connections() > connections + 1);
        }
        network.set(Mood::Fine);
        let before = delivered(pipeline);
        until("it works again", || delivered(pipeline) > before + 100);
    }
}

/// Ends a pipeline when its output is done with everything, however slow the server is; gives its ledger.
pub fn finish(pipeline: &Pipeline) -> Ledger {
    let control = pipeline.control();
    control.pause(&"sources/*/*".parse().unwrap()).unwrap();
    until("everything is delivered", || {
        let ledger = control.status().unwrap().ledger;
        let account = account(&ledger);
        account.delivered + account.dropped_total() == ledger.produced + account.recovered
    });
    pipeline.stop(LONG).ledger
}

/// Waits until something is the case.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let late = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < late, "not so after {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether these are all numbers from 0 to below `count`, each once.
pub fn are_all(numbers: &[u64], count: u64) -> bool {
    let is_complete = numbers.iter().copied().eq(0..count);
    if !is_complete {
        let last = numbers.last();
        eprintln!("{} numbers of {count}, the last is {last:?}", numbers.len());
    }
    is_complete
}
