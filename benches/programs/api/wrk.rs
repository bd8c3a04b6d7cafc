//! As many requests as the server answers: <https://github.com/wg/wrk>.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// So many wait for an answer at a time.
const CONNECTIONS: u32 = 64;

/// What became of requests.
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) time: Duration,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
}

/// Asks for the paths, one after another, for so long.
pub(crate) fn run(wrk: &Path, port: u16, paths: &[String], seconds: u32) -> Outcome {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), paths.join("\n")).expect("a file");
    let output = Command::new(wrk)
        .args(["--threads=1", "--latency", "--timeout=10s"])
        .arg(format!("--connections={CONNECTIONS}"))
        .arg(format!("--duration={seconds}s"))
        .arg(format!(
            "--script={}/programs/api/ask.lua",
            env!("CARGO_MANIFEST_DIR")
        ))
        .args([&format!("http://127.0.0.1:{port}/"), "--"])
        .arg(file.path())
        .output()
        .expect("wrk");
    let said = String::from_utf8_lossy(&output.stdout);
    let result = said.lines().find_map(|line| line.strip_prefix("result "));
    let result =
        result.unwrap_or_else(|| panic!("wrk fails: {said}{}", String::from_utf8_lossy(&output.stderr)));
    let numbers: Vec<u64> = result
        .split(' ')
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [requests, errors, time, median, p99] = numbers[..] else {
        panic!("wrk says `{result}`")
    };
    assert_eq!(errors, 0, "requests failed: {said}");
    Outcome {
        requests,
        time: Duration::from_micros(time),
        median: Duration::from_micros(median),
        p99: Duration::from_micros(p99),
    }
}
