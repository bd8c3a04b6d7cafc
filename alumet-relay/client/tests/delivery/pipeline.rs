//! The plugin in a pipeline, with a spool on disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::series::Series;
use alumet_core::source::{Accumulator, Source};
use alumet_core::spool::{Definitions, Spool, SpoolSlot};
use alumet_core::{Consumer, Failure, Resource, unit::Unit};
use alumet_plugin_relay_client::{Config, RelayClientPlugin};
use alumet_relay_protocol::v1::client_message::Message;
use alumet_shared_batch_encoding::{Amendment, Decoder, Limits};
use alumet_shared_spool::{DiskSpool, SpoolConfig};

use crate::proxy::{Harm, Proxy};
use crate::rig::{config_of, until};
use crate::server::{Behaviour, Server, Store, listen};

alumet_core::metrics! {
    pub(crate) NUMBER = Gauge<u64> {
        name: "number",
        unit: Unit::ONE,
        description: "One more with each sample.",
        resources: ["local_machine"],
        consumers: ["local_machine"],
        attributes: [],
    };
}

/// Counts its polls, from where the last run has ended.
struct Numbers {
    series: Series<u64>,
    next: u64,
}

impl Source for Numbers {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        out.push(&self.series, self.next);
        self.next += 1;
        Ok(())
    }
}

fn start(folder: &Path, config: Config, first: u64) -> Pipeline {
    let path = folder.join("spool.db");
    let slot = SpoolSlot::new(move |catalog: &Catalog| -> Arc<dyn Spool> {
        let config = SpoolConfig {
            path: Some(path.clone()),
            ..SpoolConfig::default()
        };
        DiskSpool::open(config, catalog.clone())
    });
    let mut builder = PipelineBuilder::new().spool(slot);
    let metric = builder.catalog().metric(&NUMBER).unwrap();
    let series = builder
        .catalog()
        .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
        .register();
    let source = builder.source("numbers", Numbers { series, next: first });
    source.every(Duration::from_millis(10));
    builder.plugin::<RelayClientPlugin>(config).unwrap();
    builder.start().unwrap()
}

/// How many samples were measured, and how many of them are delivered and wait.
fn account(pipeline: &Pipeline) -> (u64, u64, u64) {
    let ledger = pipeline.control().status().unwrap().ledger;
    assert!(ledger.is_balanced(), "{ledger:?}");
    let output = ledger.outputs.values().next().unwrap();
    assert_eq!(output.dropped_total(), 0, "{ledger:?}");
    (ledger.produced, output.delivered, output.spooled)
}

/// The values of all batches, each once, in the order of their numbers.
fn values(store: &Store) -> Vec<u64> {
    let catalog = Catalog::new();
    let mut decoder = Decoder::new(Limits::default());
    let mut by_sequence = BTreeMap::new();
    let messages = store.with(|stored| stored.messages.clone());
    for message in messages {
        match message {
            Message::Definitions(definitions) => {
                let definitions = Definitions {
                    generation: definitions.generation,
                    first: definitions.first,
                    count: definitions.count,
                    payload: definitions.payload.to_vec().into(),
                };
                decoder
                    .define(&definitions, &catalog, &Amendment::default())
                    .unwrap();
            }
            Message::Batch(batch) => {
                let mut samples = catalog.batch();
                decoder
                    .decode(batch.generation, &batch.payload, &mut samples)
                    .unwrap();
                let values: Vec<u64> = samples
                    .samples()
                    .map(|sample| sample.value().to_string().parse().unwrap())
                    .collect();
                assert_eq!(values.len(), batch.samples as usize);
                by_sequence.insert(batch.sequence, values);
            }
            _ => panic!("no other message was expected"),
        }
    }
    by_sequence.into_values().flatten().collect()
}

fn real() -> Behaviour {
    Behaviour {
        is_real: true,
        commit: Duration::from_millis(2),
        ..Behaviour::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_of_two_runs_arrive_once_over_a_bad_line_and_the_ledger_is_exact() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Store::default());
    let address = listen(([127, 0, 0, 1], 0).into()).local_addr().unwrap();

    // The first run finds no server, and leaves everything in the spool.
    let pipeline = start(folder.path(), config_of(address), 0);
    until("it measures", || account(&pipeline).0 >= 20).await;
    let (_, delivered, _) = account(&pipeline);
    assert_eq!(delivered, 0);
    let report = tokio::task::spawn_blocking(move || {
        let report = pipeline.stop(Duration::from_secs(10));
        drop(pipeline);
        report
    });
    let report = report.await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let first = report.ledger.outputs.values().next().unwrap().spooled;
    assert_eq!(first, report.ledger.produced);

    // The second one finds it behind a bad line.
    let server = Server::start(real(), store.clone()).await;
    let proxy = Proxy::start(server.address, Harm::CutWithin(6_000), 5).await;
    let pipeline = start(folder.path(), config_of(proxy.address), first);
    until("much is delivered", || account(&pipeline).1 >= first + 50).await;
    let report = tokio::task::spawn_blocking(move || pipeline.stop(Duration::from_secs(20)));
    let report = report.await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    let output = report.ledger.outputs.values().next().unwrap();
    assert_eq!(output.recovered, first);
    assert_eq!(output.delivered + output.spooled, first + report.ledger.produced);

    let values = values(&store);
    assert_eq!(values, (0..values.len() as u64).collect::<Vec<_>>());
    assert!(
        values.len() as u64 >= output.delivered,
        "{} {output:?}",
        values.len()
    );
    store.with(|stored| assert_eq!(stored.violations, [""; 0]));
}
