//! CPU time per sample of an agent that sends.

use std::time::Duration;

use alumet_benches::counted::Counted;
use alumet_core::output::NullOutput;
use alumet_plugin_relay_client::RelayClientPlugin;

use crate::pipelines::{Blueprint, durable_null};
use crate::place::Place;
use crate::process::{Kind, Server};

/// Where samples go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Null,
    /// Nowhere, after they were on disk.
    Spool,
    Server {
        has_tls: bool,
    },
}

/// Each is compared with the same pipeline with a null output.
pub(crate) fn run() {
    let ways = [
        ("null output", To::Null),
        ("spool, then null output", To::Spool),
        (
            "spool, then a server in plain text",
            To::Server { has_tls: false },
        ),
        ("spool, then a server with TLS", To::Server { has_tls: true }),
    ];
    for (interval, seconds) in [(Duration::from_secs(1), 20), (Duration::from_millis(50), 8)] {
        println!("8000 series every {interval:?}, all values change, CPU of all threads:");
        let mut null = 0.0;
        for (name, to) in ways {
            let nanos = measure(to, interval, seconds);
            if to == To::Null {
                null = nanos;
            }
            println!(
                "  {name:<36} {nanos:>7.1} ns per sample, {:>7.1} more than to nowhere",
                nanos - null
            );
        }
    }
}

fn measure(to: To, interval: Duration, seconds: u64) -> f64 {
    let place = Place::new();
    let mut blueprint = Blueprint::new(place.path("spool.db"));
    blueprint.machine(interval, true);
    let builder = &mut blueprint.builder;
    let mut server = None;
    match to {
        To::Null => {
            builder.output("null", NullOutput);
        }
        To::Spool => {
            durable_null(builder);
        }
        To::Server { has_tls } => {
            let server = server.insert(Server::start(&place, "server", Kind::Null, has_tls));
            let config = place.client_config(server.address, "node", has_tls);
            builder.plugin::<RelayClientPlugin>(config).expect("a client");
        }
    }
    let running = blueprint.start();
    std::thread::sleep(Duration::from_secs(3));
    let produced = || {
        running
            .pipeline
            .control()
            .status()
            .expect("a pipeline")
            .ledger
            .produced
    };
    let (cpu, before) = (Counted::read(std::process::id()).cpu_nanos, produced());
    std::thread::sleep(Duration::from_secs(seconds));
    let cpu = Counted::read(std::process::id()).cpu_nanos - cpu;
    let samples = produced() - before;
    let report = running.pipeline.stop(Duration::from_secs(5));
    assert!(report.is_complete(), "everything arrives: {report:?}");
    cpu as f64 / samples as f64
}
