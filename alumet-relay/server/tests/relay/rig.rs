//! A server in a pipeline, with a spool and an output that records.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::progress::Progress;
use alumet_core::spool::SpoolSlot;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, Catalog};
use alumet_plugin_relay_server::{Config, RelaySource};

use alumet_shared_spool::{DiskSpool, SpoolConfig};
use parking_lot::Mutex;

use crate::spool::GatedSpool;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs. It is stopped when it is dropped.
pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) catalog: Catalog,
    pub(crate) spool: GatedSpool,
    pub(crate) recording: Recording,
    /// Of all batches that transforms were given.
    pub(crate) progress: Arc<Mutex<Vec<Option<Progress>>>>,
    pipeline: Option<Pipeline>,
}

impl Rig {
    /// With the default configuration, on a free port.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(GatedSpool::default(), change)
    }

    /// With a spool that another server had before.
    pub(crate) fn on(spool: GatedSpool, change: impl FnOnce(&mut Config)) -> Self {
        let shared = spool.clone();
        Self::with_slot(SpoolSlot::new(move |_| Arc::new(shared.clone())), spool, change)
    }

    /// With a spool on disk.
    pub(crate) fn on_disk(path: &Path) -> Self {
        let path = path.to_owned();
        let slot = SpoolSlot::new(move |catalog| {
            let config = SpoolConfig {
                path: Some(path.clone()),
                ..SpoolConfig::default()
            };
            DiskSpool::open(config, catalog.clone())
        });
        Self::with_slot(slot, GatedSpool::default(), |_| {})
    }

    fn with_slot(slot: SpoolSlot, spool: GatedSpool, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            address: "127.0.0.1:0".to_owned(),
            ..Config::default()
        };
        change(&mut config);
        let mut builder = PipelineBuilder::new().spool(slot.clone());
        let opened = slot.get_or_open(builder.catalog()).unwrap().clone();
        let source = RelaySource::bind(config, builder.catalog(), opened).unwrap();
        let address = source.local_address().unwrap();
        builder.event_source("server", source);
        let progress = Arc::default();
        builder.transform("progress", Noting(Arc::clone(&progress)));
        let output = RecordingOutput::new();
        let recording = output.recording();
        builder.output("out", output);
        let catalog = builder.catalog().clone();
        Self {
            address,
            catalog,
            spool,
            recording,
            progress,
            pipeline: Some(builder.start().unwrap()),
        }
    }

    /// All samples that came, as text, without those that the server makes of itself.
    pub(crate) fn lines(&self) -> Vec<String> {
        let samples = self.recording.samples();
        let lines = samples.iter().map(ToString::to_string);
        lines.filter(|line| !line.starts_with("relay_")).collect()
    }

    /// Whether a client waits and nothing is taken of any.
    pub(crate) fn is_stalled(&self) -> bool {
        let status = self.pipeline.as_ref().unwrap().control().status().unwrap();
        let mut elements = status.elements.iter();
        elements.any(|element| element.key.name == "server" && element.stalled.is_some())
    }

    /// Ends it, and gives what the server said of itself.
    pub(crate) fn stop(mut self) -> Vec<String> {
        if let Some(pipeline) = self.pipeline.take() {
            assert!(pipeline.stop(PATIENCE).is_complete());
        }
        let samples = self.recording.samples();
        let lines = samples.iter().map(ToString::to_string);
        lines.filter(|line| line.starts_with("relay_")).collect()
    }
}

/// Notes how far batches say that their streams have come.
struct Noting(Arc<Mutex<Vec<Option<Progress>>>>);

impl Transform for Noting {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        self.0.lock().push(batch.progress());
        Ok(())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.stop(PATIENCE);
        }
    }
}
