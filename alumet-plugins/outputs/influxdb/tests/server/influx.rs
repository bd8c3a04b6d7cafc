//! A real InfluxDB of version 1, and what it says it has.

use std::collections::BTreeMap;

use alumet_plugin_influxdb::Config;
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_http_delivery::testkit::local;
use alumet_shared_output_testkit::{Program, find, influxdb};
use serde_json::Value;

/// A server that runs, with the database `samples`.
pub(crate) struct Influx {
    pub(crate) port: u16,
    _program: Program,
    client: HttpClient,
    runtime: tokio::runtime::Runtime,
}

/// A point: the name of the measurement, its tags and its fields.
pub(crate) type Point = (String, BTreeMap<String, Value>);

/// An output to the database of the server on this port.
pub(crate) fn config(port: u16) -> Config {
    Config {
        host: format!("http://127.0.0.1:{port}"),
        database: Some("samples".to_owned()),
        http: local(),
        ..Config::default()
    }
}

impl Influx {
    /// Whether there is one to start.
    pub(crate) fn is_installed() -> bool {
        find("influxd", "apt-get install influxdb").is_some()
    }

    /// Starts one with these lines in the section `http`; `None` if it is not installed.
    pub(crate) fn start(http_lines: &str) -> Option<Self> {
        let program = influxdb(http_lines)?;
        let port = program.port();
        let client = HttpClient::new("host", &format!("http://127.0.0.1:{port}"), &local()).unwrap();
        Some(Self {
            port,
            _program: program,
            client,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        })
    }

    /// Writes a line.
    pub(crate) fn write(&self, line: &str) {
        let line = line.as_bytes().to_vec();
        let request = self.client.post("/write?db=samples", "text/plain", line);
        self.runtime.block_on(self.client.send(request)).unwrap();
    }

    /// The results of a query.
    pub(crate) fn query(&self, query: &str) -> Value {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("db", "samples")
            .append_pair("epoch", "ns")
            .append_pair("q", query)
            .finish();
        let form = "application/x-www-form-urlencoded";
        let request = self.client.post("/query", form, query.into_bytes());
        let answer = self.runtime.block_on(self.client.send(request)).unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// All points, by their times, which tests choose all different. What is empty, is not there.
    pub(crate) fn points(&self) -> BTreeMap<i64, Point> {
        let rows = |query: &str| {
            let answer = self.query(query);
            answer["results"][0]["series"][0].clone()
        };
        let mut points = BTreeMap::new();
        // One by one, because a query of several makes all their numbers floats if some are.
        for name in rows("SHOW MEASUREMENTS")["values"].as_array().unwrap() {
            let name = name[0].as_str().unwrap();
            let found = rows(&format!("SELECT * FROM \"{name}\""));
            let columns = found["columns"].as_array().unwrap();
            for row in found["values"].as_array().unwrap() {
                let cells = columns.iter().zip(row.as_array().unwrap());
                let mut cells: BTreeMap<String, Value> = cells
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| (name.as_str().unwrap().to_owned(), value.clone()))
                    .collect();
                let time = cells.remove("time").unwrap().as_i64().unwrap();
                let before = points.insert(time, (name.to_owned(), cells));
                assert!(before.is_none(), "two points at {time}");
            }
        }
        points
    }

    /// All values of the measurement `number`, sorted.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let answer = self.query("SELECT value FROM number");
        let rows = answer["results"][0]["series"][0]["values"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut numbers: Vec<u64> = rows.iter().map(|row| row[1].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    }
}
