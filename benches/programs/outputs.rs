//! What the release agent costs with an output and a real server: `cargo build --release -p alumet-agent && cargo run
//! --release -p alumet-benches --bin outputs SECONDS CGROUPS MILLIS OUTAGE OUTPUT...`.
//!
//! The agent measures so many idle control groups every so many milliseconds, and what it measures is on disk before it is
//! sent. With an OUTAGE, the server is away for so many seconds in the middle, and it is waited until it has everything.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use alumet_benches::counted::{Counted, agent};
use alumet_benches::groups::Groups;
use alumet_shared_output_testkit::{Mood, Network, Program, ask, free_port, rotel, server_of, table};
use mongodb::Client;
use mongodb::bson::Document;
use tokio::runtime::Runtime;

/// How long a server may take to take what has waited, and to show it.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || -> u32 {
        let text = arguments.next().expect("SECONDS CGROUPS MILLIS OUTAGE OUTPUT...");
        text.parse().expect("a number")
    };
    let (seconds, cgroups, millis, outage) = (number(), number(), number(), number());
    for output in arguments {
        let run = Run::start(&output, cgroups, millis, outage > 0);
        match (&run, outage) {
            (None, _) => println!("{output}: left out, because its server is not installed"),
            (Some(run), 0) => run.steady(seconds),
            (Some(run), outage) => run.interrupted(outage),
        }
        if let Some(run) = run {
            run.end();
        }
    }
}

/// An agent that writes to a server.
struct Run {
    output: String,
    agent: Program,
    health: u16,
    /// Missing for an output that has none, because it writes a file or is asked itself.
    server: Option<Program>,
    network: Option<Network>,
    exporter: u16,
    groups: Option<Groups>,
}

/// What the agent says of its samples.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    produced: u64,
    delivered: u64,
    dropped: u64,
}

impl Run {
    /// Starts both and waits until the agent is at work; `None` if the server is not installed.
    fn start(output: &str, cgroups: u32, millis: u32, is_interrupted: bool) -> Option<Self> {
        let server = match output {
            "csv" | "prometheus-exporter" => None,
            // What it says of each point would cost more than all the rest.
            "opentelemetry" => Some(rotel(&[])?.0),
            output => Some(server_of(output)?),
        };
        let network = server.as_ref().filter(|_| is_interrupted);
        let network = network.map(|server| Network::to(server.port()));
        let exporter = free_port();
        let server_port = server.as_ref().map_or(exporter, Program::port);
        let port = network.as_ref().map_or(server_port, Network::port);
        let table = match output {
            "csv" => "[plugins.csv]\noutput_path = 'out.csv'\n".to_owned(),
            output => table(output, port),
        };
        let health = free_port();
        let text = format!(
            "health.address = '127.0.0.1:{health}'\npipeline.self_metrics = '0s'\n\
             spool = {{ path = 'spool.db', durable = true }}\n\
             [plugins.cgroups]\npoll_interval = '{millis}ms'\nhierarchy = 'v2'\ninclude = ['{}']\n{table}",
            Groups::pattern()
        );
        let groups = Some(Groups::make(cgroups).expect("control groups"));
        let agent = Program::start(health, |folder| {
            fs::write(folder.join("agent.toml"), text).expect("a configuration file");
            let mut command = Command::new(agent());
            command.args(["--config", "agent.toml"]);
            command
        });
        let run = Self {
            output: output.to_owned(),
            agent,
            health,
            server,
            network,
            exporter,
            groups,
        };
        // The start, and the first samples, are not what it costs later.
        run.pass(3);
        Some(run)
    }

    /// Lets so many seconds pass, in each of which an exporter is asked once.
    fn pass(&self, seconds: u32) {
        let mut took = Duration::ZERO;
        for _ in 0..seconds {
            // It listens a little later than the agent itself.
            sleep(Duration::from_secs(1).saturating_sub(took));
            let begin = Instant::now();
            if self.output == "prometheus-exporter" {
                ask(self.exporter, "GET /metrics");
            }
            took = begin.elapsed();
        }
    }

    fn steady(&self, seconds: u32) {
        let look = || (Counted::read(self.agent.pid()), self.account());
        let (before, first) = look();
        self.pass(seconds);
        let (after, last) = look();
        let produced = last.produced - first.produced;
        let cpu = after.cpu_nanos - before.cpu_nanos;
        println!(
            "{}: {:.0} samples/s, {:.2} % of a core, {:.0} ns per sample, {:.1} MiB at most, {} dropped",
            self.output,
            produced as f64 / f64::from(seconds),
            cpu as f64 / f64::from(seconds) / 1e7,
            cpu as f64 / produced as f64,
            mib(after.peak_kib),
            last.dropped,
        );
    }

    fn interrupted(&self, outage: u32) {
        let Some(network) = &self.network else {
            return println!("{}: has no server that could be away", self.output);
        };
        let look = || (Counted::read(self.agent.pid()), self.account());
        self.pass(5);
        let (before, first) = look();
        network.set(Mood::Away);
        self.pass(outage);
        let (during, last) = look();
        network.set(Mood::Fine);
        self.pass(5);
        let (after, _) = look();
        println!(
            "{}: away for {outage} s with {:.0} samples/s: {:.1} MiB before, {:.1} at the end, {:.1} when it is back, {:.1} at \
             most; {} waited",
            self.output,
            (last.produced - first.produced) as f64 / f64::from(outage),
            mib(before.resident_kib),
            mib(during.resident_kib),
            mib(after.resident_kib),
            mib(after.peak_kib),
            last.waiting(),
        );
    }

    /// Measures no more, and tells what is at the server once everything is delivered.
    fn end(mut self) {
        self.groups = None;
        let begin = Instant::now();
        // By then it has noticed.
        self.pass(3);
        while self.account().waiting() > 0 && begin.elapsed() < PATIENCE {
            sleep(Duration::from_millis(100));
        }
        let (last, took) = (self.account(), begin.elapsed().as_secs());
        self.agent.end();
        let stored = || stored_at(&self.output, self.server.as_ref(), self.agent.folder());
        let (mut found, begin) = (stored(), Instant::now());
        // Some show it a little later.
        while found.is_some_and(|found| found < last.delivered) && begin.elapsed() < PATIENCE {
            sleep(Duration::from_millis(200));
            found = stored();
        }
        let found = found.map_or("an unknown number".to_owned(), |found| found.to_string());
        println!(
            "{}: {} produced, {} delivered, {} dropped, {found} at the server, {took} s after the last one",
            self.output, last.produced, last.delivered, last.dropped
        );
    }

    fn account(&self) -> Account {
        let exposition = ask(self.health, "GET /metrics");
        let sum = |name: &str| {
            let lines = exposition.lines().filter(|line| line.starts_with(name));
            lines
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
                .sum()
        };
        Account {
            produced: sum("alumet_samples_produced_total"),
            delivered: sum("alumet_samples_delivered_total"),
            dropped: sum("alumet_samples_dropped_total"),
        }
    }
}

impl Account {
    const fn waiting(self) -> u64 {
        self.produced.saturating_sub(self.delivered + self.dropped)
    }
}

const fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// How many samples the server says that it has, if it can be asked.
fn stored_at(output: &str, server: Option<&Program>, folder: &Path) -> Option<u64> {
    let last_number = |text: &str| {
        let mut numbers = text.rsplit(|c: char| !c.is_ascii_digit());
        numbers.find_map(|digits| digits.parse().ok())
    };
    match (output, server) {
        ("csv", _) => Some(fs::read_to_string(folder.join("out.csv")).ok()?.lines().count() as u64 - 1),
        ("elasticsearch", Some(server)) => {
            let query = "GET /select/logsql/query?query=*|stats+count()+n";
            last_number(&ask(server.port(), query))
        }
        ("influxdb", Some(server)) => {
            let query = "POST /query?db=samples&q=SELECT+sum(n)+FROM+(SELECT+count(value)+AS+n+FROM+/.*/)";
            let answer = ask(server.port(), query);
            // A row of each measurement: its time, and its number.
            let rows = answer.split("\"values\":[[").skip(1);
            rows.map(|row| last_number(row.split(']').next()?)).sum()
        }
        ("mongodb", Some(server)) => Runtime::new().ok()?.block_on(async {
            let uri = format!("mongodb://127.0.0.1:{}", server.port());
            let client = Client::with_uri_str(uri).await.ok()?;
            let collection = client.database("alumet").collection::<Document>("samples");
            collection.count_documents(Document::new()).await.ok()
        }),
        ("opentelemetry", Some(server)) => {
            let log = server.log();
            let lines = log.lines().filter(|line| line.contains("Received metrics"));
            lines.map(last_number).sum()
        }
        _ => None,
    }
}
