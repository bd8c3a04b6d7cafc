use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::exit::Failed;
use crate::terminal;
use crate::wide::widen;

/// Prints what the csv output has written as a table with a column for each metric.
pub(crate) fn wide(file: &Path) -> Result<ExitCode, Failed> {
    let name = || file.display().to_string();
    let opened = File::open(file).with_context(name)?;
    let mut table = Vec::new();
    widen(BufReader::new(opened), &mut table).with_context(name)?;
    terminal::print(&String::from_utf8_lossy(&table))
}
