//! Thousands of short-lived processes: no line in the log, no memory that stays.
//!
//! One test: the subscriber that counts lines is that of this whole program.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alumet_core::testkit::Bench;
use alumet_plugin_procfs::{Config, ProcfsPlugin};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LINES: AtomicUsize = AtomicUsize::new(0);

/// Counts what an administrator would see.
struct CountLines;

impl Subscriber for CountLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        LINES.fetch_add(1, Ordering::Relaxed);
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn two_thousand_short_lived_processes_leave_nothing_behind() {
    // The shell waits for a line, so that its children alone can be watched: other programs come and go as well.
    // Every twentieth child waits, so that some are seen however busy the machine is.
    let script = "read _; i=0; while [ $i -lt 2000 ]; do /bin/true; i=$((i+1)); \
                  [ $((i % 20)) -gt 0 ] || sleep 0.05; done";
    let mut shell = Command::new("sh");
    let shell = shell
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut shell = shell.spawn().unwrap();
    let config = format!(
        "[processes]\nrefresh_interval = '10ms'\ngroups = [{{ ppid = {}, io = true, attributes = ['name'] }}]",
        shell.id()
    );
    let config: Config = toml::from_str(&config).unwrap();
    let mut bench = Bench::start_in_real_time::<ProcfsPlugin>(config, "/").unwrap();
    tracing::subscriber::set_global_default(CountLines).unwrap();
    bench.poll("processes").unwrap();
    let (series_before, files_before) = (bench.catalog().live_series(), open_files());

    let mut seen = std::collections::HashSet::new();
    shell.stdin.take().unwrap().write_all(b"\n").unwrap();
    while shell.try_wait().unwrap().is_none() {
        for sample in bench.poll("processes").unwrap() {
            seen.insert(sample.series.consumer().id().into_owned());
        }
        // One child at a time; one file for the input of the shell is closed already.
        assert!(open_files() <= files_before + 8);
        assert!(bench.catalog().live_series() <= series_before + 40);
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(20));
    bench.poll("processes").unwrap();

    assert_eq!(LINES.load(Ordering::Relaxed), 0);
    assert!(seen.len() > 30, "only {} processes were seen", seen.len());
    assert_eq!(bench.catalog().live_series(), series_before);
    let slots = bench.catalog().series_slots();
    assert!(
        slots <= series_before + 100,
        "{series_before} series became {slots} slots"
    );
}
