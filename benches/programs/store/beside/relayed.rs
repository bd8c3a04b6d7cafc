//! What an agent sends to a server.

use std::net::Ipv4Addr;

use alumet_benches::drive::{Feed, drive, record};
use alumet_core::failure::Failure;
use alumet_core::spool::{Definitions, InstanceId, Record};
use alumet_plugin_relay_client::{Config, Servers};
use alumet_shared_batch_encoding::{Encoded, Encoder};
use tokio::runtime::Runtime;

use super::data::Span;
use super::remote_write::NODE;

/// Batches as an agent encodes them.
pub(crate) struct Relayed {
    pub(crate) samples: usize,
    batches: Vec<Encoded>,
    definitions: Vec<Definitions>,
}

/// Gives each once, unless a session fails.
struct Once<'a> {
    relayed: &'a Relayed,
    given: u64,
    acknowledged: u64,
}

impl Relayed {
    pub(crate) fn prepare(span: Span) -> Self {
        let mut encoder = Encoder::new(1);
        let mut all = Self {
            samples: 0,
            batches: Vec::new(),
            definitions: Vec::new(),
        };
        span.each(|_, batch| {
            all.samples += batch.len();
            let encoded = encoder.encode(&batch);
            all.definitions.extend(encoded.definitions.clone());
            all.batches.push(encoded);
        });
        all
    }

    /// Sends all to a server at this port, and waits until it has them on disk.
    pub(crate) fn send(&self, port: u16) {
        let config = Config {
            client_name: Some(NODE.to_owned()),
            relay_server: Servers::One(format!("{}:{port}", Ipv4Addr::LOCALHOST)),
            ..Config::default()
        };
        let mut feed = Once {
            relayed: self,
            given: 0,
            acknowledged: 0,
        };
        let runtime = Runtime::new().expect("a runtime");
        let mut instance = [7; 16];
        instance[..4].copy_from_slice(&std::process::id().to_le_bytes());
        runtime.block_on(drive(&config, InstanceId(instance), &mut feed));
    }
}

impl Feed for Once<'_> {
    async fn next(&mut self) -> Option<Record> {
        let batch = self.relayed.batches.get(self.given as usize)?;
        self.given += 1;
        Some(record(self.given, batch))
    }

    fn definitions(&self) -> Vec<Definitions> {
        self.relayed.definitions.clone()
    }

    fn acknowledge(&mut self, sequence: u64) {
        self.acknowledged = sequence;
    }

    fn rewind(&mut self) {
        self.given = self.acknowledged;
    }

    fn failed(&self, failure: &Failure) {
        println!("a session failed: {failure}");
    }
}
