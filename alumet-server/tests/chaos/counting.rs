//! A source of numbered samples, and a record of those that are safe.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Control;
use alumet_core::plugin::{Plugin, StartContext, StartError};
use alumet_core::source::{Accumulator, Source};
use alumet_core::spool::Spool;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Failure, Resource, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

alumet_core::metrics! {
    /// 0, 1, 2, … in each run.
    pub NUMBER = Gauge<u64> {
        name: "number",
        unit: Unit::ONE,
        description: "Counts the samples of a run from zero.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: ["run"],
    };
}

/// How fast it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Config {
    /// The time between two polls.
    pub(crate) poll_interval: HumanDuration,
    /// How many samples a poll makes.
    pub(crate) per_poll: u64,
    /// A file to which `RUN COUNT` is appended whenever so many samples of the run are on disk.
    pub(crate) safe: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration(Duration::from_millis(10)),
            per_poll: 20,
            safe: PathBuf::from("safe.txt"),
        }
    }
}

/// Counts.
#[derive(Debug)]
pub(crate) struct CountingPlugin {
    stop: Arc<AtomicBool>,
    witness: Option<JoinHandle<()>>,
}

impl Plugin for CountingPlugin {
    const ID: &'static str = "counting";
    const SUMMARY: &'static str = "Counts.";
    type Config = Config;

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let run = format!("{}-{}", std::process::id(), alumet.clock().now().wall.as_nanos());
        let metric = alumet.metric(&NUMBER)?;
        let series = alumet
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .attribute("run", run.as_str())
            .register();
        let counted = Arc::new(AtomicU64::new(0));
        let source = CountingSource {
            series,
            next: 0,
            per_poll: config.per_poll,
            counted: Arc::clone(&counted),
        };
        alumet.source("numbers", source).every(*config.poll_interval);
        let stop = Arc::new(AtomicBool::new(false));
        let witness = alumet.spool().cloned().map(|spool| {
            let (control, stop) = (alumet.control().clone(), Arc::clone(&stop));
            std::thread::spawn(move || bear_witness(&control, &*spool, &run, &config.safe, &counted, &stop))
        });
        Ok(Self { stop, witness })
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(witness) = self.witness.take() {
            let _ = witness.join();
        }
    }
}

struct CountingSource {
    series: Series<u64>,
    next: u64,
    per_poll: u64,
    counted: Arc<AtomicU64>,
}

impl Source for CountingSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        for number in self.next..self.next + self.per_poll {
            out.push(&self.series, number);
        }
        self.next += self.per_poll;
        self.counted.store(self.next, Ordering::Release);
        Ok(())
    }
}

/// Writes down how much is on disk, until it is told to stop.
fn bear_witness(
    control: &Control,
    spool: &dyn Spool,
    run: &str,
    safe: &PathBuf,
    counted: &AtomicU64,
    stop: &AtomicBool,
) {
    let ledger = || control.status().map(|status| status.ledger);
    while !stop.load(Ordering::Relaxed) {
        let count = counted.load(Ordering::Acquire);
        // By then, what was counted is booked.
        std::thread::sleep(Duration::from_millis(200));
        let Ok(before) = ledger() else { continue };
        // While the configuration changes, samples are kept back before the spool.
        let has_passed = || ledger().is_ok_and(|now| now.routed >= before.produced);
        while !has_passed() && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if has_passed() && spool.commit(Duration::from_millis(500)) && spool.status().fault.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(safe);
            let _ = file.and_then(|mut file| file.write_all(format!("{run} {count}\n").as_bytes()));
        }
    }
}
