//! The telemetry of many GPUs: from a file through NATS to collectors, and from them through gateways.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use alumet_shared_output_testkit::{Nats, dcgm_dump, free_port, until};
use tempfile::TempDir;

use crate::process::Process;
use crate::shape::{Api, Program};

const GPUS: u32 = 247;
const HOSTS: u32 = 31;
/// Shorter than in the example, so that what was not acknowledged comes again soon.
const ACK_WAIT: Duration = Duration::from_secs(3);

/// The values of each metric of each GPU, with the host of the GPU.
type Values = BTreeMap<(String, String, String), Vec<f64>>;

/// What is in the file that is replayed.
fn sent() -> Values {
    let dump = dcgm_dump(GPUS);
    let rows = dump.lines().skip(1).map(|row| {
        let fields: Vec<_> = row.split("\",\"").map(str::to_owned).collect();
        let key = (fields[4].clone(), fields[6].clone(), fields[1].clone());
        (key, vec![fields[10].parse().unwrap()])
    });
    rows.collect()
}

/// All values that a server answers with.
fn answered(api: &Api) -> Values {
    let mut values = Values::new();
    let list = api.get("/api/v1/gpus?limit=1000");
    for gpu in list["gpus"].as_array().unwrap() {
        let gpu = gpu.as_str().unwrap();
        let telemetry = api.get(&format!("/api/v1/gpus/{gpu}/telemetry?limit=1000"));
        for entry in telemetry["data"].as_array().unwrap() {
            let host = entry["hostname"].as_str().unwrap();
            for (metric, value) in entry["metrics"].as_object().unwrap() {
                let key = (gpu.to_owned(), host.to_owned(), metric.clone());
                values.entry(key).or_default().push(value.as_f64().unwrap());
            }
        }
    }
    values
}

/// How many samples a server has.
fn count(api: &Api) -> u64 {
    let answer = api.get("/api/v1/query?resource_kind=gpu&aggregate=count&by=resource_kind");
    answer["rows"][0]["points"][0][1].as_f64().unwrap_or_default() as u64
}

#[track_caller]
fn expect_all(gateway: &Api) {
    assert_eq!(gateway.get("/api/v1/gpus?limit=1000")["total"], GPUS);
    assert_eq!(gateway.get("/api/v1/hosts?limit=1000")["total"], HOSTS);
    let (sent, answered) = (sent(), answered(gateway));
    let wrong: Vec<_> = sent
        .iter()
        .filter(|(key, values)| answered.get(*key) != Some(values))
        .map(|(key, values)| (key, values, answered.get(key)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} are not as sent: {:?}",
        wrong.len(),
        &wrong[..1]
    );
    assert_eq!(answered.len(), sent.len());
}

/// Servers and folders of a pipeline.
struct Pipeline {
    nats: Nats,
    folders: Vec<TempDir>,
}

impl Pipeline {
    fn start() -> Option<Self> {
        Some(Self {
            nats: Nats::start("")?,
            folders: Vec::new(),
        })
    }

    fn folder(&mut self) -> &Path {
        self.folders.push(tempfile::tempdir().unwrap());
        self.folders.last().unwrap().path()
    }

    /// What each program is told that uses the stream.
    fn servers(&self, plugin: &str) -> String {
        format!("plugins.{plugin}.servers = ['{}']", self.nats.url())
    }

    fn collector(&self, port: u16, folder: &Path, log: &str) -> Api {
        let servers = self.servers("nats-input");
        let ack_wait = format!("plugins.nats-input.ack_wait = '{}s'", ACK_WAIT.as_secs());
        let overrides = [&*servers, &*ack_wait];
        Api::start_at(port, folder, log, "pipeline/collector.toml", &overrides)
    }

    fn gateway(&mut self, collectors: &[&Api]) -> Api {
        let addresses = collectors
            .iter()
            .map(|api| format!("'http://127.0.0.1:{}'", api.port));
        let addresses = addresses.collect::<Vec<_>>().join(", ");
        let addresses = format!("plugins.rest-api.collectors.addresses = [{addresses}]");
        let overrides = [&*addresses, "plugins.rest-api.collectors.proxy = 'none'"];
        Api::start(self.folder(), "gateway.log", "pipeline/gateway.toml", &overrides)
    }

    /// Replays the dump once, with so many rows per second and worker.
    fn streamer(&mut self, rate: u32) -> Process {
        let servers = self.servers("nats");
        let folder = self.folder();
        fs::write(folder.join("telemetry.csv"), dcgm_dump(GPUS)).unwrap();
        let rate = format!("plugins.csv-replay.rate = {rate}.0");
        let overrides = [&*servers, "plugins.csv-replay.loop = false", &rate];
        Program::Agent.start(folder, "streamer.log", "pipeline/streamer.toml", &overrides)
    }
}

#[test]
fn all_of_a_replay_is_at_the_gateway_once_although_the_collector_is_killed() {
    let Some(mut pipeline) = Pipeline::start() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let collector = pipeline.collector(free_port(), place.path(), "collector.log");
    let gateway = pipeline.gateway(&[&collector]);
    gateway.wait_until_ready();
    let streamer = pipeline.streamer(200);
    let all = sent().len() as u64;
    until("the collector has some", || count(&collector) > all / 4);
    let (port, some) = (collector.port, count(&collector));
    collector.process.kill();
    assert!(some < all, "it was killed while it took");
    assert_ne!(gateway.get("/readyz")["status"], "ready", "the gateway knows");
    let collector = pipeline.collector(port, place.path(), "collector-again.log");
    until("all have arrived", || count(&gateway) >= all);
    // What comes twice would come within this time.
    sleep(2 * ACK_WAIT);
    expect_all(&gateway);
    // As the configuration of the collector says.
    assert_eq!(gateway.get("/stats")["max_entries_per_gpu"], 10_000);
    gateway.wait_until_ready();
    streamer.end();
    gateway.process.end();
    collector.process.end();
}

#[test]
fn two_gateways_answer_the_same_from_two_collectors_that_share_the_work() {
    let Some(mut pipeline) = Pipeline::start() else {
        return;
    };
    let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let collectors =
        [&places[0], &places[1]].map(|place| pipeline.collector(free_port(), place.path(), "collector.log"));
    let gateways = [(); 2].map(|()| pipeline.gateway(&[&collectors[0], &collectors[1]]));
    let streamer = pipeline.streamer(1000);
    let all = sent().len() as u64;
    for gateway in &gateways {
        until("all have arrived", || count(gateway) >= all);
        expect_all(gateway);
        gateway.wait_until_ready();
    }
    let shares = [count(&collectors[0]), count(&collectors[1])];
    assert!(shares.iter().all(|share| (1..all).contains(share)), "{shares:?}");
    streamer.end();
    gateways
        .into_iter()
        .chain(collectors)
        .for_each(|api| api.process.end());
}
