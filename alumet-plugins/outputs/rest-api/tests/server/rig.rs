//! A server over a list of samples, and a client that says just what a test wants.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Attributes, Consumer, Resource, Timestamp};
use alumet_plugin_rest_api::{Config, RestApiPlugin};
use alumet_shared_output_testkit::free_port;
use alumet_shared_query::testkit::Listed;
use alumet_shared_query::{Backend, Backends, Identity};
use parking_lot::Mutex;
use serde_json::Value;

/// 2026-01-01, in seconds since 1970.
pub(crate) const YEAR_2026: i64 = 1_767_225_600;

/// A configuration that listens on a free port of this machine.
pub(crate) fn config() -> Config {
    Config {
        address: (Ipv4Addr::LOCALHOST, free_port()).into(),
        ..Config::default()
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) list: Arc<Listed>,
    pub(crate) bench: Mutex<Bench>,
    pub(crate) port: u16,
    _published: Arc<dyn Backend>,
    _root: FakeRoot,
}

impl Server {
    pub(crate) fn start(config: Config) -> Self {
        let root = FakeRoot::new();
        root.write("proc/sys/kernel/hostname", "here\n");
        let port = config.address.port();
        let bench = Bench::start_in_real_time::<RestApiPlugin>(config, root.path()).unwrap();
        let list = Arc::new(Listed::default());
        let backend: Arc<dyn Backend> = Arc::clone(&list) as _;
        bench
            .services()
            .get_or_keep::<Backends>()
            .publish("store", &backend);
        Self {
            list,
            bench: Mutex::new(bench),
            port,
            _published: backend,
            _root: root,
        }
    }

    /// A server with three GPUs in two nodes: one that is replayed, one that NVML knows, and one of AMD.
    pub(crate) fn with_gpus(config: Config) -> Self {
        let server = Self::start(config);
        let replayed = [
            ("node", "n1"),
            ("namespace", "a"),
            ("index", "3"),
            ("model", "H100"),
        ];
        let nvml = [("node", "n2"), ("namespace", "b")];
        for second in 0..10 {
            server.push("utilization", "gpu-001", &replayed, second, second as f64);
            server.push("temperature", "gpu-001", &replayed, second, 40.0);
            server.push("utilization", "0000:65:00.0", &nvml, second, 1.0);
        }
        let info = [
            ("node", "n2"),
            ("namespace", "b"),
            ("uuid", "GPU-5/6%20x"),
            ("index", "0"),
        ];
        server.push("nvml_device_info", "0000:65:00.0", &info, 0, 1.0);
        for domain in ["card", "package"] {
            let amd = [("node", "n2"), ("domain", domain)];
            server.push("energy", "0000:03:00.0", &amd, 0, f64::NAN);
        }
        server
    }

    /// Adds a sample of a GPU, so many seconds after the beginning of 2026.
    pub(crate) fn push(
        &self,
        metric: &'static str,
        gpu: &str,
        attributes: &[(&'static str, &str)],
        second: i64,
        value: f64,
    ) {
        let metric = Metric {
            name: metric.into(),
            kind: MetricKind::Gauge,
            value_type: ValueType::F64,
            unit: Unit::ONE,
            description: "".into(),
            quality: Quality::Measured,
        };
        let identity = Identity {
            metric: Arc::new(metric),
            resource: Resource::Gpu { bus_id: gpu.into() },
            consumer: Consumer::LocalMachine,
            attributes: attributes.iter().fold(Attributes::EMPTY, |all, (key, value)| {
                all.with(*key, (*value).to_owned())
            }),
        };
        let at = Timestamp::from_nanos((YEAR_2026 + second) * 1_000_000_000);
        self.list.push(&identity, at, value);
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "")
    }

    /// Asks with these lines of headers.
    pub(crate) fn ask(&self, line: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let host = if headers.starts_with("Host:") {
            ""
        } else {
            "Host: localhost\r\n"
        };
        write!(
            stream,
            "{line} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n"
        )
        .unwrap();
        Answer::read(&mut stream)
    }
}

/// The paths of the document whose answers end, which are not about a pipeline that runs; with the names of their parameters.
pub(crate) fn documented(server: &Server) -> Vec<(String, Vec<String>)> {
    let document = server.get("/openapi.json").json();
    let paths = document["paths"].as_object().unwrap().iter();
    let asked = paths.filter(|(path, methods)| {
        let others = ["/api/v1/live", "/api/v1/status", "/ready", "/readyz"];
        !methods["get"].is_null() && !others.contains(&path.as_str())
    });
    let asked = asked.map(|(path, methods)| {
        let parameters = methods["get"]["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let names = names.map(|parameter| parameter["name"].as_str().unwrap().to_owned());
        (path.clone(), names.collect())
    });
    asked.collect()
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// All that comes until the connection ends.
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        assert!(ended.is_ok() || !bytes.is_empty(), "{ended:?}");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        Self {
            head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of an error, whose body is as it should be.
    pub(crate) fn message(&self) -> String {
        let json = self.json();
        assert_eq!(json["code"], self.status(), "{self:?}");
        assert!(json["error"].is_string(), "{self:?}");
        json["message"].as_str().unwrap().to_owned()
    }
}
