//! Pipelines in this process, as the agent and the server make them: all asynchronous work is in one thread.

use std::path::PathBuf;
use std::time::Duration;

use alumet_core::output::{NullOutput, QueuePolicy};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::spool::SpoolSlot;
use alumet_shared_spool::{DiskSpool, SpoolConfig};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::machine::Machine;

/// How many control groups a machine has: 8000 series.
pub(crate) const GROUPS: usize = 1000;

/// A pipeline that waits for its elements.
pub(crate) struct Blueprint {
    pub(crate) builder: PipelineBuilder,
    end: DropGuard,
}

/// A pipeline that runs, in a runtime of its own.
pub(crate) struct Running {
    pub(crate) pipeline: Pipeline,
    _end: DropGuard,
}

impl Blueprint {
    /// With a spool in this file.
    pub(crate) fn new(spool: PathBuf) -> Self {
        let (runtime, end) = runtime();
        let spool = SpoolConfig {
            path: Some(spool),
            ..SpoolConfig::default()
        };
        let slot = SpoolSlot::new(move |catalog| DiskSpool::open(spool.clone(), catalog.clone()));
        let builder = PipelineBuilder::new().runtime(runtime).spool(slot);
        Self { builder, end }
    }

    /// Adds a machine of which every value changes with every tick, or none.
    pub(crate) fn machine(&mut self, every: Duration, is_busy: bool) {
        let mut machine = Machine::new(self.builder.catalog(), GROUPS);
        if !is_busy {
            machine = machine.at_rest();
        }
        self.builder.source("machine", machine).every(every);
    }

    pub(crate) fn start(self) -> Running {
        Running {
            pipeline: self.builder.start().expect("a pipeline"),
            _end: self.end,
        }
    }
}

/// Adds an output that takes everything from the spool and writes nowhere.
pub(crate) fn durable_null(builder: &mut PipelineBuilder) {
    builder.output("null", NullOutput).queue(QueuePolicy {
        durable: Some(true),
        ..QueuePolicy::default()
    });
}

/// A runtime with one thread, as that of the agent and the server, and what ends it.
fn runtime() -> (Handle, DropGuard) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (handle, end) = (runtime.handle().clone(), CancellationToken::new());
    let ended = end.clone().cancelled_owned();
    std::thread::spawn(move || runtime.block_on(ended));
    (handle, end.drop_guard())
}
