use std::collections::BTreeMap;

use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, ManualClock};
use alumet_plugin_elasticsearch::{Config, ElasticsearchPlugin};
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_output_testkit::{
    Mood, Network, Program, account, are_all, delivered, finish, run, samples_of_every_sort, until,
    victoria_logs,
};
use alumet_shared_trust::Secret;
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::elastic::config;
use crate::sorts::expected;

/// A real server that understands the bulk API, which it has below a path.
struct VictoriaLogs {
    port: u16,
    _program: Program,
}

impl VictoriaLogs {
    fn start() -> Option<Self> {
        let program = victoria_logs()?;
        Some(Self {
            port: program.port(),
            _program: program,
        })
    }

    /// All documents, at least so many, which it shows a little later; every value is text there, and what is empty is missing.
    fn documents(&self, count: usize) -> Vec<BTreeMap<String, String>> {
        let runtime = Runtime::new().unwrap();
        let url = format!("http://127.0.0.1:{}", self.port);
        let client = HttpClient::new("server_url", &url, &config(self.port).http).unwrap();
        let found = || {
            let request = client.get("/select/logsql/query?query=*");
            let body = runtime.block_on(client.send(request)).unwrap().body;
            String::from_utf8_lossy(&body).into_owned()
        };
        until("it shows all", || found().lines().count() >= count);
        found()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// An output to the server on this port.
fn output(port: u16) -> Config {
    let mut config = config(port);
    config.server_url.push_str("/insert/elasticsearch/");
    let time = Secret("@timestamp".to_owned());
    config.http.headers.insert("VL-Time-Field".to_owned(), time);
    config
}

#[test]
fn every_sort_of_sample_is_read_back_as_text() {
    let Some(server) = VictoriaLogs::start() else {
        return;
    };
    let mut bench = Bench::start::<ElasticsearchPlugin>(output(server.port), "/").unwrap();
    let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
    let documents = RecordedSample::of_batch(&batch);
    let documents = documents.iter().filter_map(expected).map(|document| {
        let text = |value: Json| value.as_str().map_or(value.to_string(), str::to_owned);
        let fields = document.into_iter().map(|(name, value)| (name, text(value)));
        let mut fields: BTreeMap<_, _> = fields.filter(|(_, text)| !text.is_empty()).collect();
        // It leaves out zeros at the end.
        let time = fields.remove("@timestamp").unwrap();
        let time = time
            .trim_end_matches('Z')
            .trim_end_matches('0')
            .trim_end_matches('.');
        (format!("{time}Z"), fields)
    });
    let documents: BTreeMap<_, _> = documents.collect();
    bench.deliver(0, batch).unwrap();
    let found = server.documents(documents.len()).into_iter().map(|mut fields| {
        fields.retain(|name, _| !name.starts_with("_stream") && name != "_msg");
        (fields.remove("_time").unwrap(), fields)
    });
    let found: BTreeMap<_, _> = found.collect();
    for (time, fields) in &documents {
        assert_eq!(found.get(time), Some(fields), "{time}");
    }
    assert_eq!(found.len(), documents.len());
}

#[test]
fn all_numbers_are_there_after_the_connection_was_cut() {
    let Some(server) = VictoriaLogs::start() else {
        return;
    };
    let network = Network::to(server.port);
    let folder = tempfile::tempdir().unwrap();
    let pipeline = run::<ElasticsearchPlugin>(folder.path(), output(network.port()), 0);
    until("some are there", || delivered(&pipeline) > 100);
    network.set(Mood::BreaksOff);
    let connections = network.connections();
    until("it breaks off", || network.connections() > connections + 1);
    network.set(Mood::Fine);
    let before = delivered(&pipeline);
    until("it works again", || delivered(&pipeline) > before + 100);
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
    let documents = server.documents(ledger.produced as usize);
    let mut numbers: Vec<u64> = documents
        .iter()
        .map(|fields| fields["value"].parse().unwrap())
        .collect();
    numbers.sort_unstable();
    // It knows no ids, so what has come again is there again.
    numbers.dedup();
    assert!(are_all(&numbers, ledger.produced));
}
