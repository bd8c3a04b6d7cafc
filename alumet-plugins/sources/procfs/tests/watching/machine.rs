//! A machine whose processes a test writes.

use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_procfs::{Config, ProcfsPlugin};

pub(crate) const TICK_NS: u64 = 10_000_000;

/// A start in ticks since boot that is later than any test runs.
pub(crate) const LATE: u64 = 1 << 50;

#[derive(Clone, Copy)]
pub(crate) struct Fake {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) comm: &'static str,
    pub(crate) start: u64,
    pub(crate) user: u64,
    pub(crate) system: u64,
    pub(crate) guest: u64,
    /// Where the stack begins: another one after each `exec`.
    pub(crate) stack: u64,
}

pub(crate) const BASE: Fake = Fake {
    pid: 77,
    parent: 1,
    comm: "app",
    start: 10,
    user: 0,
    system: 0,
    guest: 0,
    stack: 0x7ffc_0000_1000,
};

pub(crate) struct Machine {
    pub(crate) root: FakeRoot,
    pub(crate) bench: Bench,
}

pub(crate) fn root() -> FakeRoot {
    let root = FakeRoot::new();
    root.write("proc/stat", "cpu 1 2 3 4\n")
        .write("sys/devices/system/cpu/online", "0-3\n");
    root
}

pub(crate) fn put(root: &FakeRoot, fake: Fake) {
    let Fake {
        pid,
        parent,
        comm,
        start,
        user,
        system,
        guest,
        stack,
    } = fake;
    let stat = format!(
        "{pid} ({comm}) S {parent} 1 1 0 -1 0 0 0 0 0 {user} {system} 0 0 20 0 1 0 {start} 4096 1 0 0 0 {stack} {} {guest} 0\n",
        ["0"; 14].join(" ")
    );
    root.write(format!("proc/{pid}/stat"), stat)
        .write(format!("proc/{pid}/statm"), "100 10 5 0 0 0 0\n")
        .write(format!("proc/{pid}/cmdline"), format!("{comm}\0--flag\0"));
}

impl Machine {
    pub(crate) fn start(root: FakeRoot, processes: &str) -> Self {
        let config = format!("[processes]\n{processes}");
        let config = toml::from_str::<Config>(&config).unwrap();
        let bench = Bench::start::<ProcfsPlugin>(config, root.path()).unwrap();
        Self { root, bench }
    }

    pub(crate) fn put(&self, fake: Fake) {
        put(&self.root, fake);
    }

    /// Polls and lets two seconds pass.
    pub(crate) fn poll(&mut self, source: &str) -> Vec<RecordedSample> {
        let samples = self.bench.poll(source).unwrap();
        self.bench.advance(Duration::from_secs(2));
        samples
    }

    pub(crate) fn started(&self, pid: u32) {
        self.bench
            .events()
            .publish(ConsumerEvent::Started([Consumer::Process { pid }].into()));
    }

    pub(crate) fn ended(&self, pid: u32) {
        self.bench
            .events()
            .publish(ConsumerEvent::Ended([Consumer::Process { pid }].into()));
    }
}

/// The samples of a metric without the text that they share.
pub(crate) fn of(samples: &[RecordedSample], metric: &str) -> Vec<String> {
    let shared = format!("{metric} local_machine process:");
    let texts = samples.iter().map(RecordedSample::to_string);
    texts
        .filter_map(|text| text.strip_prefix(&shared).map(str::to_owned))
        .collect()
}

pub(crate) fn cpu_ns(samples: &[RecordedSample], pid: u32) -> Option<u64> {
    let own = samples.iter().filter(|sample| {
        let kind = sample.series.attributes().get("kind").unwrap().to_string();
        sample.series.metric.name == "cpu_time_delta"
            && *sample.series.consumer() == Consumer::Process { pid }
            && kind != "guest"
    });
    own.map(|sample| sample.value.as_f64() as u64)
        .reduce(|a, b| a + b)
}
