//! A command that a binary adds to those of every application.

use std::io::Write;
use std::process::ExitCode;

use clap::ArgMatches;

use crate::exit::Failed;
use crate::terminal;

/// A command that a binary adds to those of every application. Help, completions and the manual page know it like the
/// built-in ones.
#[derive(Debug, Clone, Copy)]
pub struct ExtraCommand {
    /// Gives the name, the arguments and the help.
    pub build: fn() -> clap::Command,
    /// Does it. What it writes goes to the standard output, also when it fails after that; an error is printed with its
    /// whole chain, and the program ends with the exit code 1.
    pub run: fn(&ArgMatches, &mut dyn Write) -> Result<ExitCode, anyhow::Error>,
}

impl ExtraCommand {
    pub(crate) fn name(&self) -> String {
        (self.build)().get_name().to_owned()
    }

    pub(crate) fn execute(&self, arguments: &ArgMatches) -> Result<ExitCode, Failed> {
        let mut output = Vec::new();
        let result = (self.run)(arguments, &mut output);
        terminal::print(&String::from_utf8_lossy(&output))?;
        Ok(result?)
    }
}
