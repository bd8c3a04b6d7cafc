//! The server that is asked.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

use alumet_benches::counted::Counted;
use alumet_core::time::{Clock, SystemClock};
use alumet_shared_output_testkit::{Program, free_port};
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval};

use crate::connection::{Connection, get};

pub(crate) const GPUS: usize = 100;
pub(crate) const METRICS: usize = 10;

/// A server that gets a sample of each series once per second.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) runtime: Runtime,
}

impl Server {
    /// Returns when all series are stored.
    pub(crate) fn start(max_connections: u32) -> Self {
        let port = free_port();
        let config = format!(
            "[plugins.store]\npath = 'store.db'\n[spool]\npath = 'spool.db'\n[plugins.rest-api]\naddress = \
             '127.0.0.1:{port}'\npublish = true\nmax_connections = {max_connections}\n"
        );
        let path = std::env::current_exe()
            .expect("a path")
            .with_file_name("alumet-server");
        assert!(
            path.exists(),
            "{} is missing: build it with the same profile",
            path.display()
        );
        let program = Program::start(port, |folder| {
            fs::write(folder.join("config.toml"), config).expect("a file");
            let mut command = Command::new(path);
            command.args(["--config", "config.toml"]).env("RUST_LOG", "warn");
            command
        });
        let runtime = Runtime::new().expect("a runtime");
        runtime.spawn(feed(port));
        runtime.block_on(all_are_stored(port));
        Self { program, runtime }
    }

    pub(crate) fn port(&self) -> u16 {
        self.program.port()
    }

    /// The CPU time that it has used, with that of its threads that have ended: proc_pid_stat(5), in the ticks of USER_HZ, which is 100.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.program.pid())).expect("a file of /proc");
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let fields = fields.split(' ').skip(11).take(2);
        let ticks = fields.map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted::read(self.program.pid())
    }
}

async fn feed(port: u16) {
    let mut connection = Connection::open(port).await;
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u64.. {
        ticks.tick().await;
        let body = records(round);
        let head =
            "POST /publish/gpu-telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        connection.ask(request.as_bytes()).await;
    }
}

/// One record for each GPU, in JSON.
fn records(round: u64) -> String {
    let now = SystemClock.now().wall;
    let mut text = String::new();
    for gpu in 0..GPUS {
        let metrics = (0..METRICS).map(|metric| {
            let value = (round as usize + gpu * metric) % 1000;
            format!("\"metric_{metric}\":{}.5", value)
        });
        let metrics: Vec<_> = metrics.collect();
        let _ = write!(
            text,
            ",{{\"gpu_id\":\"gpu-{gpu:03}\",\"hostname\":\"node-{}\",\"timestamp\":\"{now}\",\"metrics\":{{{}}}}}",
            gpu / 8,
            metrics.join(",")
        );
    }
    format!("[{}]", &text[1..])
}

async fn all_are_stored(port: u16) {
    let mut connection = Connection::open(port).await;
    let expected = format!("\"total\":{GPUS},");
    loop {
        let answer = connection.ask(&get("/api/v1/gpus?limit=1")).await;
        if String::from_utf8_lossy(answer).contains(&expected) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
