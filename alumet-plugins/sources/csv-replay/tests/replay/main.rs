//! What becomes of the rows of real files, on a clock that is moved by hand.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod changes;
mod forms;
mod hosts;
mod pace;
mod trouble;

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, CountingAllocator, FakeRoot};
use alumet_plugin_csv_replay::{Config, CsvReplayPlugin};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const NAME: &str = "csv-replay";

/// Four rows of one GPU each.
const WIDE: &str = "gpu_id,utilization,temperature,memory_used\n\
                    gpu-001,85.5,72.3,4096\n\
                    gpu-002,90.2,75.1,8192\n\
                    gpu-003,45.0,65.0,2048\n\
                    gpu-004,78.3,70.5,6144\n";

/// A plugin that replays a file.
struct Replayed {
    root: FakeRoot,
    bench: Bench,
}

/// One worker that sends a row each second, of this file.
fn config(root: &FakeRoot, content: impl AsRef<[u8]>) -> Config {
    root.write("a.csv", content);
    Config {
        path: root.at("a.csv"),
        workers: 1,
        rate: 1.0,
        ..Config::default()
    }
}

impl Replayed {
    fn start(content: impl AsRef<[u8]>, change: impl FnOnce(&mut Config)) -> Self {
        let root = FakeRoot::new();
        let mut config = config(&root, content);
        change(&mut config);
        let mut bench = Bench::start::<CsvReplayPlugin>(config, root.path()).unwrap();
        assert_eq!(bench.poll(NAME).unwrap(), [], "nothing is due at the start");
        Self { root, bench }
    }

    /// What is sent in so many seconds, in which the source is polled as often.
    fn seconds(&mut self, seconds: u32) -> Vec<RecordedSample> {
        let polls = (0..seconds).map(|_| {
            self.bench.advance(Duration::from_secs(1));
            self.bench.poll(NAME).unwrap()
        });
        polls.flatten().collect()
    }

    /// Why the source ends.
    fn end(&mut self) -> String {
        let failure = self.bench.poll(NAME).unwrap_err();
        assert_eq!(failure.remedy(), alumet_core::failure::Remedy::End);
        failure.to_string()
    }
}

/// Why the plugin does not start.
fn refused(content: impl AsRef<[u8]>, change: impl FnOnce(&mut Config)) -> String {
    let root = FakeRoot::new();
    let mut config = config(&root, content);
    change(&mut config);
    match Bench::start::<CsvReplayPlugin>(config, root.path()) {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

/// The values of samples.
fn values(samples: &[RecordedSample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.value.as_f64()).collect()
}

/// A file with a row of each number.
fn numbered(numbers: std::ops::Range<u32>) -> String {
    let rows = numbers.map(|number| format!("gpu-1,{number}\n"));
    format!("gpu_id,n\n{}", rows.collect::<String>())
}
