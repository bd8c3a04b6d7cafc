//! The log while something else has the terminal.

use std::collections::VecDeque;
use std::io::{self, Write};

use parking_lot::Mutex;

/// Keeps the lines of the log from the terminal; they come when it is dropped.
pub(crate) struct Held(());

static LINES: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// Of more lines, the latest are kept.
const MOST: usize = 1000;

impl Held {
    /// From now on.
    pub(crate) fn start() -> Self {
        *LINES.lock() = Some(VecDeque::new());
        Self(())
    }

    /// The latest line, without its time and colours.
    pub(crate) fn latest(&self) -> Option<String> {
        let lines = LINES.lock();
        // Each colour is `ESC [ … m`.
        let mut parts = lines.as_ref()?.back()?.split('\x1b');
        let mut line = parts.next()?.to_owned();
        line.extend(parts.filter_map(|part| Some(part.split_once('m')?.1)));
        let (_, line) = line.split_once(' ')?;
        Some(line.trim().to_owned())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for line in LINES.lock().take().into_iter().flatten() {
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
    lines.push_back(String::from_utf8_lossy(line).into_owned());
    true
}
