//! The log.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::LogFormat;
use crate::exit::Failed;
use crate::live_line;
use crate::settings::LogSettings;

/// Starts the log on the standard error.
pub(crate) fn start(settings: &LogSettings, format: Option<LogFormat>, quiet: bool) -> Result<(), Failed> {
    let level = if quiet {
        Some("warn")
    } else {
        settings.level.as_deref()
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => {
            filter(&directives).map_err(|fault| Failed::usage(format!("RUST_LOG: {fault}")))
        }
        // The configuration was checked with the rest of its keys.
        _ => filter(level.unwrap_or("info")).map_err(Failed::usage),
    }?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Stderr);
    let result = match format.unwrap_or(settings.format) {
        LogFormat::Text => log
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    result.map_err(|error| anyhow::anyhow!("the log cannot be started: {error}").into())
}

/// What is logged.
///
/// # Errors
/// What is wrong with the directives, and what would work.
pub(crate) fn filter(directives: &str) -> Result<EnvFilter, String> {
    let refused = |error: &dyn Display| {
        format!("{directives:?} chooses no log level: {error}; write for example \"info\"")
    };
    // A misspelt level would be taken for the name of a crate, and silence the log.
    let word = directives.chars().all(|c| c.is_ascii_alphabetic());
    if word && directives.parse::<LevelFilter>().is_err() {
        return Err(refused(&"it is none of error, warn, info, debug, trace, off"));
    }
    EnvFilter::try_new(directives).map_err(|error| refused(&error))
}

/// Writes lines of the log around the live line.
struct Stderr;

impl Write for Stderr {
    /// Never fails: the subscriber would complain at the same place, and panic when that fails, too, as it does on a full
    /// disk. A line that cannot be written is missed; the measurement goes on.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = live_line::without(|| io::stderr().lock().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().lock().flush();
        Ok(())
    }
}
