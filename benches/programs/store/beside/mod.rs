//! The same samples and questions for other programs that store series.
//!
//! All is encoded before, and sent over one connection at a time. VictoriaMetrics and Prometheus get what they define, remote-write;
//! `alumet-server` gets what agents send. All three are asked in the language of Prometheus.

mod data;
mod relayed;
mod remote_write;
mod server;

use std::time::{Duration, Instant};

use alumet_benches::counted::Counted;
use alumet_core::measure::measure;
use alumet_shared_query::Selector;
use tokio::runtime::Runtime;

use crate::place::{MINUTE, SECOND, now, open, settle, settle_store, size};
use crate::question::{Asker, memory_of, ms, steps, times};
use data::Span;
use relayed::Relayed;
use remote_write::RemoteWrite;
use server::{Kind, Server};

/// VictoriaMetrics writes what came in the last five seconds.
const QUIET: Duration = Duration::from_secs(10);
/// How often each question is asked.
const TIMES: usize = 9;

/// What is known of one of them.
struct Row {
    name: &'static str,
    samples: usize,
    /// Until it has taken all samples, and how much later the last of them is in an answer.
    taken: Duration,
    found: Duration,
    /// CPU time until nothing more happens.
    cpu: Duration,
    /// After it has ended.
    bytes: u64,
    resident_kib: u64,
    peak_kib: u64,
    /// How long it takes to answer, and how many values there are: of one series, and of all of a metric.
    one: (Duration, usize),
    many: (Duration, usize),
}

/// So many series for so many hours, a sample of each every ten seconds.
pub(crate) fn run(series: usize, hours: usize) {
    let span = Span::before(now(), hours, series.div_ceil(8));
    let groups = span.groups;
    println!(
        "{} series for {hours} h, a sample of each every 10 s; asked by the minute\n\n\
         | | samples/s | found after | CPU per sample | bytes per sample | RSS; at most | one series | {groups} series |\n\
         |---|---|---|---|---|---|---|---|",
        groups * 8
    );
    in_process(span).print();
    let relayed = Relayed::prepare(span);
    if let Some(mut server) = Server::start(Kind::Alumet) {
        with_server(&mut server, span, relayed.samples, |server| {
            relayed.send(server.relay);
        })
        .print();
        println!(
            "\n`alumet-server` has {:.2} bytes per sample more in its spool\n",
            size(server.program.folder()).saturating_sub(size(&server.data())) as f64
                / relayed.samples as f64
        );
    }
    drop(relayed);
    let written = RemoteWrite::prepare(span);
    for kind in [Kind::VictoriaMetrics, Kind::Prometheus] {
        if let Some(mut server) = Server::start(kind) {
            with_server(&mut server, span, written.samples, |server| written.send(server)).print();
        }
    }
}

impl Row {
    fn print(&self) {
        let samples = self.samples as f64;
        let mib = |kib: u64| kib as f64 / 1024.0;
        let answer = |(time, values): (Duration, usize)| format!("{:.2} ms, {values} values", ms(time));
        println!(
            "| {} | {:.2} M | {:.2} s | {:.0} ns | {:.2} | {:.0} MiB; {:.0} MiB | {} | {} |",
            self.name,
            samples / self.taken.as_secs_f64() / 1e6,
            self.found.as_secs_f64(),
            self.cpu.as_nanos() as f64 / samples,
            self.bytes as f64 / samples,
            mib(self.resident_kib),
            mib(self.peak_kib),
            answer(self.one),
            answer(self.many)
        );
    }
}

/// The store alone, in this process. Its samples are made meanwhile, which does not count.
fn in_process(span: Span) -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let (mut samples, mut taken) = (0, Duration::ZERO);
    let mut writing = Duration::ZERO;
    let all = measure(|| {
        span.each(|catalog, batch| {
            samples += batch.len();
            let written = measure(|| {
                store.append(catalog, batch.samples()).expect("room");
                store.commit().expect("room");
            });
            taken += written.usage.elapsed;
            writing += written.usage.cpu_time;
        });
        settle_store(&store, folder.path());
    });
    // What this thread did beside writing was making.
    let cpu = all.usage.process_cpu_time - (all.usage.cpu_time - writing);
    let counted = Counted::read(std::process::id());
    let runtime = Runtime::new().expect("a runtime");
    let asker = Asker {
        store: &store,
        runtime: runtime.handle(),
    };
    let minutes = steps(span.until - span.begin, span.until, MINUTE);
    let metric = Selector::default().with("metric", "memory_usage");
    let ask = |selector: &Selector| middle(|| asker.buckets(selector, minutes));
    let (one, many) = (ask(&memory_of(0)), ask(&metric));
    drop(store);
    Row {
        name: "the store in this process",
        samples,
        taken,
        found: Duration::ZERO,
        cpu,
        bytes: size(folder.path()),
        resident_kib: counted.resident_kib,
        peak_kib: counted.peak_kib,
        one,
        many,
    }
}

fn with_server(server: &mut Server, span: Span, samples: usize, send: impl Fn(&Server)) -> Row {
    let pid = server.program.pid();
    let before = Counted::read(pid);
    let start = Instant::now();
    send(server);
    let taken = start.elapsed();
    let last = format!("{MEMORY}{{resource_consumer_id=\"/pod{}\"}}", span.groups - 1);
    let last = format!("last_over_time({last}[2s])");
    server.wait_until("the last sample", || {
        server.query(&last, span.until + SECOND) == Some(1)
    });
    let found = start.elapsed() - taken;
    let data = server.data();
    settle(QUIET, || size(&data));
    let counted = Counted::read(pid);
    let ask = |labels: &str| {
        let expression = format!("max_over_time({MEMORY}{labels}[1m])");
        middle(|| server.query_range(&expression, span.begin + MINUTE, span.until))
    };
    let one = ask("{resource_consumer_id=\"/pod0\"}");
    let many = ask("");
    server.program.end();
    Row {
        name: server.name(),
        samples,
        taken,
        found,
        cpu: Duration::from_nanos(counted.cpu_nanos - before.cpu_nanos),
        bytes: size(&data),
        resident_kib: counted.resident_kib,
        peak_kib: counted.peak_kib,
        one,
        many,
    }
}

/// The metric that is asked for, as Prometheus calls it.
const MEMORY: &str = "memory_usage_alumet_bytes";

/// The median of how long it takes, after it was done once, and what it gives.
fn middle(mut work: impl FnMut() -> usize) -> (Duration, usize) {
    work();
    let (times, found) = times(TIMES, work);
    (times[TIMES / 2], found)
}
