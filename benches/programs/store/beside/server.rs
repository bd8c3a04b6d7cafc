//! The servers, each a process in a folder of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use alumet_shared_output_testkit::{LONG, Program, find, free_port};

use crate::place::SECOND;

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Alumet,
    VictoriaMetrics,
    Prometheus,
}

/// A server that listens.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) program: Program,
    /// Where agents send what they measure, if it is one for agents.
    pub(crate) relay: u16,
}

impl Server {
    /// Starts it; `None` if it is not installed, and says so.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let relay = free_port();
        let program = match kind {
            Kind::Alumet => alumet(relay),
            Kind::VictoriaMetrics => victoria_metrics()?,
            Kind::Prometheus => prometheus()?,
        };
        let server = Self { kind, program, relay };
        server.wait_until("it answers", || server.query("1", 0).is_some());
        Some(server)
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Alumet => "alumet-server",
            Kind::VictoriaMetrics => "VictoriaMetrics",
            Kind::Prometheus => "Prometheus",
        }
    }

    /// Where it keeps samples.
    pub(crate) fn data(&self) -> PathBuf {
        self.program.folder().join("data")
    }

    /// Sends a request of remote-write.
    pub(crate) fn write(&self, body: &[u8]) {
        let head = format!(
            "POST /api/v1/write HTTP/1.0\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
             X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let (status, answer) = self.ask(&head, body);
        assert!(matches!(status, 200 | 204), "it does not take samples: {answer}");
    }

    /// How many values the answer to an expression at an instant has; nothing if it does not answer yet.
    pub(crate) fn query(&self, expression: &str, at: i64) -> Option<usize> {
        let (query, time) = (percent(expression), at / SECOND);
        self.get(&format!("query?query={query}&time={time}")).ok()
    }

    /// How many values the answer to an expression has, each minute of a time.
    pub(crate) fn query_range(&self, expression: &str, from: i64, until: i64) -> usize {
        let (query, start, end) = (percent(expression), from / SECOND, until / SECOND);
        let path = format!("query_range?query={query}&start={start}&end={end}&step=60");
        let found = self.get(&path);
        found.unwrap_or_else(|answer| panic!("{} does not answer {expression}: {answer}", self.name()))
    }

    /// Waits until something is so.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let late = Instant::now() + 10 * LONG;
        while !is_so() {
            assert!(
                Instant::now() < late,
                "{}: not yet {what}: {}",
                self.name(),
                self.program.log()
            );
            sleep(Duration::from_millis(10));
        }
    }

    fn get(&self, path: &str) -> Result<usize, String> {
        let folder = if self.kind == Kind::Alumet {
            "/prometheus"
        } else {
            ""
        };
        let head = format!("GET {folder}/api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let (status, answer) = self.ask(&head, &[]);
        // Each value is a pair of an instant and a text.
        match status {
            200 => Ok(answer.matches("\"]").count()),
            _ => Err(answer),
        }
    }

    fn ask(&self, head: &str, body: &[u8]) -> (u16, String) {
        let address = (Ipv4Addr::LOCALHOST, self.program.port());
        let mut connection = TcpStream::connect(address).expect("a server");
        connection.write_all(head.as_bytes()).expect("a server");
        connection.write_all(body).expect("a server");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), answer)
    }
}

fn alumet(relay: u16) -> Program {
    let path = std::env::current_exe()
        .expect("a path")
        .with_file_name("alumet-server");
    assert!(
        path.exists(),
        "{} is missing: build it with the same profile first",
        path.display()
    );
    let port = free_port();
    let text = format!(
        "pipeline.self_metrics = '0s'\nspool.path = 'spool.db'\n\
         [plugins.relay-server]\naddress = '127.0.0.1:{relay}'\nmax_samples_per_second = 0\nmax_bytes_per_second = 0\n\
         [plugins.store]\npath = 'data/store.db'\n\
         [plugins.rest-api]\naddress = '127.0.0.1:{port}'\n"
    );
    Program::start(port, |folder| {
        fs::write(folder.join("server.toml"), text).expect("a configuration file");
        let mut command = Command::new(path);
        command.args(["--config", "server.toml"]);
        command
    })
}

fn victoria_metrics() -> Option<Program> {
    let program = find("victoria-metrics", "apt-get install victoriametrics")?;
    let port = free_port();
    Some(Program::start(port, |folder| {
        let mut command = Command::new(program);
        command
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg(data_in(folder, "-storageDataPath"))
            // What it has answered before is computed anew, as by the others.
            .args(["-retentionPeriod=100y", "-search.disableCache"]);
        command
    }))
}

fn prometheus() -> Option<Program> {
    let program = find("prometheus", "apt-get install prometheus")?;
    let port = free_port();
    Some(Program::start(port, |folder| {
        fs::write(folder.join("prometheus.yml"), "{}").expect("a configuration file");
        let mut command = Command::new(program);
        command
            .arg("--config.file=prometheus.yml")
            .arg(data_in(folder, "--storage.tsdb.path"))
            .args([
                "--storage.tsdb.retention.time=100y",
                "--web.enable-remote-write-receiver",
            ])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    }))
}

fn data_in(folder: &Path, flag: &str) -> String {
    format!("{flag}={}", folder.join("data").display())
}

/// Any text in an address.
fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
