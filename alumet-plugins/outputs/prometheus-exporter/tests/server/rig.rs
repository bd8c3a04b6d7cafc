//! An exporter that runs, and a client that says just what a test wants.

use std::io::{Read, Write};
use std::net::TcpStream;

use alumet_core::series::SeriesHandle;
use alumet_core::testkit::{Bench, ManualClock};
use alumet_plugin_prometheus_exporter::{Config, PrometheusExporterPlugin};
use alumet_shared_output_testkit::{free_port, samples_of_every_sort};

/// A configuration that listens on a free port of this machine.
pub(crate) fn config() -> Config {
    Config {
        host: "127.0.0.1".to_owned(),
        port: free_port(),
        created_timestamps: true,
        ..Config::default()
    }
}

/// An exporter that has samples of every sort.
pub(crate) struct Exporter {
    pub(crate) bench: Bench,
    pub(crate) port: u16,
    /// So that no series ends.
    pub(crate) series: Vec<SeriesHandle>,
}

impl Exporter {
    pub(crate) fn start(config: Config) -> Self {
        let port = config.port;
        let mut bench = Bench::start_in_real_time::<PrometheusExporterPlugin>(config, "/").unwrap();
        let mut batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
        let ids = batch.series().to_vec();
        let series: Vec<SeriesHandle> = ids.iter().map(|id| bench.catalog().keep(*id).unwrap()).collect();
        for (index, series) in series.iter().enumerate() {
            batch.set_series(index, series).unwrap();
        }
        bench.deliver(0, batch).unwrap();
        Self { bench, port, series }
    }
}

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Asks with these lines of headers.
pub(crate) fn ask(port: u16, line: &str, headers: &str) -> Answer {
    ask_at(&format!("127.0.0.1:{port}"), line, headers)
}

pub(crate) fn ask_at(address: &str, line: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{line} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    Answer {
        head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
        body: bytes[end + 4..].to_vec(),
    }
}
