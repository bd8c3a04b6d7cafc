//! The programs of a pipeline, with the configurations of `examples/server/pipeline`.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use alumet_shared_output_testkit::{find, free_port};
use serde_json::Value;
use tempfile::TempDir;

use crate::dump::Dump;
use crate::process::{Api, Process, Usage, get};

/// All programs, each in a folder of its own, all of which go at the end.
pub(crate) struct Shape {
    folder: TempDir,
    nats_url: String,
    /// Where NATS tells how it is.
    monitor: u16,
    streamer: Option<(Process, Instant)>,
    nats: Process,
    pub(crate) collector: Api,
    pub(crate) gateway: Api,
}

/// How the streamer replays.
pub(crate) struct Streaming<'a> {
    pub(crate) rows_per_second: u32,
    pub(crate) duration: Duration,
    pub(crate) poll: &'a str,
}

/// The messages of the stream.
pub(crate) struct Queue {
    /// So many were sent so far.
    pub(crate) sent: u64,
    /// So many wait for the collector.
    pub(crate) waiting: u64,
    /// So many are on their way to its disk.
    pub(crate) under_way: u64,
}

/// How many workers the example has, which share the rate.
const WORKERS: u32 = 2;

impl Shape {
    /// All but the streamer.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (nats, nats_url, monitor) = start_nats(folder.path());
        let port = free_port();
        let process = start(
            "collector",
            folder.path(),
            &[
                &format!("plugins.nats-input.servers = ['{nats_url}']"),
                &format!("plugins.rest-api.address = '127.0.0.1:{port}'"),
                // All are counted at the end.
                "plugins.store.max_entries_per_gpu = 100000000",
            ],
        );
        let collector = Api::new(process, port);
        let addresses = format!("plugins.rest-api.collectors.addresses = ['http://127.0.0.1:{port}']");
        let port = free_port();
        let process = start(
            "gateway",
            folder.path(),
            &[
                &addresses,
                "plugins.rest-api.collectors.proxy = 'none'",
                &format!("plugins.rest-api.address = '127.0.0.1:{port}'"),
            ],
        );
        Self {
            gateway: Api::new(process, port),
            folder,
            nats_url,
            monitor,
            streamer: None,
            nats,
            collector,
        }
    }

    /// Begins to replay.
    pub(crate) fn stream(&mut self, dump: &Dump, streaming: &Streaming<'_>) {
        let folder = self.folder.path().join("streamer");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("telemetry.csv"), &dump.text).expect("a file");
        let Streaming {
            rows_per_second,
            duration,
            poll,
        } = streaming;
        let mut process = start(
            "streamer",
            self.folder.path(),
            &[
                &format!("plugins.nats.servers = ['{}']", self.nats_url),
                &format!(
                    "plugins.csv-replay.rate = {:.1}",
                    f64::from(*rows_per_second) / f64::from(WORKERS)
                ),
                &format!("plugins.csv-replay.workers = {WORKERS}"),
                &format!("plugins.csv-replay.duration = '{}ms'", duration.as_millis()),
                &format!("plugins.csv-replay.poll_interval = '{poll}'"),
            ],
        );
        process.wait_until_started("started");
        self.streamer = Some((process, Instant::now() + *duration));
    }

    /// Waits until all rows are sent; says how many, and how late that was.
    pub(crate) fn wait_until_sent(&mut self) -> (u64, Duration) {
        const SAID: &str = " rows of ";
        let (streamer, end) = self.streamer.as_mut().expect("a streamer");
        let log = streamer.wait_for(SAID, Duration::from_secs(600));
        let late = end.elapsed();
        let (before, _) = log.split_once(SAID).expect("it is there");
        let rows = before.rsplit(' ').next().and_then(|word| word.parse().ok());
        (rows.expect("a number"), late)
    }

    /// What each program has used so far.
    pub(crate) fn usages(&self) -> Vec<Usage> {
        let streamer = self.streamer.as_ref().map(|(process, _)| process);
        streamer
            .into_iter()
            .chain([&self.nats, &self.collector.process, &self.gateway.process])
            .map(Process::usage)
            .collect()
    }

    /// How far the messages are.
    pub(crate) fn queue(&self) -> Queue {
        let answer = get(self.monitor, "/jsz?consumers=true");
        let streams = answer["account_details"][0]["stream_detail"]
            .as_array()
            .into_iter();
        let is_meant = |stream: &&Value| stream["name"] == "TELEMETRY";
        let stream = streams.flatten().find(is_meant).cloned().unwrap_or_default();
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let consumer = &stream["consumer_detail"][0];
        Queue {
            sent: count(&stream["state"]["last_seq"]),
            waiting: count(&consumer["num_pending"]),
            under_way: count(&consumer["num_ack_pending"]),
        }
    }

    /// How large the files of each program are.
    pub(crate) fn files(&self) -> String {
        let mut text = String::new();
        for name in ["streamer", "nats", "collector"] {
            let mut files = Vec::new();
            list(&self.folder.path().join(name), &mut files);
            let is_counted = |path: &&PathBuf| path.file_name().is_none_or(|name| name != "telemetry.csv");
            let bytes: u64 = files
                .iter()
                .filter(is_counted)
                .filter_map(|path| Some(path.metadata().ok()?.len()))
                .sum();
            let _ = write!(text, "{name} {:.1} MiB, ", bytes as f64 / f64::from(1 << 20));
        }
        text.truncate(text.len() - 2);
        text
    }
}

fn start_nats(folder: &Path) -> (Process, String, u16) {
    let program = find("nats-server", "apt-get install nats-server").expect("a program");
    let folder = folder.join("nats");
    fs::create_dir(&folder).expect("a folder");
    let (port, monitor) = (free_port(), free_port());
    let config = folder.join("nats.conf");
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\njetstream {{ store_dir: {folder:?} }}\n"
    );
    fs::write(&config, text).expect("a file");
    let mut command = Command::new(program);
    command.arg("-c").arg(config).current_dir(&folder);
    let mut nats = Process::start("nats-server", command, folder.join("log"));
    nats.wait_until_started("Server is ready");
    (nats, format!("nats://127.0.0.1:{port}"), monitor)
}

/// Starts `alumet-server` with the example of this name, in which these pieces of TOML replace something.
fn start(name: &'static str, folder: &Path, overrides: &[&str]) -> Process {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/server/pipeline/{name}.toml"));
    let folder = folder.join(name);
    fs::create_dir_all(&folder).expect("a folder");
    let program = std::env::current_exe()
        .expect("a path")
        .with_file_name("alumet-server");
    let mut command = Command::new(program);
    command.current_dir(&folder).arg("--config").arg(example);
    for toml in overrides {
        command.args(["--config-override", toml]);
    }
    Process::start(name, command, folder.join("log"))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => list(&path, files),
            false => files.push(path),
        }
    }
}
