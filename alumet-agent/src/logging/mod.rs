//! The log.

mod fold;
#[cfg(feature = "top")]
mod held;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use alumet_core::span;
use alumet_core::time::SystemClock;
use tracing_subscriber::filter::{Directive, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::cli::LogFormat;
use crate::exit::Failed;
use crate::live_line;
use crate::settings::LogSettings;
use crate::terminal;

use fold::Folded;
pub(crate) use fold::say_once;
#[cfg(feature = "top")]
pub(crate) use held::Held;

/// What takes spans, besides the log.
pub(crate) type Spans = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts the log on the standard error.
pub(crate) fn start(
    settings: &LogSettings,
    format: Option<LogFormat>,
    quiet: bool,
    spans: Option<Spans>,
) -> Result<(), Failed> {
    // By an earlier run of the same program.
    if tracing::dispatcher::has_been_set() {
        return Ok(());
    }
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
    let log = tracing_subscriber::fmt::layer().with_writer(|| Stderr);
    let format = format.unwrap_or(settings.format);
    if format == LogFormat::Json {
        terminal::complain_as_json();
    }
    let log = match format {
        LogFormat::Text => log
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .map_event_format(|format| Folded::new(format, Arc::new(SystemClock)))
            .boxed(),
        LogFormat::Json => log
            .json()
            .map_event_format(|format| Folded::new(format, Arc::new(SystemClock)))
            .boxed(),
    };
    let both = tracing_subscriber::registry()
        .with(spans)
        .with(log.with_filter(filter));
    both.try_init()
        .map_err(|error| anyhow::anyhow!("the log cannot be started: {error}").into())
}

/// Libraries whose lines are for those who mend them, and which anybody who connects can make speak; and the spans, which would
/// stand in each line about what they are about.
const LIBRARIES: [&str; 6] = ["async_nats", "h2", "hyper", "rustls", "tonic", span::TARGET];

/// What is logged. A level without a target is that of the program; libraries below it say no more than warnings.
///
/// # Errors
/// What is wrong with the directives, and what would work.
pub(crate) fn filter(directives: &str) -> Result<EnvFilter, String> {
    let refused = |error: &dyn Display| {
        format!("{directives:?} chooses no log level: {error}; write for example \"info\"")
    };
    // A misspelt level would be taken for the name of a crate, and silence the log.
    let word = directives.chars().all(|c| c.is_ascii_alphabetic());
    let level = directives.parse::<LevelFilter>();
    if word && level.is_err() {
        return Err(refused(&"it is none of error, warn, info, debug, trace, off"));
    }
    let filter = EnvFilter::try_new(directives).map_err(|error| refused(&error))?;
    if !level.is_ok_and(|level| level > LevelFilter::WARN) {
        return Ok(filter);
    }
    let quiet = |library: &str| format!("{library}=warn").parse::<Directive>();
    LIBRARIES.iter().try_fold(filter, |filter, library| {
        let directive = quiet(library).map_err(|error| refused(&error))?;
        Ok(filter.add_directive(directive))
    })
}

/// Writes lines of the log around the live line.
struct Stderr;

impl Write for Stderr {
    /// Never fails: the subscriber would complain at the same place, and panic when that fails, too, as it does on a full
    /// disk. A line that cannot be written is missed; the measurement goes on.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "top")]
        if held::keep(bytes) {
            return Ok(bytes.len());
        }
        let _ = live_line::without(|| io::stderr().lock().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().lock().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_only_warn_unless_they_are_named() {
        let directives = |text| filter(text).unwrap().to_string();
        assert!(directives("debug").contains("h2=warn"), "{}", directives("debug"));
        assert!(!directives("debug,h2=trace").contains("h2=warn"));
        assert!(
            !directives("error").contains("warn"),
            "no more than what is asked for"
        );
    }
}
