//! One line on the terminal that says how things are, rewritten in place; nothing when the output is redirected.

mod machine;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use alumet_core::pipeline::{ElementStatus, PipelineStatus};
use parking_lot::Mutex;

use machine::Machine;
pub(crate) use machine::MachineWatch;

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
#[derive(Default)]
pub(crate) struct LiveLine {
    /// When how many samples had been made, the oldest first.
    history: VecDeque<(Instant, u64)>,
    machine: Machine,
}

/// The rate is that of this long: most sources make nothing in most seconds.
const WINDOW: Duration = Duration::from_secs(10);
/// When the terminal does not tell how wide it is.
const WIDTH: usize = 80;

impl LiveLine {
    /// A line if the standard error is a terminal.
    pub(crate) fn on_terminal() -> Option<Self> {
        io::stderr().is_terminal().then(Self::default)
    }

    /// What looks for the line at the samples of the machine.
    pub(crate) fn watch(&self) -> MachineWatch {
        MachineWatch::for_line(self.machine.clone())
    }

    /// Shows the status.
    pub(crate) fn show(&mut self, status: &PipelineStatus) {
        let rate = self.rate(Instant::now(), status.ledger.produced);
        // A line that wraps cannot be erased.
        let room = width().saturating_sub(1);
        let line = fitting(&describe(status, self.machine.describe(), rate), room);
        let mut shown = SHOWN.lock();
        let _ = write!(io::stderr().lock(), "{ERASE}{line}");
        *shown = line;
    }

    /// Samples per second.
    fn rate(&mut self, now: Instant, produced: u64) -> Option<f64> {
        self.history.push_back((now, produced));
        // The first entry is the last one that is at least as old as the window.
        while self
            .history
            .get(1)
            .is_some_and(|(then, _)| now.duration_since(*then) >= WINDOW)
        {
            self.history.pop_front();
        }
        let (then, before) = *self.history.front()?;
        let seconds = now.duration_since(then).as_secs_f64();
        (seconds > 0.0).then(|| produced.saturating_sub(before) as f64 / seconds)
    }
}

/// How many characters fit into a line of the terminal.
fn width() -> usize {
    match rustix::termios::tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => WIDTH,
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        SHOWN.lock().clear();
        let _ = write!(io::stderr().lock(), "{ERASE}");
    }
}

/// What is told, the most important first: what is not well, then the machine, then the agent.
fn describe(status: &PipelineStatus, machine: Vec<String>, rate: Option<f64>) -> Vec<String> {
    let wrong = |element: &ElementStatus| match element.is_healthy() {
        true => element.stands_still(),
        false => Some(format!("{} {}", element.key, element.state)),
    };
    let mut parts: Vec<String> = status.elements.iter().filter_map(wrong).collect();
    let accounts = status.ledger.outputs.values();
    let waiting: u64 = accounts.map(|account| account.buffered).sum();
    let dropped = status.ledger.dropped_total();
    if dropped > 0 {
        parts.push(format!("{dropped} dropped"));
    }
    parts.extend(machine);
    let rate = rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}"));
    parts.push(format!("{rate} samples/s"));
    parts.push(format!("{} series", status.live_series));
    parts.push(format!("{waiting} queued"));
    parts
}

/// As many of the parts as there is room for so many characters, and at least the beginning of the first.
fn fitting(parts: &[String], room: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let separator = if line.is_empty() { "" } else { ", " };
        let length = line.chars().count() + separator.len() + part.chars().count();
        if !line.is_empty() && length > room {
            break;
        }
        line.push_str(separator);
        line.push_str(part);
    }
    line.chars().take(room).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out_as_a_whole() {
        let parts = ["CPU 5 %", "3 samples/s", "7 series"].map(str::to_owned);
        assert_eq!(fitting(&parts, 80), "CPU 5 %, 3 samples/s, 7 series");
        assert_eq!(fitting(&parts, 20), "CPU 5 %, 3 samples/s");
        assert_eq!(fitting(&parts, 19), "CPU 5 %");
        assert_eq!(fitting(&parts, 3), "CPU");
    }

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let start = Instant::now();
        let mut line = LiveLine::default();
        let mut rate = |second: u64, produced| line.rate(start + Duration::from_secs(second), produced);
        assert_eq!(rate(0, 1000), None);
        // A source that is polled every five seconds.
        for second in 1..=4 {
            assert_eq!(rate(second, 1000), Some(0.0));
        }
        assert_eq!(rate(5, 1500), Some(100.0));
        for second in 6..=9 {
            rate(second, 1500);
        }
        for second in 10..=40 {
            let produced = 1000 + 500 * (second / 5);
            assert_eq!(rate(second, produced), Some(100.0), "second {second}");
        }
        assert_eq!(line.history.len(), 11, "what is older is forgotten");
    }
}
