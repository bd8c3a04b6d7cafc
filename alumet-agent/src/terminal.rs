//! What the program prints, as opposed to what it logs.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

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

/// Prints a line to the standard error; there is nobody to tell if that fails.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The lines of a text, two columns to the right.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
