//! The command `wide`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use alumet_agent::ExtraCommand;
use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser};

/// Print what the csv output has written as a table with a column for each metric
#[derive(Debug, Parser)]
#[command(name = "wide", disable_help_subcommand = true)]
struct Wide {
    /// The file, in either dialect
    file: PathBuf,
}

pub(crate) const COMMAND: ExtraCommand = ExtraCommand {
    build: Wide::command,
    run: |arguments, output| {
        let Wide { file } = Wide::from_arg_matches(arguments)?;
        let opened = File::open(&file).with_context(|| file.display().to_string())?;
        alumet_plugin_csv::widen(BufReader::new(opened), output)
            .with_context(|| file.display().to_string())?;
        Ok(ExitCode::SUCCESS)
    },
};
