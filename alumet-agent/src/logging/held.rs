//! The log while something else has the terminal.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Keeps the lines of the log from the terminal; they come when it is dropped.
pub(crate) struct Held(());

/// Each with the time at which it came.
static LINES: Mutex<Option<VecDeque<(Instant, String)>>> = Mutex::new(None);

/// Of more lines, the latest are kept.
const MOST: usize = 1000;

/// How long a line is news.
const NEWS: Duration = Duration::from_secs(10);

impl Held {
    /// From now on.
    pub(crate) fn start() -> Self {
        *LINES.lock() = Some(VecDeque::new());
        Self(())
    }

    /// The latest line while it is news, without its time and colours.
    pub(crate) fn latest(&self) -> Option<String> {
        let lines = LINES.lock();
        let (came, line) = lines.as_ref()?.back()?;
        if came.elapsed() > NEWS {
            return None;
        }
        // Each colour is `ESC [ … m`.
        let mut parts = line.split('\x1b');
        let mut line = parts.next()?.to_owned();
        line.extend(parts.filter_map(|part| Some(part.split_once('m')?.1)));
        let (_, line) = line.split_once(' ')?;
        Some(line.trim().to_owned())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (_, line) in LINES.lock().take().into_iter().flatten() {
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

/// Keeps a line, if the log is held.
pub(super) fn keep(line: &[u8]) -> bool {
    let mut lines = LINES.lock();
    let Some(lines) = lines.as_mut() else {
        return false;
    };
    if lines.len() == MOST {
        lines.pop_front();
    }
    lines.push_back((Instant::now(), String::from_utf8_lossy(line).into_owned()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_line_is_told_without_time_and_colours_and_none_is_kept_once_the_log_goes_on() {
        let held = Held::start();
        assert_eq!(held.latest(), None);
        assert!(keep(b"2026-11-29T21:31:00Z  INFO first\n"));
        assert!(keep(
            b"\x1b[2m2026-11-29T21:31:01Z\x1b[0m \x1b[33m WARN\x1b[0m no \x1b[3msensor\x1b[0m\n"
        ));
        assert_eq!(held.latest().as_deref(), Some("WARN no sensor"));
        for _ in 0..MOST {
            assert!(keep(b"t again\n"));
        }
        assert_eq!(LINES.lock().as_ref().map(VecDeque::len), Some(MOST));
        LINES.lock().as_mut().unwrap().clear();
        drop(held);
        assert!(!keep(b"t later\n"));
    }
}
