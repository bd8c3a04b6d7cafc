//! One line on the terminal that says how things are, rewritten in place; nothing when the output is redirected.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use alumet_core::pipeline::PipelineStatus;
use parking_lot::Mutex;

/// What is on the terminal now; the log takes it away before it writes and puts it back.
static SHOWN: Mutex<String> = Mutex::new(String::new());

/// Back to the start of the line, and erase to its end.
const ERASE: &str = "\r\x1b[K";

/// Runs `write` while the line is off the terminal.
pub(crate) fn without<T>(write: impl FnOnce() -> T) -> T {
    let shown = SHOWN.lock();
    if shown.is_empty() {
        return write();
    }
    let _ = write!(io::stderr().lock(), "{ERASE}");
    let result = write();
    let _ = write!(io::stderr().lock(), "{shown}");
    result
}

/// The live line of a run.
pub(crate) struct LiveLine {
    previous: Option<(Instant, u64)>,
}

impl LiveLine {
    /// A line if the standard error is a terminal.
    pub(crate) fn on_terminal() -> Option<Self> {
        io::stderr().is_terminal().then(|| Self { previous: None })
    }

    /// Shows the status.
    pub(crate) fn show(&mut self, status: &PipelineStatus) {
        let now = Instant::now();
        let produced = status.ledger.produced;
        let rate = self.previous.replace((now, produced)).map(|(then, before)| {
            (produced - before) as f64 / now.duration_since(then).as_secs_f64().max(1e-3)
        });
        let line = describe(status, rate);
        let mut shown = SHOWN.lock();
        let _ = write!(io::stderr().lock(), "{ERASE}{line}");
        *shown = line;
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        SHOWN.lock().clear();
        let _ = write!(io::stderr().lock(), "{ERASE}");
    }
}

fn describe(status: &PipelineStatus, rate: Option<f64>) -> String {
    let buffered: u64 = status
        .ledger
        .outputs
        .values()
        .map(|account| account.buffered)
        .sum();
    let failing: Vec<String> = status
        .elements
        .iter()
        .filter(|element| !element.is_healthy())
        .map(|element| format!("{} {}", element.key, element.state))
        .collect();
    let mut line = format!(
        "{} samples/s, {} series, {} queued, {} dropped",
        rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}")),
        status.live_series,
        buffered,
        status.ledger.dropped_total(),
    );
    if !failing.is_empty() {
        line.push_str(" | ");
        line.push_str(&failing.join(", "));
    }
    // A line that wraps cannot be erased.
    line.chars().take(100).collect()
}
