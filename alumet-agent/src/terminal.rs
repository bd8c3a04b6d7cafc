//! What the program prints, as opposed to what it logs.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::exit::Failed;

/// Prints a text to the standard output, with which a command is done. A reader that has gone away (`… | head`) is no error.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failed> {
    print_part(text).map(|_| ExitCode::SUCCESS)
}

/// Prints a text, after which another one may come; says whether somebody still reads.
pub(crate) fn print_part(text: &str) -> Result<bool, Failed> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        result => Ok(result.map(|()| true)?),
    }
}

/// Whether what goes to the standard error is JSON, as the log is.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// What goes to the standard error is one JSON object a line from now on.
pub(crate) fn complain_as_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// Prints a message to the standard error, whatever is logged: with what it is in front, or as a line of the log if that is
/// JSON. There is nobody to tell if that fails.
pub(crate) fn complain(level: Level, message: &str) {
    let line = match (IS_JSON.load(Ordering::Relaxed), level) {
        (true, _) => as_json(level, message),
        (false, Level::ERROR) => format!("error: {message}"),
        (false, Level::WARN) => format!("warning: {message}"),
        (false, _) => message.to_owned(),
    };
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// With the keys that the log has.
fn as_json(level: Level, message: &str) -> String {
    let mut timestamp = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let (level, target) = (level.as_str(), env!("CARGO_CRATE_NAME"));
    serde_json::json!({
        "timestamp": timestamp,
        "level": level,
        "fields": { "message": message.trim() },
        "target": target,
    })
    .to_string()
}

/// The lines of a text, two columns to the right.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
