//! A server that stores durably and writes nowhere, as a process of its own.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use alumet_core::pipeline::Pipeline;
use alumet_plugin_relay_server::RelayServerPlugin;

use crate::pipelines::{Blueprint, durable_null};

/// Serves as `config.toml` says until its standard input ends. A file `delivered` holds how many samples its output is
/// done with.
pub(crate) fn run() {
    let text = std::fs::read_to_string("config.toml").expect("a configuration");
    let config: toml::Table = text.parse().expect("TOML");
    let config = config["plugins"]["relay-server"].clone();
    let config = config.try_into().expect("the table of the relay server");
    let mut blueprint = Blueprint::new(PathBuf::from("spool.db"));
    let builder = &mut blueprint.builder;
    builder
        .plugin::<RelayServerPlugin>(config)
        .expect("a relay server");
    durable_null(builder);
    let running = blueprint.start();
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
        while !ended.is_finished() {
            note(&running.pipeline);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    running.pipeline.stop(Duration::from_secs(5));
}

fn note(pipeline: &Pipeline) {
    let Ok(status) = pipeline.control().status() else {
        return;
    };
    let delivered: u64 = status
        .ledger
        .outputs
        .values()
        .map(|account| account.delivered)
        .sum();
    let written = std::fs::write("delivered.new", delivered.to_string());
    let _ = written.and_then(|()| std::fs::rename("delivered.new", "delivered"));
}
