//! Bytes per sample on the wire, and what they are for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use alumet_benches::groups::Groups;
use alumet_plugin_relay_client::{Config, RelayClientPlugin};

use crate::flow::Flow;
use crate::pipelines::{Blueprint, GROUPS, Running};
use crate::place::{Place, client_table};
use crate::process::{Kind, Process, Server};
use crate::proxy::Proxy;

/// The handshake and the first batches, with all names, come before.
const WARM_UP: Duration = Duration::from_secs(6);
const SECONDS: u64 = 30;

/// Something that sends through a proxy: an agent, or a pipeline in this process.
enum Sender {
    #[expect(dead_code, reason = "it runs as long as it is held")]
    Agent(Process),
    Pipeline(Running),
}

/// Runs everything with and without TLS at the same time; the second shows what the bytes are for.
pub(crate) fn run(cgroups: Option<u32>) {
    let place = Place::new();
    if let Some(cgroups) = cgroups {
        let _groups = Groups::make(cgroups).expect("control groups");
        println!("alumet-agent with the plugin cgroups ({cgroups} of them), idle:");
        measure(&place, "idle", &|config, name| agent(&place, config, name));
    }
    let pipeline = |config, name: &str, is_busy| {
        let spool = place.path(name).join("spool.db");
        Sender::Pipeline(pipeline(config, spool, is_busy))
    };
    println!("{GROUPS} control groups that use no CPU time and hold their memory:");
    measure(&place, "idle-memory", &|config, name| {
        pipeline(config, name, false)
    });
    println!("{GROUPS} control groups of which every value changes with every tick:");
    measure(&place, "busy", &|config, name| pipeline(config, name, true));
}

fn measure(place: &Place, name: &str, start: &dyn Fn(Config, &str) -> Sender) {
    let begin = |has_tls: bool| {
        let name = format!("{name}-{}", if has_tls { "tls" } else { "plain" });
        let server = Server::start(place, &format!("{name}-server"), Kind::Csv, has_tls);
        let proxy = Proxy::start(server.address, has_tls);
        let config = place.client_config(proxy.address, &name, has_tls);
        let sender = start(config, &name);
        (server, proxy, sender)
    };
    let (tls, plain) = (begin(true), begin(false));
    std::thread::sleep(WARM_UP);
    let first = (tls.1.there(), plain.1.there());
    let (before, back, began) = (tls.0.written(), tls.1.back(), Instant::now());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let seconds = began.elapsed().as_secs_f64();
    let samples = tls.0.written() - before;
    let (tls_flow, plain_flow) = (tls.1.there().since(&first.0), plain.1.there().since(&first.1));
    println!(
        "  with TLS: {:.3} bytes per sample, of which TLS {:.3}; {:.3} come back; {:.0} samples/s, {samples} in all",
        per(tls_flow.total, samples),
        per(tls_flow.tls, samples),
        per(tls.1.back() - back, samples),
        samples as f64 / seconds,
    );
    print("  without, after the start", &plain_flow);
    print("  without, the first seconds", &first.1);
    println!(
        "  with TLS, the first seconds: {} bytes, of which TLS {}",
        first.0.total, first.0.tls
    );
    for sender in [tls.2, plain.2] {
        if let Sender::Pipeline(running) = sender {
            running.pipeline.stop(Duration::from_secs(5));
        }
    }
}

fn print(what: &str, flow: &Flow) {
    println!(
        "{what}: {} bytes for {} samples in {} batches: {:.3} per sample; payload {:.3}, gRPC {:.4}, HTTP/2 {:.4}; definitions {} \
         bytes",
        flow.total,
        flow.samples,
        flow.batches,
        per(flow.total, flow.samples),
        per(flow.payload, flow.samples),
        per(flow.grpc, flow.samples),
        per(flow.http2, flow.samples),
        flow.definitions,
    );
}

fn per(bytes: u64, samples: u64) -> f64 {
    bytes as f64 / samples.max(1) as f64
}

fn agent(place: &Place, config: Config, name: &str) -> Sender {
    let folder = place.folder(name);
    let text = format!(
        "pipeline.self_metrics = '0s'\n[plugins.cgroups]\npoll_interval = '1s'\nhierarchy = 'v2'\ninclude = ['{}']\n\n{}",
        Groups::pattern(),
        client_table(&config)
    );
    place.write(&format!("{name}/config.toml"), &text);
    Sender::Agent(Process::start("alumet-agent", &folder))
}

fn pipeline(config: Config, spool: PathBuf, is_busy: bool) -> Running {
    let mut blueprint = Blueprint::new(spool);
    blueprint.machine(Duration::from_secs(1), is_busy);
    let builder = &mut blueprint.builder;
    builder.plugin::<RelayClientPlugin>(config).expect("a client");
    blueprint.start()
}
